"""Of a model that was trained on several molecules a run file, an option or an argument names one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run.loop import run
from nadyn.models import save_model
from nadyn.models.learned import Molecule
from nadyn.structures import masses
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GEOMETRY = {
    "pair": torch.tensor([[0.0, 0.0, 0.0], [2.2, 0.0, 0.0]], dtype=torch.float64),
    "three": torch.tensor([[0.0, 0.0, 0.0], [2.2, 0.0, 0.0], [-0.7, 2.1, 0.0]], dtype=torch.float64),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model of two molecules, and starts of each; the one that is first has fewer frames."""
    folder = tmp_path_factory.mktemp("molecules")
    model = untrained("moments", "2x0e")
    known = model.potential.network.elements
    numbers = {"pair": (known[1], known[0]), "three": (known[1], known[0], known[0])}
    molecules = tuple(
        Molecule(name, numbers[name], n_frames, GEOMETRY[name])
        for name, n_frames in (("pair", 3), ("three", 9))
    )
    model = replace(
        model, molecules=molecules, shortest_by_element=torch.zeros_like(model.shortest_by_element)
    )
    save_model(model.for_molecule("three"), folder / "model.safetensors")
    for name, geometry in GEOMETRY.items():
        positions = geometry.numpy()[None]
        initial = InitialConditions(
            positions=positions,
            momenta=np.zeros_like(positions),
            weight=np.ones(1),
            masses=masses(numbers[name]),
            atomic_numbers=np.array(numbers[name]),
            state=0,
            diabatic_state=None,
            origin="test",
            temperature_kelvin=None,
        )
        write_initial_conditions(folder / f"{name}.h5", initial)
    return folder


def content(folder, start, **changes):
    return {
        "model": str(folder / "model.safetensors"),
        "initial": {"file": str(folder / f"{start}.h5")},
        "method": "nve",
        "dt_fs": 0.1,
        "time_fs": 0.2,
        **changes,
    }


def test_a_run_moves_the_molecule_with_most_frames_or_the_one_that_is_named(folder, tmp_path):
    for start, named in (("three", {}), ("three", {"molecule": "three"}), ("pair", {"molecule": "pair"})):
        output = str(tmp_path / "run.h5")
        run(content(folder, start, output=output, **named), overwrite=True, progress=False)
        assert open_run(output).positions.shape[2] == len(GEOMETRY[start])


def test_the_option_of_the_command_line_counts_before_the_run_file(folder, tmp_path):
    output, file = tmp_path / "run.h5", tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(content(folder, "pair", output=str(output), molecule="three")))
    with pytest.raises(SystemExit) as leaving:
        main(["run", str(file), "--quiet", "--molecule", "pair"])
    assert leaving.value.code == 0
    found = open_run(output)
    assert found.config["molecule"] == "pair" and found.positions.shape[2] == 2


def test_a_sample_is_of_the_molecule_that_is_named(folder, tmp_path, monkeypatch):
    """The untrained network has no minimum: only which geometry the search starts from is looked at."""
    started = []

    def search(model, section):
        started.append(model.starting_geometry)
        raise InputError("enough.")

    monkeypatch.setattr("nadyn.dynamics.initial.oscillators.oscillators", search)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(content(folder, "pair", molecule="pair")))
    model = str(folder / "model.safetensors")
    for arguments in (
        [model],
        [model, "--molecule", "pair"],
        [str(file)],
        [str(file), "--molecule", "three"],
    ):
        with pytest.raises(SystemExit):
            main(["sample", *arguments, "--n", "2", "--output", str(tmp_path / "initial.h5")])
    for found, name in zip(started, ("three", "pair", "pair", "three"), strict=True):
        assert torch.equal(found, GEOMETRY[name])


def test_a_run_of_one_molecule_is_not_resumed_as_one_of_another(folder, tmp_path):
    output = str(tmp_path / "run.h5")
    run(content(folder, "pair", molecule="pair", output=output), progress=False)
    with pytest.raises(InputError, match="`molecule` must be as it was"):
        run(content(folder, "pair", output=output), resume=True, progress=False)


def test_a_molecule_that_is_not_there_is_refused_with_those_that_are(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"\(pair \(3 frames\), three \(9 frames\)\), but is 'tree'.*'three'\?"
    ):
        run(content(folder, "pair", molecule="tree"), progress=False)
    tully = {"model": {"name": "tully", "variant": 1}, "molecule": "pair", "method": "nve", "time_fs": 1}
    with pytest.raises(InputError, match="`molecule` must be left out for model tully"):
        run({**tully, "initial": {"position_au": 0, "momentum_au": 1, "n": 1}}, progress=False)
