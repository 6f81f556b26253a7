"""The periodic cell of each trajectory, in which its surfaces are evaluated, and the stress in it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remember, remembers
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import ActiveSurface
from nadyn.models.model import HasCell, Model


@dataclass(frozen=True)
class Box:
    """The cell of a trajectory and the stress of its active state.

    Attributes:
        cell: Cell vectors as rows [bohr].
        stress: (1/V) ∂E/∂ε of the potential energy alone [hartree/bohr³], see `StrainedSurface`.
    """

    cell: Float[Tensor, "traj 3 3"]
    stress: Float[Tensor, "traj 3 3"]


def is_periodic(model: Model) -> bool:
    """Tell whether a model stands in a cell that is periodic in all directions."""
    return isinstance(model, HasCell) and model.cell is not None and all(model.pbc)


def begin_in_box(state: State, model: Model) -> State:
    """Return the batch with the cell of its model; as it is where the model has none."""
    if not is_periodic(model):
        return state
    cell = model.cell.to(state.positions.device, torch.float64).expand(len(state.positions), 3, 3).clone()
    surface = strained_surface(model, state.positions, state.active_state, cells=cell)
    return remember(state, Box(cell, surface.stress))


def box_of(state: State) -> Box | None:
    """Return the cells of a batch, None where nobody needs them."""
    return recall(state, Box) if remembers(state, Box) else None


def surface_in_box(
    state: State, model: HasCell, positions: Float[Tensor, "traj atom 3"]
) -> tuple[ActiveSurface, State]:
    """Return the surface of the active states at other positions, and the batch with its stress."""
    box = recall(state, Box)
    found = strained_surface(model, positions, state.active_state, cells=box.cell)
    surface = ActiveSurface(found.energies, found.eigenvectors, found.force, found.surplus_gap, found.novelty)
    return surface, remember(state, replace(box, stress=found.stress))


def volume(cell: Float[Tensor, "traj 3 3"]) -> Float[Tensor, "traj"]:
    """Return the volume of each cell; the bits of one do not depend on the others."""
    a, b, c = cell.unbind(1)
    cross = torch.stack([b[:, i] * c[:, j] - b[:, j] * c[:, i] for i, j in ((1, 2), (2, 0), (0, 1))], dim=1)
    return (a[:, 0] * cross[:, 0] + a[:, 1] * cross[:, 1] + a[:, 2] * cross[:, 2]).abs()
