"""Surplus levels of a latent basis: how far they are from the states in use."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import potential_energy
from nadyn.electronic.small_arrays import Array, as_tensor, functions_of, small
from nadyn.units import HARTREE_PER_EV

# A state this close above the active one, or with more population than this, may be reached soon.
_WITHIN_REACH = 1.0 * HARTREE_PER_EV
_POPULATED = 0.01


def surplus_gap_above_active(state: State) -> Float[Tensor, "traj"]:
    """Return the energy from the active state to the lowest surplus eigenvalue [hartree]; inf without one.

    Where the nuclei stay on one state, a surplus level that meets a higher state changes nothing for them.
    """
    return state.surplus_gap + (state.energies[:, -1] - potential_energy(state.energies, state.active_state))


def in_use(state: State) -> Bool[Tensor, "traj state"]:
    """Tell which states matter to a trajectory now.

    These are the active state and those below it, states with more than a hundredth of the population, and
    those that lie less than 1 eV above the active one. What becomes of a state beyond is settled before it is
    reached.
    """
    return as_tensor(_in_use(state))


def highest_in_use(state: State) -> Int[Tensor, "traj"]:
    """Return the highest state that matters to a trajectory now, see `in_use`."""
    used = _in_use(state)
    highest, where = small(torch.zeros_like(state.active_state)), functions_of(used).where
    for l in range(1, used.shape[1]):
        highest = where(used[:, l], l, highest)
    return as_tensor(highest)


def _in_use(state: State) -> Array:
    energies, c = small(state.energies), small(torch.view_as_real(state.coefficients))
    active = small(potential_energy(state.energies, state.active_state))
    near = energies - active[:, None] < _WITHIN_REACH
    return near | (c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1] > _POPULATED)


def surplus_gap_above_states_in_use(state: State) -> Float[Tensor, "traj"]:
    """Return the energy from the highest state in use to the lowest surplus eigenvalue [hartree]; inf without
    one."""
    if (state.surplus_gap == torch.inf).all():
        return state.surplus_gap
    return state.surplus_gap + (
        state.energies[:, -1] - potential_energy(state.energies, highest_in_use(state))
    )
