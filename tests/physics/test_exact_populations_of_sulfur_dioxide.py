"""SO2 after excitation to S1: surface hopping beside the exact propagation of its three modes.

The fixture is `so2_exact.json` of benchmarks/sulfur_dioxide.py, converged to 0.0005 in the size of the basis.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import nadyn
from nadyn.trajectory import open_run

EXACT = json.loads((Path(__file__).parent / "fixtures" / "so2_exact.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def populations(tmp_path, variant, *, n, time_fs, **keys):
    """Mean diabatic populations every femtosecond, with their standard errors, and the exact ones."""
    config = {
        "model": {"name": "sulfur_dioxide", "variant": variant},
        "initial": {"sample": "wigner", "n": n, "temperature_kelvin": 0, "diabatic_state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": time_fs,
        "write_every": 2,
        "output": str(tmp_path / "so2.h5"),
        **keys,
    }
    result = nadyn.run(config, progress=False)
    assert result.n_finished == n
    values = np.array(open_run(config["output"]).diabatic_populations)
    error = values.std(1, ddof=1) / np.sqrt(n)
    return values.mean(1), error, np.array(EXACT[variant]["populations"])[: time_fs + 1]


def test_exact_populations_are_converged():
    assert all(EXACT[variant]["change"] < 0.002 for variant in ("singlets", "triplets"))


def test_the_first_femtoseconds_with_spin_orbit_coupling_are_near_the_exact_ones(tmp_path):
    found, error, exact = populations(tmp_path, "triplets", n=200, time_fs=20)
    # Surface hopping leaves S1 early: 0.13 too much at 5 fs is its own error, not a statistical one.
    assert np.abs(found - exact).mean() < 0.03
    assert np.abs(found - exact)[12:, 1:3].max() < 0.07 + 3 * error[12:, 1:3].max()
    # Triplets are hardly there yet.
    assert np.all(np.abs((found - exact)[:, 3:]) < 0.02 + 3 * error[:, 3:])


@pytest.mark.slow
@pytest.mark.parametrize("variant, mean", [("singlets", 0.075), ("triplets", 0.05)])
def test_a_hundred_femtoseconds_deviate_by_no_more_than_stated(tmp_path, variant, mean):
    found, error, exact = populations(tmp_path, variant, n=500, time_fs=100)
    off = np.abs(found - exact)
    assert off.mean() < mean
    # Until the packet comes back at about 60 fs the trajectories keep near it.
    assert off[10:61].mean() < 0.02 + 3 * error[10:61].mean()
