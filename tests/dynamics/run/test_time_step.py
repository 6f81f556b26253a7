"""The warning about a time step that is too long for the fastest vibration."""

import math
import re

import pytest
import torch

from nadyn import shipped
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run.time_step import highest_frequency, warnings_about
from nadyn.models import load_model
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
    assert warnings_about(model, origin[None], model.masses, dt=0.99 * limit) == []
    (sentence,) = warnings_about(model, origin[None], model.masses, dt=1.01 * limit)
    assert f"{2 * math.pi / frequency / AU_PER_FEMTOSECOND:.3g} fs" in sentence and "cm-1" in sentence
    far = torch.full((1, 1), -9.0, dtype=torch.float64)
    assert warnings_about(tully(1), far[None], tully(1).masses, dt=500.0) == []


def test_one_compressed_bond_among_the_geometries_does_not_set_the_limit():
    model = load_model(shipped.path("ammonia/ammonia.safetensors"))
    minimum = model.starting_geometry.double()
    compressed = minimum.clone()
    compressed[1] = minimum[0] + 0.75 * (minimum[1] - minimum[0])
    stiff, soft = (highest_frequency(model, geometry, model.masses) for geometry in (compressed, minimum))
    assert stiff > 1.3 * soft
    dt = 0.2 * math.pi / math.sqrt(stiff * soft)
    assert len(warnings_about(model, compressed[None], model.masses, dt=dt)) == 1
    assert warnings_about(model, torch.stack([compressed, minimum, minimum]), model.masses, dt=dt) == []


def test_a_sample_is_judged_at_its_mean(tmp_path):
    """Ammonia's fastest mode has some 3,600 cm-1; single geometries of its Wigner sample have up to 6,000."""
    config = {
        "model": str(shipped.path("ammonia/ammonia.safetensors")),
        "initial": {"sample": "wigner", "n": 20, "state": 0},
        "method": "nve",
        "dt_fs": 1.2,
        "time_fs": 1.2,
        "output": str(tmp_path / "run.h5"),
    }
    (notice,) = (n for n in runner.run(config, progress=False).notices if "`dt_fs` should" in n)
    assert 3300 < float(re.search(r"\((\d+) cm-1\)", notice)[1]) < 4000


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
