"""Files that `nadyn init` writes: they fit what is at hand, pass their own checks, and run."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from contracts.untrained import untrained

from nadyn import shipped
from nadyn.checks.commented_yaml import Line, commented_yaml
from nadyn.checks.configuration import read_configuration
from nadyn.checks.yaml_text import read_yaml
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.data.structure_file import read_structure
from nadyn.dynamics.run.first_file import first_run_file
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.learning.learn_file import LearnConfiguration, check_sections
from nadyn.models import save_model
from nadyn.models.analytic import springs, tully
from nadyn.structures import formula, masses
from nadyn.training.configuration import TrainingConfiguration
from nadyn.units import AU_PER_FEMTOSECOND
from tests.cli.typed import typed


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _write_data(path, *, n_states=2, steps=0.5, labels=("forces",), n_frames=30):
    """Two atoms and a third; with small steps the frames follow each other."""
    random = np.random.default_rng(3)
    moves = steps * random.normal(size=(n_frames, 3, 3))
    positions = np.array([[0.0, 0, 0], [2.2, 0, 0], [0, 2.2, 0]]) + (
        moves.cumsum(0) if steps < 0.1 else moves
    )
    shapes = {"forces": (n_states, 3, 3), "interstate_couplings": (n_states * (n_states - 1) // 2, 3, 3)}
    shapes["charges"] = (3,)
    arrays = {key: random.normal(size=(n_frames, *shapes[key])) for key in labels}
    energies = np.sort(random.normal(size=(n_frames, n_states)), axis=1)
    group = group_from_arrays(
        "H2O",
        atomic_numbers=[8, 1, 1],
        positions=positions,
        energies=energies,
        charge=0,
        multiplicities=(1,) * n_states,
        **arrays,
    )
    write_dataset(path, Dataset((group,)))


@pytest.mark.filterwarnings("ignore::nadyn.checks.errors.InputWarning")
@pytest.mark.parametrize(
    ("how", "weights", "split"),
    [
        ({"labels": ("forces", "interstate_couplings")}, {"energy", "force", "coupling"}, "random"),
        ({"steps": 0.01}, {"energy", "force"}, "blocks"),
        # Charges are learned where electrostatics is asked for, and a weight of them would be refused.
        ({"n_states": 1, "labels": ("charges",)}, {"energy"}, "random"),
    ],
)
def test_a_training_file_fits_the_labels_and_the_order_of_frames(how, weights, split):
    _write_data("data.h5", **how)
    code, said = typed("init", "train", "data.h5")
    assert code == 0 and "next: nadyn train data.h5 --config train.yaml" in said
    config = read_configuration("train.yaml", TrainingConfiguration)
    assert config.weights.model_fields_set == weights and config.split == split
    text = Path("train.yaml").read_text(encoding="utf-8")
    assert "# H2O: 30 frames, 3 atoms, " in text and ("basis" in text) == (how.get("n_states") != 1)
    assert config.model_copy(update={"split": "auto"}) == TrainingConfiguration(time_limit_minutes=60)
    code, said = typed("init", "train", "data.h5")
    assert code == 2 and "must not exist yet" in said


@pytest.mark.filterwarnings("ignore::nadyn.checks.errors.InputWarning")
def test_of_several_multiplicities_a_training_file_is_for_one():
    random = np.random.default_rng(3)
    positions = np.array([[0.0, 0, 0], [2.2, 0, 0], [0, 2.2, 0]]) + 0.5 * random.normal(size=(30, 3, 3))
    group = group_from_arrays(
        "H2O",
        atomic_numbers=[8, 1, 1],
        positions=positions,
        energies=np.array([0.0, 0.3, 0.2]) + 0.01 * random.normal(size=(30, 3)),
        forces=0.1 * random.normal(size=(30, 3, 3, 3)),
        charge=0,
        multiplicities=(1, 1, 3),
    )
    write_dataset("data.h5", Dataset((group,)))
    code, said = typed("init", "train", "data.h5")
    assert code == 2 and "--multiplicity" in said
    code, said = typed("init", "train", "data.h5", "--multiplicity", 1)
    assert code == 0 and "--config train.yaml --multiplicity 1 --output model.safetensors" in said
    assert "2 states" in Path("train.yaml").read_text(encoding="utf-8")
    code, said = typed("check", "train.yaml", "--data", "data.h5", "--multiplicity", 1)
    assert code == 0 and "forces" in said
    # Its two states are never close.
    assert "no frame has a gap below 0.3 eV, the smallest is" in said.replace("\n", " ")
    assert typed("check", "train.yaml", "--data", "data.h5")[0] == 2


def test_data_that_a_training_would_refuse_are_refused():
    _write_data("data.h5", n_frames=9)
    code, said = typed("init", "train", "data.h5")
    assert code == 2 and "must hold at least 10 frames to be trained on" in said


def test_a_run_file_of_a_molecule_starts_on_its_highest_state_and_runs(tmp_path):
    (tmp_path / "models").mkdir()
    shutil.copy(shipped.path("ammonia/ammonia.safetensors"), "models/nh3.safetensors")
    (tmp_path / "runs").mkdir()
    assert typed("init", "run", "models/nh3.safetensors", "--n", 3, "-o", "runs/run.yaml")[0] == 0
    config = read_configuration("runs/run.yaml", RunConfiguration)
    assert config.model == "../models/nh3.safetensors"
    assert (config.initial.sample, config.initial.n, config.initial.state) == ("wigner", 3, 1)
    # The period of N-H of this model, and 16 steps of it at least.
    text = Path("runs/run.yaml").read_text(encoding="utf-8")
    period = float(re.search(r"vibration, ([\d.]+) fs", text)[1])
    assert 7.5 < period < 10.5 and period / config.dt_fs >= 16 and config.dt_fs == 0.5
    shorter = text.replace("time_fs: 100.0", "time_fs: 1.0")
    assert shorter != text
    Path("runs/run.yaml").write_text(shorter, encoding="utf-8")
    code, said = typed("run", "runs/run.yaml", "--quiet")
    assert code == 0, said
    assert (tmp_path / "runs" / "run.h5").exists()


@pytest.mark.parametrize(
    ("named", "initial"),
    [
        ({"name": "tully", "variant": 2}, {"position_au": -10.0, "momentum_au": 20.0, "n": 5, "state": 0}),
        (
            {"name": "conical_intersection", "coupling_au": 0.02},
            {"position_au": [-10.0, 0.0], "momentum_au": [20.0, 0.0], "n": 5, "state": 0},
        ),
        ({"name": "pyrazine", "variant": 4}, {"sample": "wigner", "n": 5, "state": 1}),
        ({"name": "jahn_teller"}, {"sample": "wigner", "n": 5, "state": 1}),
    ],
)
def test_a_run_file_of_an_analytic_model_runs(named, initial):
    Path("model.yaml").write_text(yaml.safe_dump(named), encoding="utf-8")
    assert typed("init", "run", "model.yaml", "--n", 5)[0] == 0
    content = read_yaml(Path("run.yaml").read_text(encoding="utf-8"))
    assert content["model"] == named and initial.items() <= content["initial"].items()
    content |= {"time_fs": 2 * content["dt_fs"]}
    Path("short.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code, said = typed("run", "short.yaml", "--quiet")
    assert code == 0, said


def test_a_molecule_on_one_state_starts_from_its_geometry_in_a_bath():
    """And from no sample of its vibrations, which tears bonds where methyl groups turn."""
    geometry = torch.tensor([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
    model = replace(untrained("moments", None), starting_geometry=geometry.double())
    save_model(model, Path("potential.safetensors"))
    Path("runs").mkdir()
    code, said = typed("init", "run", "potential.safetensors", "--n", 7, "-o", "runs/run.yaml")
    assert code == 0 and "wrote runs/run_start.xyz" in said
    config = read_configuration("runs/run.yaml", RunConfiguration)
    assert (config.method, config.thermostat.temperature_kelvin) == ("nvt", 300.0)
    assert (config.initial.structure, config.initial.n) == ("run_start.xyz", 7)
    start = read_structure("runs/run_start.xyz")
    np.testing.assert_allclose(start.positions, geometry.numpy(), atol=1e-6)
    assert start.cell is None and start.atomic_numbers == model.atomic_numbers
    text = Path("runs/run.yaml").read_text(encoding="utf-8")
    Path("runs/run.yaml").write_text(re.sub(r"time_fs: .*", "time_fs: 1.0", text), encoding="utf-8")
    code, said = typed("run", "runs/run.yaml", "--quiet")
    assert (Path("runs") / "run.h5").exists(), said
    # A geometry of one's own takes the place of the stored one.
    shutil.copy("runs/run_start.xyz", "mine.xyz")
    code, said = typed("init", "run", "potential.safetensors", "--geometry", "mine.xyz", "-o", "runs/b.yaml")
    assert code == 0 and "start.xyz" not in said
    assert read_configuration("runs/b.yaml", RunConfiguration).initial.structure == "../mine.xyz"


def test_a_model_that_is_called_by_its_formula_is_named_once():
    geometry = torch.tensor([[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]])
    model = replace(untrained("moments", None), starting_geometry=geometry.double())
    atoms = formula(list(model.atomic_numbers))
    for name, words in ((atoms, f"# {atoms}: one state."), ("mine", f"# mine: {atoms}, one state.")):
        text = first_run_file(replace(model, name=name), "m.safetensors", n=2, structure="start.xyz")
        assert words in text.splitlines()


@pytest.mark.parametrize(("n_states", "expected_fs"), [(1, 1.0), (2, 0.5)])
def test_the_time_step_is_a_sixteenth_of_the_fastest_period(n_states, expected_fs):
    # Two masses on a spring, omega = sqrt(k / mu) and a period of 20 fs, of which a sixteenth is 1.25 fs.
    distance = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]], dtype=torch.float64)
    mu = float(masses((8,))[0]) / 2.0
    constant = mu * (2.0 * np.pi / (20.0 * AU_PER_FEMTOSECOND)) ** 2
    one = torch.ones(n_states, n_states, 1, 1, dtype=torch.float64)
    stiffness = constant * torch.eye(n_states, dtype=torch.float64)[:, :, None, None]
    levels = torch.diag(torch.arange(n_states, dtype=torch.float64))
    model = springs(distance, (8, 8), constant=levels, stiffness=stiffness, lengths=2.0 * one)
    text = first_run_file(model, "o2.safetensors", n=2)
    assert read_yaml(text)["dt_fs"] == expected_fs
    assert f"{20 / expected_fs:.0f} steps a period of the fastest vibration, 20 fs (1668 cm-1)" in " ".join(
        text.replace("#", " ").split()
    )


def test_a_packet_crosses_a_tenth_of_a_bohr_a_step():
    text = first_run_file(tully(1), {"name": "tully", "variant": 1}, n=2)
    config = read_yaml(text)
    velocity = 20.0 / 2000.0
    assert config["dt_fs"] * AU_PER_FEMTOSECOND * velocity == pytest.approx(0.1, rel=0.05)
    assert config["time_fs"] * AU_PER_FEMTOSECOND * velocity == pytest.approx(40.0, rel=0.05)
    assert config["stop"] == {"beyond_au": 10.0}


def test_a_label_source_is_no_model():
    Path("source.yaml").write_text("model: {pyscf: {method: hf/sto-3g}}", encoding="utf-8")
    code, said = typed("init", "run", "source.yaml")
    assert code == 2 and "is a label source" in said


def test_a_learn_file_knows_its_molecule_and_level():
    pytest.importorskip("pyscf")
    Path("ethylene.xyz").write_text(
        "6\n\nC 0 0 0.67\nC 0 0 -0.67\nH 0 0.92 1.24\nH 0 -0.92 1.24\nH 0 0.92 -1.24\nH 0 -0.92 -1.24\n",
        encoding="utf-8",
    )
    assert typed("init", "learn", "ethylene.xyz", "--method", "sa3-casscf(2,2)/6-31g*")[0] == 0
    config = read_configuration("learn.yaml", LearnConfiguration)
    check_sections(config)
    assert config.state == 1 and config.molecule == "ethylene.xyz"
    assert config.source == {"pyscf": {"method": "sa3-casscf(2,2)/6-31g*", "charge": 0}}
    code, said = typed("init", "learn", "ethylene.xyz", "--charge", 1, "-o", "ion.yaml")
    assert code == 2 and "C2H4 with charge 1 has 15" in said
    code, said = typed("init", "learn", "ethylene.xyz", "--state", 3, "-o", "ion.yaml")
    assert code == 2 and "`--state` must be from 0 to 2" in said


def test_what_is_only_proposed_stands_behind_a_mark_and_commands_stay_in_one_piece():
    long = "nadyn train " + "a-long-name.h5 " * 12
    text = commented_yaml(
        ["Title", long], [Line("a", {"b": [1, 2.0]}, "Why."), Line("c", True, active=False)]
    )
    assert read_yaml(text) == {"a": {"b": [1, 2.0]}}
    assert "# Why.\na: {b: [1, 2.0]}\n\n# c: true\n" in text
    assert all(len(line) < 110 for line in text.splitlines()) and "a-long-\n" not in text
