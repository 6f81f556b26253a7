"""The warning about a time step that is too long for the fastest vibration."""

import math

import pytest
import torch

from nadyn.dynamics import run as runner
from nadyn.dynamics.time_step import highest_frequency, warnings_about
from nadyn.models.analytic import analytic_model
from nadyn.models.analytic.tully import tully
from nadyn.units import AU_PER_FEMTOSECOND

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def test_the_fastest_mode_of_pyrazine_sets_the_limit_and_a_flat_surface_sets_none():
    model = analytic_model({"name": "pyrazine", "variant": 4})
    origin = torch.zeros(4, 1, dtype=torch.float64)
    frequency = highest_frequency(model, origin, model.masses)
    # Mode 9a, 0.1525 eV; the coupling along 10a and the slopes change the lowest state by little.
    assert frequency * 27.2114 == pytest.approx(0.1525, rel=0.05)
    limit = 0.2 * math.pi / frequency
    assert warnings_about(model, origin, model.masses, dt=0.99 * limit) == []
    (sentence,) = warnings_about(model, origin, model.masses, dt=1.01 * limit)
    assert f"{2 * math.pi / frequency / AU_PER_FEMTOSECOND:.3g} fs" in sentence and "cm-1" in sentence
    far = torch.full((1, 1), -9.0, dtype=torch.float64)
    assert warnings_about(tully(1), far, tully(1).masses, dt=500.0) == []


def test_a_run_with_a_long_step_says_so_and_stores_it(tmp_path):
    config = {
        "model": {"name": "pyrazine", "variant": 4},
        "initial": {"sample": "wigner", "n": 2, "state": 0},
        "method": "nve",
        "dt_fs": 4.0,
        "time_fs": 8.0,
        "output": str(tmp_path / "run.h5"),
    }
    notices = runner.run(config, progress=False).notices
    assert any("`dt_fs` should be at most" in notice for notice in notices)
    assert list(runner.open_run(tmp_path / "run.h5").attributes["warnings"]) == list(notices)
