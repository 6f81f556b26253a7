"""Propagation in oscillator functions against the grid, formulas and MCTDH."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from oscillators import FlatSurfaces, oscillators

from nadyn.checks.errors import InputError, InputWarning
from nadyn.models.analytic import pyrazine
from nadyn.quantum import Grid, Packet, basis_propagation, split_operator
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

MCTDH = json.loads((Path(__file__).parent / "fixtures" / "pyrazine4_mctdh.json").read_text())


def _coupled():
    """Two modes and three states with every kind of term."""
    return oscillators(
        (0.010, 0.014),
        energies=(0.0, 0.02, 0.03),
        constant={(0, 2): 0.002},
        linear={(0, 0, 0): -0.006, (1, 1, 0): 0.009, (0, 1, 1): 0.007, (1, 2, 1): 0.004},
        quadratic={(0, 0, 0, 0): 0.001, (1, 1, 1, 1): -0.0015, (2, 2, 0, 1): 0.0012, (0, 1, 0, 1): 0.0008},
    )


def test_basis_and_grid_give_the_same_populations_energies_and_coordinates():
    start = {"position": (0.5, -0.3), "momentum": (0.0, 0.7)}
    model = _coupled()
    basis = basis_propagation(model, state=1, time=800.0, write_interval=40.0, energy_limit=0.45, **start)
    packet = Packet(start["position"], start["momentum"], (1.0, 1.0), 1, "diabatic")
    grid = split_operator(
        model, Grid((-8.0, -7.0), (9.0, 7.0), (48, 40)), packet, dt=1.0, time=800.0, write_every=40
    )
    np.testing.assert_allclose(basis.diabatic_populations, grid.diabatic_populations, atol=1e-4)
    np.testing.assert_allclose(basis.positions, grid.positions, atol=5e-4)
    np.testing.assert_allclose(basis.energy, grid.energy, atol=2e-6)
    assert np.ptp(basis.energy) < 1e-12
    np.testing.assert_allclose(basis.norm, 1.0, atol=1e-11)


def test_written_times_do_not_change_the_answer():
    many = basis_propagation(_coupled(), state=1, time=400.0, write_interval=40.0, energy_limit=0.2)
    few = basis_propagation(_coupled(), state=1, time=400.0, write_interval=200.0, energy_limit=0.2)
    np.testing.assert_allclose(many.wave, few.wave, atol=1e-10)
    np.testing.assert_allclose(many.diabatic_populations[::5], few.diabatic_populations, atol=1e-10)


def test_quanta_and_energy_limit_the_basis_together():
    box = basis_propagation(_coupled(), state=1, time=40.0, write_interval=40.0, largest_quanta=(11, 9))
    assert box.wave.shape == (3, 12 * 10)
    cut = basis_propagation(
        _coupled(), state=1, time=40.0, write_interval=40.0, largest_quanta=(11, 9), energy_limit=0.1
    )
    # 0.010 n + 0.014 m ≤ 0.1 has 11, 9, 8, 6, 5, 4, 2 and 1 solutions n for m = 0 … 7.
    assert cut.wave.shape == (3, 46)


def _pyrazine_deviation(time_fs, **basis):
    run = basis_propagation(
        pyrazine(4),
        state=1,
        time=time_fs * AU_PER_FEMTOSECOND,
        write_interval=AU_PER_FEMTOSECOND,
        **basis,
    )
    mctdh = np.interp(run.times_fs, MCTDH["time_fs"], MCTDH["population_s2"])
    return np.abs(run.diabatic_populations[:, 1] - mctdh).max()


def test_the_first_25_fs_of_pyrazine_are_those_of_mctdh():
    limit = 3.3 * HARTREE_PER_EV
    assert _pyrazine_deviation(25.0, energy_limit=limit, largest_quanta=(27, 24, 11, 9)) < 0.001


@pytest.mark.slow
def test_all_120_fs_of_pyrazine_are_those_of_mctdh():
    assert _pyrazine_deviation(120.0, energy_limit=3.8 * HARTREE_PER_EV) < 0.004


def _singlet_and_triplet(coupling, *, width=0.0):
    """One oscillator, a singlet and a triplet at one energy, coupled by a spin-orbit matrix."""
    model = oscillators((0.01,), energies=(0.0, 0.0), linear={(0, 0, 0): width, (1, 1, 0): -width})
    matrix = torch.zeros(4, 4, dtype=torch.complex128)
    matrix[0, 1:] = torch.tensor(coupling, dtype=torch.complex128)
    return replace(model, multiplicities=(1, 3), spin_orbit=matrix + matrix.mH)


def test_a_singlet_goes_to_the_triplet_components_in_proportion_to_the_squares_of_their_couplings():
    coupling = (0.001 + 0.002j, -0.0005j, 0.002 - 0.0015j)
    model = _singlet_and_triplet(coupling)
    run = basis_propagation(model, state=0, time=900.0, write_interval=30.0, energy_limit=0.05)
    squares = np.abs(np.array(coupling)) ** 2
    total = np.sin(np.sqrt(squares.sum()) * run.times) ** 2
    np.testing.assert_allclose(run.diabatic_populations[:, 0], 1.0 - total, atol=1e-10)
    expected = total[:, None] * squares / squares.sum()
    np.testing.assert_allclose(run.diabatic_populations[:, 1:], expected, atol=1e-10)


def test_spin_orbit_dynamics_is_the_same_on_a_grid():
    model = _singlet_and_triplet((0.002 + 0.001j, 0.0, -0.003j), width=0.006)
    run = basis_propagation(model, state=0, time=600.0, write_interval=60.0, energy_limit=0.3)
    packet = Packet((0.0,), (0.0,), (1.0,), 0, "diabatic")
    grid = split_operator(model, Grid((-8.0,), (8.0,), (48,)), packet, dt=1.0, time=600.0, write_every=60)
    np.testing.assert_allclose(run.diabatic_populations, grid.diabatic_populations, atol=1e-5)


def test_a_phase_of_the_triplet_components_changes_nothing():
    populations = [
        basis_propagation(
            _singlet_and_triplet((0.002 * phase, 0.0, -0.003 * phase), width=0.006),
            state=0,
            time=300.0,
            write_interval=60.0,
            energy_limit=0.2,
        ).diabatic_populations
        for phase in (1.0, np.exp(0.7j))
    ]
    np.testing.assert_allclose(populations[1], populations[0], atol=1e-11)


def test_a_basis_that_is_too_small_is_reported_and_warned_of():
    with pytest.warns(InputWarning, match="in the outermost functions"):
        run = basis_propagation(_coupled(), state=1, time=800.0, write_interval=40.0, energy_limit=0.04)
    assert run.edge_density > 0.01


GOOD = {"state": 0, "time": 10.0, "write_interval": 5.0, "energy_limit": 0.1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"state": 3}, "`state` must be from 0 to 2, but is 3"),
        ({"time": 0.0}, "must be positive, but are 0.0 and 5.0"),
        ({"energy_limit": None}, "must be given, but neither is"),
        ({"energy_limit": -1.0}, "must be positive and finite"),
        ({"largest_quanta": (3,)}, "must be 2 numbers from 0 upward"),
        (
            {"largest_quanta": (3000, 3000), "energy_limit": None},
            "at most 1333333 functions for 3 states",
        ),
        ({"position": (1.0,)}, "must have 2 numbers, but have 1 and 2"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(change, sentence):
    with pytest.raises(InputError, match=sentence):
        basis_propagation(_coupled(), **(GOOD | change))


def test_another_kind_of_model_is_sent_to_the_grid(unchecked_annotations):
    flat = FlatSurfaces(torch.zeros(1, 1, dtype=torch.float64))
    with pytest.raises(InputError, match=r"flat is none\. Use `split_operator`"):
        basis_propagation(flat, **GOOD)
