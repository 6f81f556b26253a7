"""`nadyn couple`, and what a run among several learned spins says and refuses."""

import json

import numpy as np
import pytest
from contracts.spin_coupled import GEOMETRY, labelled_group, spin_coupled

from nadyn.cli.main import main
from nadyn.data import Dataset, write_dataset
from nadyn.models import save_model
from nadyn.structures import masses
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def _left(*arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    return leaving.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = spin_coupled()
    for name, block in zip(("singlets", "triplets"), model.blocks, strict=True):
        save_model(block, f"{name}.safetensors")
    write_dataset("data.h5", Dataset((labelled_group(model, 11),)))
    positions = GEOMETRY.numpy() + np.zeros((3, 1, 1))
    mass = masses(model.atomic_numbers)
    momenta = np.random.default_rng(1).standard_normal((3, 4, 3)) * np.sqrt(mass)[:, None] * 0.03
    start = InitialConditions(
        positions=positions,
        momenta=momenta,
        weight=np.ones(3),
        masses=mass,
        atomic_numbers=np.array(model.atomic_numbers),
        state=4,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
    )
    write_initial_conditions("initial.h5", start)
    return tmp_path


def _run_file(**keys):
    content = {
        "model": "both.safetensors",
        "initial": {"file": "initial.h5"},
        "method": "fssh",
        "dt_fs": 0.1,
        "time_fs": 0.4,
        "output": "run.h5",
    }
    with open("run.yaml", "w", encoding="utf-8") as file:
        json.dump(content | keys, file)
    return "run.yaml"


@pytest.mark.slow
def test_models_of_two_spins_are_coupled_and_run(folder, capsys):
    data, output = ("--data", "data.h5"), ("--output", "both.safetensors")
    assert _left("couple", "singlets.safetensors", "triplets.safetensors", *data, *output, "--steps", 3) == 0
    said = capsys.readouterr().out
    assert "held out: spin-orbit coupling on 1 frame" in said and "cm⁻¹" in said
    assert (
        _left("couple", "triplets.safetensors", "singlets.safetensors", *data, "--output", "x.safetensors")
        == 2
    )
    assert "ascending" in capsys.readouterr().err
    assert _left("info", "both.safetensors") == 0
    assert "1 1 3 3 3" in capsys.readouterr().out

    assert _left("evaluate", "both.safetensors", "data.h5", "--json", "errors.json") == 0
    assert "spin-orbit coupling on 11 frames" in capsys.readouterr().out
    errors = json.loads((folder / "errors.json").read_text())["toy"]
    assert errors["spin_orbit_relative_error"] > 0 and max(errors["energy_mae_ev"]) < 1e-3
    assert _left("evaluate", "both.safetensors", "data.h5", "--curvature") == 2

    assert _left("run", _run_file()) == 0
    run = open_run("run.h5")
    assert run.n_states == 11
    populations = np.asarray(run.diabatic_populations)
    assert populations.shape == (5, 3, 2)
    # It begins in a triplet; the active state is drawn, so that one trajectory is off by a coherence.
    np.testing.assert_allclose(populations[0], [[0.0, 1.0]] * 3, atol=0.02)
    np.testing.assert_allclose(populations.sum(axis=2), 1.0, atol=1e-6)
    assert _left("analyse", "run.h5", "--json", "out.json") == 0
    numbers = json.loads((folder / "out.json").read_text())
    assert set(numbers["multiplicity_populations"]) == {"1", "3"}
