"""Three modes of SO2 in oscillator functions, on a grid, and with a larger basis."""

import numpy as np
import pytest

from nadyn.models.analytic import sulfur_dioxide
from nadyn.quantum import Grid, Packet, basis_propagation, split_operator
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

# The excited states are displaced by about +3.4 in the bend and -3.5 in the symmetric stretch.
GRID = Grid((-5.5, -11.5, -6.5), (12.5, 5.5, 6.5), (36, 36, 27))

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def _on_both(variant, *, state, time_fs, dt, energy_limit_ev):
    model = sulfur_dioxide(variant)
    steps = round(time_fs * AU_PER_FEMTOSECOND / dt / 4)
    packet = Packet((0.0,) * 3, (0.0,) * 3, (1.0,) * 3, state, "diabatic")
    grid = split_operator(model, GRID, packet, dt=dt, time=4 * steps * dt, write_every=steps)
    basis = basis_propagation(
        model,
        state=state,
        time=4 * steps * dt,
        write_interval=steps * dt,
        energy_limit=energy_limit_ev * HARTREE_PER_EV,
    )
    return basis, grid


def test_three_singlets_are_the_same_on_a_grid():
    basis, grid = _on_both("singlets", state=1, time_fs=8.0, dt=6.0, energy_limit_ev=5.5)
    np.testing.assert_allclose(basis.diabatic_populations, grid.diabatic_populations, atol=3e-4)
    np.testing.assert_allclose(basis.positions, grid.positions, atol=3e-3)
    assert basis.diabatic_populations[-1, 2] > 0.01


@pytest.mark.slow
def test_singlets_and_triplets_with_spin_orbit_coupling_are_the_same_on_a_grid():
    basis, grid = _on_both("triplets", state=1, time_fs=25.0, dt=4.0, energy_limit_ev=6.5)
    np.testing.assert_allclose(basis.diabatic_populations, grid.diabatic_populations, atol=5e-4)
    assert basis.diabatic_populations[-1, 3:].sum() > 0.001


@pytest.mark.slow
def test_populations_over_100_fs_do_not_change_with_a_larger_basis():
    """The numbers that methods are compared with: converged to 0.002 in the size of the basis."""
    runs = [
        basis_propagation(
            sulfur_dioxide("triplets"),
            state=2,
            time=100 * AU_PER_FEMTOSECOND,
            write_interval=AU_PER_FEMTOSECOND,
            energy_limit=limit * HARTREE_PER_EV,
        )
        for limit in (7.5, 8.5)
    ]
    change = np.abs(runs[1].diabatic_populations - runs[0].diabatic_populations).max()
    assert change < 0.002
