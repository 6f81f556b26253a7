"""Energies of a trajectory: kinetic, potential, the one that is conserved, and its largest error."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import ordered_sum


def kinetic_energy(
    momenta: Float[Tensor, "traj atom x"], masses: Float[Tensor, "atom"]
) -> Float[Tensor, "traj"]:
    """Return sum P^2 / 2M [hartree]."""
    return ordered_sum(momenta * momenta * (0.5 / masses)[:, None])


def potential_energy(
    energies: Float[Tensor, "traj state"], active_state: Int[Tensor, "traj"]
) -> Float[Tensor, "traj"]:
    """Return the energy of the active state [hartree]."""
    return energies.gather(1, active_state[:, None])[:, 0]


def gap_of_active(
    energies: Float[Tensor, "traj state"], active_state: Int[Tensor, "traj"], *, width: float = -1.0
) -> Float[Tensor, "traj"]:
    """Return the smallest distance in energy from the active state to another one [hartree].

    Args:
        energies: Adiabatic energies [hartree].
        active_state: The active states.
        width: States no farther than this from the active one are the same level [hartree].
    """
    gaps = (energies - potential_energy(energies, active_state)[:, None]).abs()
    gaps = gaps.scatter(1, active_state[:, None], torch.inf)
    return torch.where(gaps > width, gaps, torch.inf).amin(1)


def conserved_energy(
    energies: Float[Tensor, "traj state"],
    active_state: Int[Tensor, "traj"],
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    heat: Float[Tensor, "traj"],
) -> Float[Tensor, "traj"]:
    """Return kinetic plus potential energy, minus what a thermostat has brought in [hartree]."""
    return kinetic_energy(momenta, masses) + potential_energy(energies, active_state) - heat


def with_energy_of_active(state: State, masses: Float[Tensor, "atom"]) -> State:
    """Return the state with the total energy of motion on its active states."""
    total = conserved_energy(state.energies, state.active_state, state.momenta, masses, state.heat)
    return replace(state, total_energy=total)
