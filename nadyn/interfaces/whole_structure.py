"""Energy, forces and virial of all atoms, where one processor has them all: any model, any state."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.stress import with_virial
from nadyn.electronic.surfaces import active_surface
from nadyn.interfaces.bound_model import learned_part, outside_training
from nadyn.models.model import Model


@dataclass(frozen=True)
class Whole:
    """One state of a structure, in atomic units.

    Attributes:
        energy: Of the state.
        forces: On each atom.
        virial: -∂E/∂ε for r → r (1 + ε), symmetric.
        novelty: See `Evaluation`.
        outside: A sentence where the model was not trained on such a structure, otherwise None.
    """

    energy: float
    forces: Float[np.ndarray, "atom 3"]
    virial: Float[np.ndarray, "3 3"]
    novelty: float
    outside: str | None


def whole(
    model: Model, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"] | None, state: int
) -> Whole:
    """Return one state of a structure that a model is bound to.

    Args:
        model: See `BoundModel`.
        positions: [bohr]
        cell: Cell vectors as rows [bohr]; None for an isolated molecule.
        state: 0 is the lowest.
    """
    rows, chosen = positions[None], torch.tensor([state])
    cells = None if cell is None else cell[None]
    learned = learned_part(model)
    if learned is None or learned.cell is None:
        surface = active_surface(model, rows, chosen)
        # Forces that add up to zero have a virial of their own about any origin.
        virial = surface.force[0].mT @ (positions - positions.mean(dim=0))
        virial = 0.5 * (virial + virial.mT)
    else:
        surface = with_virial(learned, rows, chosen, cells=cells)
        virial = surface.virial[0]
    return Whole(
        float(surface.energies[0, state]),
        surface.force[0].numpy(),
        virial.numpy(),
        float(surface.novelty[0]),
        outside_training(model, rows, surface.novelty, cells),
    )
