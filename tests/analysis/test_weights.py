"""A trajectory of weight w counts as w trajectories; only intervals know how few have carried the weight."""

import numpy as np
import pytest
from synthetic_run import decaying_states, write_run

from nadyn.analysis.energies import degrees_of_freedom
from nadyn.analysis.populations import populations
from nadyn.trajectory import open_run

WEIGHTS = np.tile([1, 2, 3, 5], 10)


def pair_of_runs(tmp_path):
    """The same run with integer weights, and with each trajectory as often as its weight says."""
    rng = np.random.default_rng(4)
    state = decaying_states(rng, n_traj=40, time=np.arange(30.0), lifetimes=[12.0])
    diabatic = rng.uniform(size=(30, 40, 2))
    status, last_step = np.zeros(40, int), np.full(40, 29)
    status[::7], last_step[::7] = 4, 17
    arrays = {"diabatic": diabatic, "status": status, "last_step": last_step}
    weighted = write_run(
        tmp_path / "weighted.h5", 1 - state, n_states=2, weight=WEIGHTS.astype(float), **arrays
    )
    again = np.repeat(np.arange(40), WEIGHTS)
    repeated = {name: array[:, again] if array.ndim > 1 else array[again] for name, array in arrays.items()}
    plain = write_run(tmp_path / "plain.h5", (1 - state)[:, again], n_states=2, **repeated)
    return weighted, plain


def test_integer_weights_are_repeated_trajectories(tmp_path):
    weighted, plain = (populations(open_run(path)) for path in pair_of_runs(tmp_path))
    for name in ("mean", "held", "electronic", "diabatic"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(plain, name), atol=1e-12, err_msg=name)


def test_the_interval_counts_as_many_trajectories_as_carry_the_weight(tmp_path):
    weight = WEIGHTS.astype(float)
    state = np.zeros((2, 40), int)
    state[1, ::2] = 1
    found = populations(open_run(write_run(tmp_path / "run.h5", state, n_states=2, weight=weight)))
    n, p = weight.sum() ** 2 / (weight**2).sum(), weight[::2].sum() / weight.sum()
    assert n < 32
    z = 1.959963985
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert found.mean[1, 1] == pytest.approx(p)
    assert found.low[1, 1] == pytest.approx(centre - half)
    assert found.high[1, 1] == pytest.approx(centre + half)


@pytest.mark.parametrize(("kept", "expected"), [("all", 6), ("no momentum", 3), ("stretch", 1)])
def test_a_diatomic_has_one_vibration_and_two_rotations(tmp_path, kept, expected):
    rng = np.random.default_rng(3)
    masses = np.array([14.0, 1.0]) * 1822.0
    positions = np.broadcast_to(rng.normal(size=(2, 3)), (2, 50, 2, 3)).copy()
    momenta = rng.normal(size=(2, 50, 2, 3))
    if kept != "all":
        momenta[:, :, 1] = -momenta[:, :, 0]
    if kept == "stretch":
        axis = positions[0, 0, 1] - positions[0, 0, 0]
        along = rng.normal(size=(2, 50, 1)) * axis
        momenta = np.stack([along, -along], axis=2)
    path = write_run(
        tmp_path / "run.h5",
        np.zeros((2, 50), int),
        n_states=1,
        positions=positions,
        momenta=momenta,
        masses=masses,
    )
    assert degrees_of_freedom(open_run(path)) == expected
