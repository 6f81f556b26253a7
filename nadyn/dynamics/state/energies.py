"""Energies of a trajectory: kinetic, potential, the one that is conserved, and its largest error."""

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
