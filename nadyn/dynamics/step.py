"""What every method gives back after a time step, and what it is told before."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.nuclei import kinetic_energy
from nadyn.dynamics.state import State
from nadyn.units import HARTREE_PER_EV

# A state this close above the active one, or with more population than this, may be reached soon.
_WITHIN_REACH = 1.0 * HARTREE_PER_EV
_POPULATED = 0.01


@dataclass(frozen=True)
class Hops:
    """Attempted hops of one step, accepted or not; energies in hartree.

    Attributes:
        row: Row of the batch.
        from_state: Active state before.
        to_state: State chosen by the random number.
        accepted: Whether the kinetic energy could pay.
        energy_from: Potential energy of `from_state`.
        energy_to: Potential energy of `to_state`.
        kinetic_before: Kinetic energy before the kick.
        kinetic_after: Kinetic energy after it.
        zeta: The random number.
        probability: Hopping probability to `to_state`.
    """

    row: Int[Tensor, "hop"]
    from_state: Int[Tensor, "hop"]
    to_state: Int[Tensor, "hop"]
    accepted: Bool[Tensor, "hop"]
    energy_from: Float[Tensor, "hop"]
    energy_to: Float[Tensor, "hop"]
    kinetic_before: Float[Tensor, "hop"]
    kinetic_after: Float[Tensor, "hop"]
    zeta: Float[Tensor, "hop"]
    probability: Float[Tensor, "hop"]


@dataclass(frozen=True)
class Step:
    """The state after a time step, the hops on the way, and whose states were lost to surplus ones."""

    state: State
    hops: Hops
    intruder: Bool[Tensor, "traj"]


def no_hops() -> Hops:
    """Return an empty table of hops."""
    kinds = {"row": torch.int64, "from_state": torch.int64, "to_state": torch.int64, "accepted": torch.bool}
    return Hops(**{f.name: torch.zeros(0, dtype=kinds.get(f.name, torch.float64)) for f in fields(Hops)})


def select_hops(hops: Hops, chosen: Bool[Tensor, "hop"]) -> Hops:
    """Return the chosen rows of a table of hops."""
    return Hops(**{field.name: getattr(hops, field.name)[chosen] for field in fields(Hops)})


def join_hops(tables: list[Hops]) -> Hops:
    """Return the rows of several tables of hops, one after the other."""
    return Hops(**{f.name: torch.cat([getattr(hops, f.name) for hops in tables]) for f in fields(Hops)})


def potential_energy(
    energies: Float[Tensor, "traj state"], active_state: Int[Tensor, "traj"]
) -> Float[Tensor, "traj"]:
    """Return the energy of the active state [hartree]."""
    return energies.gather(1, active_state[:, None])[:, 0]


def conserved_energy(
    energies: Float[Tensor, "traj state"],
    active_state: Int[Tensor, "traj"],
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    heat: Float[Tensor, "traj"],
) -> Float[Tensor, "traj"]:
    """Return kinetic plus potential energy, minus what a thermostat has brought in [hartree]."""
    return kinetic_energy(momenta, masses) + potential_energy(energies, active_state) - heat


def larger_error(state: State, total_energy: Float[Tensor, "traj"]) -> Float[Tensor, "traj"]:
    """Return the largest energy error so far [hartree]."""
    return torch.maximum(state.energy_error_max, (total_energy - state.reference_total_energy).abs())


def surplus_gap_above_active(state: State) -> Float[Tensor, "traj"]:
    """Return the energy from the active state to the lowest surplus eigenvalue [hartree]; inf without one.

    Where the nuclei stay on one state, a surplus level that meets a higher state changes nothing for them.
    """
    return state.surplus_gap + (state.energies[:, -1] - potential_energy(state.energies, state.active_state))


def highest_in_use(state: State) -> Int[Tensor, "traj"]:
    """Return the highest state that matters to a trajectory now.

    In use are the active state, states with more than a hundredth of the population, and those that lie less
    than 1 eV above the active one. What becomes of a state beyond is settled before it is reached.
    """
    active = potential_energy(state.energies, state.active_state)
    near = state.energies - active[:, None] < _WITHIN_REACH
    populated = state.coefficients.abs() ** 2 > _POPULATED
    numbers = torch.arange(state.energies.shape[1])
    return torch.where(near | populated, numbers, -1).amax(dim=1)


def surplus_gap_above_states_in_use(state: State) -> Float[Tensor, "traj"]:
    """Return the energy from the highest state in use to the lowest surplus eigenvalue [hartree]."""
    return state.surplus_gap + (
        state.energies[:, -1] - potential_energy(state.energies, highest_in_use(state))
    )
