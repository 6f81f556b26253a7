"""`nadyn sample` from the command line."""

from importlib import resources

import numpy as np
import pytest
import torch

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.cli.sample import _outside, _shape
from nadyn.dynamics.run.known_region import region_statuses
from nadyn.dynamics.run.loop import run
from nadyn.dynamics.run.stopping import Status
from nadyn.models import load_model
from nadyn.models.analytic import analytic_model, springs
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import read_initial_conditions


def _run(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["sample", *map(str, arguments)])
    return left.value.code


@pytest.fixture
def pyrazine_file(tmp_path):
    path = tmp_path / "pyrazine.yaml"
    path.write_text("{name: pyrazine, variant: 4}\n", encoding="utf-8")
    return path


def test_a_sample_is_written_and_the_frequencies_are_printed(pyrazine_file, tmp_path, capsys):
    output = tmp_path / "initial.h5"
    assert _run(pyrazine_file, "--n", 7, "--output", output, "--diabatic-state", 1, "--seed", 3) == 0
    printed = capsys.readouterr().out
    # 0.0739, 0.1139, 0.1258 and 0.1525 eV.
    for frequency in ("596.0", "918.7", "1014.6", "1230.0"):
        assert frequency in printed
    initial = read_initial_conditions(output)
    assert initial.positions.shape == (7, 4, 1)
    assert initial.diabatic_state == 1
    assert initial.temperature_kelvin == 0.0


def test_the_model_of_a_yaml_file_is_looked_for_beside_it(tmp_path, monkeypatch):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    shipped = resources.files("nadyn.models.analytic") / "pyrazine4.json"
    (inside / "parameters.json").write_bytes(shipped.read_bytes())
    (inside / "run.yaml").write_text("model: {name: vibronic, file: parameters.json}\n", encoding="utf-8")
    monkeypatch.chdir(outside)
    assert _run("../inside/run.yaml", "--n", 2, "--output", "initial.h5") == 0
    assert len(read_initial_conditions("initial.h5").weight) == 2


def test_the_start_that_a_run_file_names_is_kept_unless_an_option_names_another(tmp_path, capsys):
    run = tmp_path / "run.yaml"
    run.write_text(
        "model: {name: pyrazine, variant: 4}\n"
        "initial: {sample: thermal, temperature_kelvin: 300, n: 5, diabatic_state: 1}\n"
        "method: fssh\ntime_fs: 10\n",
        encoding="utf-8",
    )
    followed, other = tmp_path / "followed.h5", tmp_path / "other.h5"
    assert _run(run, "--n", 2, "--output", followed) == 0
    initial = read_initial_conditions(followed)
    assert (initial.diabatic_state, initial.state) == (1, None)
    assert initial.temperature_kelvin == 300.0 and initial.origin.startswith("thermal")
    assert "on diabatic state 1" in capsys.readouterr().out
    assert _run(run, "--n", 2, "--output", other, "--state", 1, "--sample", "wigner") == 0
    initial = read_initial_conditions(other)
    assert (initial.diabatic_state, initial.state) == (None, 1)
    assert initial.origin.startswith("wigner")


