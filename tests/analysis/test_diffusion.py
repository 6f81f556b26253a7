"""Diffusion constants by displacement and by velocity, of particles whose constant is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from nadyn.analysis.bulk import bulk
from nadyn.analysis.diffusion import diffusion

N_FRAMES, N_TRAJ, N_ATOMS = 1800, 2, 24
# Friction times the interval of frames; squared over 12 it is what the trapezoid rule is off by.
FRICTION, INTERVAL, SPEED = 0.02, 5.0, 0.3
# Einstein: kT/mγ, with the variance kT/m of a component of the velocity.
EXACT = SPEED**2 / FRICTION


def _wanderers(seed, n_traj=N_TRAJ):
    """Return positions and velocities of free particles in a bath: Ornstein and Uhlenbeck, exactly."""
    random = np.random.default_rng(seed)
    kept = np.exp(-FRICTION * INTERVAL)
    velocities = np.empty((N_FRAMES, n_traj, N_ATOMS, 3))
    velocities[0] = SPEED * random.normal(size=velocities.shape[1:])
    kicks = SPEED * np.sqrt(1.0 - kept**2) * random.normal(size=velocities.shape)
    for frame in range(1, N_FRAMES):
        velocities[frame] = kept * velocities[frame - 1] + kicks[frame]
    steps = 0.5 * INTERVAL * (velocities[1:] + velocities[:-1])
    positions = np.concatenate([np.zeros_like(velocities[:1]), np.cumsum(steps, axis=0)])
    return positions + 40.0, velocities


def test_both_constants_are_the_exact_one_within_their_errors():
    found = diffusion(*_wanderers(4), INTERVAL)
    for value, error in (
        (found.by_displacement, found.by_displacement_error),
        (found.by_velocity, found.by_velocity_error),
    ):
        assert 0.0 < error < 0.15 * EXACT
        assert abs(value - EXACT) < 3.0 * error
    assert found.lag[1] == INTERVAL and len(found.lag) == len(found.displacement)
    # What is remembered, and what has been gone, at early times that all stretches know well.
    early = found.lag[:20]
    memory = np.exp(-FRICTION * early)
    np.testing.assert_allclose(found.autocorrelation[:20], 3 * SPEED**2 * memory, atol=0.1 * SPEED**2)
    gone = 6.0 * EXACT * (early - (1.0 - memory) / FRICTION)
    np.testing.assert_allclose(found.displacement[:20], gone, rtol=0.05, atol=1e-9)


def test_errors_are_the_spread_of_repeated_runs():
    runs = []
    for seed in range(10):
        positions, velocities = _wanderers(seed, n_traj=1)
        runs.append(diffusion(positions[:900], velocities[:900], INTERVAL))
    for name in ("by_displacement", "by_velocity"):
        spread = np.std([getattr(one, name) for one in runs], ddof=1)
        told = np.mean([getattr(one, f"{name}_error") for one in runs])
        # Ten runs know a spread to a quarter of it.
        assert 0.5 < spread / told < 1.8


def test_what_flies_straight_goes_with_the_square_of_time():
    random = np.random.default_rng(1)
    velocities = np.broadcast_to(random.normal(size=(1, N_ATOMS, 3)), (400, 1, N_ATOMS, 3))
    positions = velocities * 2.0 * np.arange(400)[:, None, None, None]
    found = diffusion(positions, velocities, 2.0)
    square = (velocities[0] ** 2).sum(axis=-1).mean()
    np.testing.assert_allclose(found.displacement, square * found.lag**2, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.autocorrelation, square, rtol=1e-12)


def test_a_run_that_is_too_short_has_no_constant():
    positions, velocities = _wanderers(2)
    assert diffusion(positions[:30], velocities[:30], INTERVAL) is None


@pytest.mark.usefixtures("unchecked_annotations")
def test_a_run_tells_it_in_square_centimetres_a_second_of_each_element():
    # Of straight flights both are v² t / 3, with the mean of the times that are looked at, in bohr² an au.
    random = np.random.default_rng(3)
    n_frames, n_traj, numbers = 400, 2, np.array([18, 18, 10, 82])
    masses = np.array([3.0, 3.0, 2.0, 5.0])
    velocities = random.normal(size=(n_traj, 4, 3))
    velocities -= np.einsum("n,tnx->tx", masses, velocities)[:, None] / masses.sum()
    times = INTERVAL * np.arange(n_frames)[:, None, None, None]
    drift = np.array([0.7, -0.2, 0.1])
    # The cell of one of them breathes, and both go somewhere as a whole.
    breath = np.ones((n_frames, n_traj, 1, 1))
    breath[:, 1, 0, 0] += 0.03 * np.tile([1.0, -1.0], n_frames // 2)
    shape = (n_frames, n_traj)
    run = SimpleNamespace(
        committed_frames=n_frames,
        time_fs=INTERVAL * 0.02418884326585747 * np.arange(n_frames),
        alive=lambda: np.ones(shape, dtype=bool),
        masses=masses,
        atomic_numbers=numbers,
        cell=breath * 50.0 * np.eye(3),
        stress=np.zeros((*shape, 3, 3)),
        kinetic_energy=np.ones(shape),
        energies=np.zeros((*shape, 1)),
        active_state=np.zeros(shape, dtype=int),
        positions=((velocities + drift) * times + 40.0) * breath,
        momenta=np.broadcast_to((velocities + drift) * masses[:, None], (*shape, 4, 3)),
    )
    found = bulk(run, after_fs=0.0)["diffusion"]
    # Four stretches of 100 frames each, and of the times between two frames those from 20 to 50 intervals.
    time = 35.0 * INTERVAL
    for element, atoms in (("Ne", [2]), ("Ar", [0, 1]), ("Pb", [3])):
        square = (velocities[:, atoms] ** 2).sum(axis=-1).mean()
        # A square bohr in an atomic unit of time: 2.8002852e-17 cm² in 2.4188843e-17 s.
        exact = square * time / 3.0 * 2.8002852 / 2.4188843
        assert found[element]["by_msd_cm2_per_s"] == pytest.approx(exact, rel=1e-6)
        assert found[element]["by_vacf_cm2_per_s"] == pytest.approx(exact, rel=1e-6)
        np.testing.assert_allclose(found[element]["vacf"], 1.0, rtol=1e-9)
        gone = square * (INTERVAL * 0.52917721) ** 2
        assert found[element]["msd_angstrom2"][1] == pytest.approx(gone, rel=1e-6)
