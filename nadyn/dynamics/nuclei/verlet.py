"""One step of velocity Verlet on the active states of a batch."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.nuclei.box import Box, surface_in_box
from nadyn.dynamics.nuclei.followed import followed
from nadyn.dynamics.nuclei.motion import drift, kick_by_force
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import remembers
from nadyn.electronic.small_arrays import all_finite
from nadyn.electronic.surfaces import ActiveSurface, active_surface, energies_and_eigenvectors
from nadyn.models.model import Model

SurfaceAt = Callable[[Model, Float[Tensor, "traj atom x"], Int[Tensor, "traj"]], ActiveSurface]


def verlet(
    state: State,
    model: Model,
    *,
    masses: Float[Tensor, "atom"],
    dt: float,
    surface_at: SurfaceAt = active_surface,
) -> State:
    """Return positions, momenta and surfaces after a step; coefficients and total energy are the old ones.

    P' = P + F dt/2, R(t+dt) = R + P'/M dt, P(t+dt) = P' + F(t+dt) dt/2.

    Source: W. C. Swope, H. C. Andersen, P. H. Berens and K. R. Wilson, J. Chem. Phys. 76, 637 (1982).
    """
    momenta = kick_by_force(state.momenta, state.force, dt=0.5 * dt)
    positions = drift(state.positions, momenta, masses, dt=dt)
    moved = at_new_positions(state, model, positions, surface_at)
    return replace(moved, step=state.step + 1, momenta=kick_by_force(momenta, moved.force, dt=0.5 * dt))


def at_new_positions(
    state: State,
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    surface_at: SurfaceAt = active_surface,
) -> State:
    """Return the state with its surfaces at other positions.

    A trajectory whose model gives no finite numbers keeps its old energies and eigenvectors, so that the
    algebra on the batch can go on, and gets a force of NaN, by which it is known. Where the state remembers
    a cell, surfaces are those in it, and its stress is brought up to date.
    """
    state = followed(state, model, positions)
    if remembers(state, Box):
        surface, state = surface_in_box(state, model, positions)
    else:
        surface = surface_at(model, positions, state.active_state)
    energies, eigenvectors, force = surface.energies, surface.eigenvectors, surface.force
    if not all(all_finite(array) for array in (energies, eigenvectors, force)):
        sound = (
            torch.isfinite(energies).all(1)
            & torch.isfinite(eigenvectors).all(2).all(1)
            & torch.isfinite(force).all(2).all(1)
        )
        energies = torch.where(sound[:, None], energies, state.energies)
        eigenvectors = torch.where(sound[:, None, None], eigenvectors, state.eigenvectors)
        force = torch.where(sound[:, None, None], force, torch.nan)
    return replace(
        state,
        positions=positions,
        energies=energies,
        eigenvectors=eigenvectors,
        force=force,
        surplus_gap=surface.surplus_gap,
        novelty=surface.novelty,
    )


def at_new_levels(state: State, model: Model, positions: Float[Tensor, "traj atom x"]) -> State:
    """Return the state with energies and eigenvectors of other positions; all else, its own positions too,
    stays.

    As in `at_new_positions`, old levels stay where the model gives no finite ones.
    """
    state = followed(state, model, positions, forces=False)
    energies, eigenvectors = energies_and_eigenvectors(model, positions)
    sound = torch.isfinite(energies).all(1) & torch.isfinite(eigenvectors).all(2).all(1)
    return replace(
        state,
        energies=torch.where(sound[:, None], energies, state.energies),
        eigenvectors=torch.where(sound[:, None, None], eigenvectors, state.eigenvectors),
    )