def test_an_existing_file_is_kept_unless_it_may_be_overwritten(pyrazine_file, tmp_path, capsys):
    output = tmp_path / "initial.h5"
    output.write_text("mine", encoding="utf-8")
    assert _run(pyrazine_file, "--n", 2, "--output", output) == 2
    assert "Use --overwrite" in capsys.readouterr().err
    assert output.read_text(encoding="utf-8") == "mine"
    assert _run(pyrazine_file, "--n", 2, "--output", output, "--overwrite") == 0
    assert len(read_initial_conditions(output).weight) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--sample", "boltzmann"), "sample"),
        (("--sample", "thermal"), "above 0 for a thermal sample"),
        (("--state", 5), "`state` must be from 0 to 1"),
        (("--geometry", "x.xyz"), "samples its own oscillators"),
        (("--isotope", "H=2", "--isotope", "H=3"), "must give H one mass number, but gives it two"),
    ],
)
def test_what_cannot_be_sampled_is_one_sentence_and_exit_code_2(
    pyrazine_file, tmp_path, capsys, arguments, sentence
):
    output = tmp_path / "initial.h5"
    assert _run(pyrazine_file, "--n", 2, "--output", output, *arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not output.exists()


def test_a_state_that_the_model_has_not_is_refused_before_the_search_for_a_minimum(
    tmp_path, capsys, monkeypatch
):
    def search(*arguments):
        raise AssertionError("searched")

    monkeypatch.setattr("nadyn.dynamics.initial.oscillators.oscillators", search)
    model = shipped.path("ammonia/ammonia.safetensors")
    assert _run(model, "--n", 2, "--state", 7, "--output", tmp_path / "initial.h5") == 2
    assert "`state` must be from 0 to 1 for this model, but is 7." in capsys.readouterr().err


def test_what_a_sample_notices_is_kept_by_the_run_that_starts_from_it(tmp_path, capsys):
    """At 25,000 K some starts lie outside of the training data, and some do not."""
    output, model = tmp_path / "initial.h5", str(shipped.path("ammonia/ammonia.safetensors"))
    hot = ("--sample", "thermal", "--temperature-kelvin", 25000)
    assert _run(model, "--n", 20, "--output", output, *hot) == 0
    printed = " ".join(capsys.readouterr().out.split())
    (notice,) = read_initial_conditions(output).notices
    assert notice.startswith("initial conditions must lie where the model was trained")
    assert f"Warning: {notice}" in printed
    content = {"model": model, "initial": {"file": str(output)}, "method": "nve", "time_fs": 1}
    result = run({**content, "output": str(tmp_path / "run.h5")}, progress=False)
    assert notice in result.notices
    assert notice in open_run(tmp_path / "run.h5").attributes["warnings"]


@pytest.fixture
def starts():
    """Three starts of ammonia: its planar minimum, one with an atom far away, one with two atoms close."""
    model = load_model(shipped.path("ammonia/ammonia.safetensors"))
    positions = model.starting_geometry.double().numpy()[None].repeat(3, axis=0)
    positions[1, 1] += 40.0
    positions[2, 1] = positions[2, 2] + 0.3
    return model, positions


def test_starts_outside_of_the_training_data_are_counted(starts):
    model, positions = starts
    assert _outside(model, positions[:1]) is None
    sentence = _outside(model, positions)
    assert "2 of 3 do not" in sentence and "1 have atoms too close" in sentence
    with pytest.raises(InputError, match="2 of 2 do not"):
        _outside(model, positions[1:])
    # An analytic model is defined everywhere.
    assert _outside(analytic_model({"name": "pyrazine", "variant": 4}), np.full((2, 4, 1), 99.0)) is None


def test_starts_are_outside_exactly_where_a_trajectory_is_stopped(starts):
    model, positions = starts
    reasons = [Status.RUNNING, Status.OUTSIDE_TRAINING, Status.CLOSE_ATOMS]
    assert region_statuses(model, torch.from_numpy(positions)).tolist() == [int(reason) for reason in reasons]


@pytest.mark.parametrize(
    ("turn", "isomer"),
    [(0.0, "the cis isomer"), (np.pi, "the trans isomer"), (np.pi / 2, "neither cis nor trans")],
)
def test_the_isomer_is_named(turn, isomer):
    """1,2-difluoroethene, turned about its double bond."""
    angstrom = np.array(
        [[0, 0, 0.665], [0, 0, -0.665], [1.11, 0, 1.39], [1.11, 0, -1.39], [-0.95, 0, 1.2], [-0.95, 0, -1.2]]
    )
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    angstrom[[3, 5], :2] = angstrom[[3, 5], :2] @ rotation.T
    positions = torch.from_numpy(angstrom / 0.529177)
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    model = springs(positions, (6, 6, 9, 9, 1, 1), constant=ones[0, :, :1, 0], stiffness=ones, lengths=ones)
    assert isomer in _shape(model, positions.numpy())
    # With two hydrogens at one end there are no isomers.
    model = springs(positions, (6, 6, 1, 9, 1, 1), constant=ones[0, :, :1, 0], stiffness=ones, lengths=ones)
    assert "cis" not in _shape(model, positions.numpy()) and "degrees" in _shape(model, positions.numpy())
