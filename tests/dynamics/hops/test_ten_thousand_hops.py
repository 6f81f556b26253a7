"""What 10,000 hops keep, accepted and frustrated, with unequal masses and every rescaling option."""

from itertools import product
from typing import get_args

import pytest
import torch
from toy_molecule import N_ATOMS, ToyMolecule

from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.settle import Rescale, direction_of_kick, settle_hops
from nadyn.dynamics.state.batch import State

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

N_HOPS, N_STATES = 10_000, 4
MODEL = ToyMolecule(n_states=N_STATES, n_basis=N_STATES)
MASSES = MODEL.masses
OPTIONS = list(product(get_args(Rescale), get_args(Frustrated)))


def random_hops():
    """A batch of random geometries in motion, with net and angular momentum, and a hop of each."""
    generator = torch.Generator().manual_seed(12)

    def normal(*shape):
        return torch.randn(N_HOPS, *shape, dtype=torch.float64, generator=generator)

    active = torch.randint(0, N_STATES, (N_HOPS,), generator=generator)
    target = (active + torch.randint(1, N_STATES, (N_HOPS,), generator=generator)) % N_STATES
    zero = torch.zeros(N_HOPS, dtype=torch.float64)
    # Half of the gaps are small enough for one direction to pay, half too large for all momenta at times.
    spread = torch.where(torch.arange(N_HOPS) % 2 == 0, 0.02, 0.6).double()
    state = State(
        step=1,
        trajectory=torch.arange(N_HOPS),
        positions=3.0 * normal(N_ATOMS, 3),
        momenta=15.0 * normal(N_ATOMS, 3),
        force=0.05 * normal(N_ATOMS, 3),
        energies=(spread[:, None] * normal(N_STATES)).sort(1)[0],
        eigenvectors=torch.eye(N_STATES, dtype=torch.float64).expand(N_HOPS, -1, -1),
        coefficients=torch.zeros(N_HOPS, N_STATES, dtype=torch.complex128),
        active_state=active,
        weight=torch.ones_like(zero),
        total_energy=zero,
        reference_total_energy=zero,
        energy_error_max=zero,
        heat=zero,
        surplus_gap=zero + torch.inf,
        novelty=zero,
    )
    return state, target, 0.05 * normal(N_ATOMS, 3), 0.05 * normal(N_ATOMS, 3)


def angular_momentum(state):
    centre = (state.positions * MASSES[:, None]).sum(1, keepdim=True) / MASSES.sum()
    return torch.linalg.cross(state.positions - centre, state.momenta).sum(1)


def total_energy(state):
    # Summed here, not by the package: p^2/2m of every component and the energy of the active state.
    kinetic = (state.momenta**2 / (2.0 * MASSES[:, None])).sum((1, 2))
    return kinetic + state.energies[torch.arange(N_HOPS), state.active_state]


@pytest.mark.parametrize(("rescale", "frustrated"), OPTIONS)
def test_every_option_keeps_the_energy_and_those_without_rigid_motion_both_momenta(rescale, frustrated):
    old, target, target_force, coupling = random_hops()
    rows = torch.arange(N_HOPS)
    direction = direction_of_kick(
        old, MODEL, MASSES, rows, target_force=target_force, coupling=coupling, rescale=rescale
    )
    new, hops = settle_hops(
        old,
        MASSES,
        rows,
        target,
        direction=direction,
        target_force=target_force,
        frustrated=frustrated,
        zeta=torch.zeros_like(old.weight),
        probability=torch.ones_like(old.weight),
    )
    assert 1500 < int(hops.accepted.sum()) < 8500
    assert torch.equal(new.active_state, torch.where(hops.accepted, target, old.active_state))
    assert float((total_energy(new) - total_energy(old)).abs().max()) < 1e-10
    net = new.momenta.sum(1), old.momenta.sum(1)
    turning = angular_momentum(new), angular_momentum(old)
    changed = (new.momenta - old.momenta).abs().amax((1, 2)) > 0
    assert bool(changed[hops.accepted].all())
    if rescale in ("nac", "gradient_difference"):
        assert float((net[0] - net[1]).abs().max()) < 1e-10
        assert float((turning[0] - turning[1]).abs().max()) < 1e-10
    elif rescale == "isotropic":
        # One factor for all momenta, the total ones included: they stay where they are zero only.
        factor = (new.momenta / old.momenta)[:, :1, 0]
        torch.testing.assert_close(new.momenta, old.momenta * factor[:, :, None], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(net[0], net[1] * factor, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(turning[0], turning[1] * factor, rtol=1e-9, atol=1e-9)
    else:
        # The coupling as it is pushes and turns the molecule; the change must be seen here.
        assert float((net[0] - net[1])[hops.accepted].abs().amax(1).median()) > 0.1
        assert float((turning[0] - turning[1])[hops.accepted].abs().amax(1).median()) > 0.1
