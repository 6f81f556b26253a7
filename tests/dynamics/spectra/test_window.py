"""Starts in a window: which states, how often, and that nothing else decides."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.dynamics.spectra.excitation import Excitations, excitations
from nadyn.dynamics.spectra.window import excited_in_window
from nadyn.electronic.state_spins import state_multiplicities
from nadyn.models.analytic import sulfur_dioxide
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

N = 4000


def _starts(n):
    return InitialConditions(
        positions=np.arange(6.0 * n).reshape(n, 2, 3),
        momenta=-np.arange(6.0 * n).reshape(n, 2, 3),
        weight=np.linspace(0.5, 1.5, n),
        masses=np.ones(2),
        atomic_numbers=np.array([7, 1]),
        state=0,
        diabatic_state=None,
        origin="test",
        temperature_kelvin=0.0,
    )


def _found(strengths, gaps_ev=(5.0, 6.0, 7.0)):
    strengths = np.asarray(strengths)
    gaps = np.tile(gaps_ev, (len(strengths), 1)) * HARTREE_PER_EV
    by_energy = np.tile([1, 2, 3], (len(strengths), 1))
    return Excitations(0, (1, 2, 3), gaps, strengths, np.ones(len(strengths)), by_energy)


def test_each_pair_is_taken_with_its_strength_beside_the_largest_in_the_window():
    random = np.random.default_rng(3)
    strengths = np.stack([random.uniform(0.0, 0.1, N), np.full(N, 0.03), np.full(N, 9.0)], axis=1)
    strengths[7, 0] = 0.1
    chosen = excited_in_window(_starts(N), _found(strengths), window_ev=(4.9, 6.5), seed=5)
    # The strong state above the window counts neither as a start nor as the largest strength.
    assert set(chosen.states.tolist()) == {1, 2}
    for state, p in ((1, strengths[:, 0] / 0.1), (2, strengths[:, 1] / 0.1)):
        number = (chosen.states == state).sum()
        assert abs(number - p.sum()) < 3 * np.sqrt((p * (1 - p)).sum())
    geometry = (chosen.positions[:, 0, 0] / 6.0).astype(int)
    assert 7 in geometry[chosen.states == 1]
    # Strong geometries are taken more often: of f uniform to f_max the mean is two thirds.
    mean = strengths[geometry[chosen.states == 1], 0].mean()
    assert mean == pytest.approx(0.1 * 2 / 3, abs=3 * 0.1 * np.sqrt(1 / 18 / 2000))
    np.testing.assert_array_equal(chosen.momenta, -chosen.positions)
    np.testing.assert_array_equal(chosen.weight, _starts(N).weight[geometry])
    assert chosen.state is None and "5" in chosen.origin


def test_a_larger_ensemble_continues_a_smaller_one_and_the_seed_decides():
    strengths = np.tile([0.5, 0.2, 1.0], (N, 1))
    strengths[0] = 1.0
    whole, part = (
        excited_in_window(_starts(n), _found(strengths[:n]), window_ev=(4.0, 8.0), seed=5) for n in (N, 300)
    )
    np.testing.assert_array_equal(whole.states[: len(part.states)], part.states)
    other = excited_in_window(_starts(N), _found(strengths), window_ev=(4.0, 8.0), seed=6)
    assert len(other.states) != len(whole.states) or (other.states != whole.states).any()


def test_among_singlets_and_triplets_starts_are_on_singlets_counted_among_all():
    model = sulfur_dioxide("triplets")
    q = 0.5 * np.random.default_rng(1).normal(size=(50, 3, 1))
    found = excitations(model, q)
    spins = state_multiplicities(model, q)
    start = InitialConditions(
        positions=q,
        momenta=np.zeros_like(q),
        weight=np.ones(50),
        masses=np.ones(3),
        atomic_numbers=None,
        state=0,
        diabatic_state=None,
        origin="test",
        temperature_kelvin=None,
    )
    gaps = found.energies * ELECTRONVOLT_PER_HARTREE
    chosen = excited_in_window(start, found, window_ev=(0.0, gaps.max() + 1.0), seed=1)
    geometry = [int(np.flatnonzero((q == one).all(axis=(1, 2)))[0]) for one in chosen.positions]
    assert (spins[geometry, chosen.states] == 1).all()
    # Triplets lie between, so that the number among all states is larger than that among singlets.
    assert (chosen.states > 2).any()


def test_an_empty_window_is_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"window of 1 to 2 eV .* lie from 5\.00 to 7\.00 eV"):
        excited_in_window(_starts(9), _found(np.ones((9, 3))), window_ev=(1.0, 2.0), seed=1)
