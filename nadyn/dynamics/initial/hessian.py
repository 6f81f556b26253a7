"""Second derivatives of one adiabatic energy."""

import numpy as np
import torch
from jaxtyping import Float

from nadyn.electronic.surfaces import active_surface
from nadyn.models.model import Model

_STEP_BOHR = 0.01
# Five-point formula for the first derivative: the error is of fourth order in the step.
_OFFSETS = (-2, -1, 1, 2)
_FACTORS = (1 / 12, -8 / 12, 8 / 12, -1 / 12)


def hessian(
    model: Model, positions: Float[np.ndarray, "atom x"], *, state: int
) -> Float[np.ndarray, "coordinate coordinate"]:
    """Return ∂²E_k/∂R∂R [hartree/bohr²] by central differences of the forces.

    H = -[F(-2h) - 8 F(-h) + 8 F(h) - F(2h)] / 12h with h = 0.01 bohr, made symmetric.

    Args:
        model: Any model; a learned one in float64, see `in_double_precision`.
        positions: One geometry [bohr].
        state: Adiabatic state, 0 is the lowest.
    """
    size = positions.size
    displaced = np.concatenate(
        [positions.reshape(-1) + offset * _STEP_BOHR * np.eye(size) for offset in _OFFSETS]
    ).reshape(-1, *positions.shape)
    surface = active_surface(model, torch.from_numpy(displaced), torch.full((len(displaced),), state))
    forces = surface.force.numpy().reshape(len(_OFFSETS), size, size)
    derivative = -sum(factor * force for factor, force in zip(_FACTORS, forces, strict=True)) / _STEP_BOHR
    return 0.5 * (derivative + derivative.T)


def in_double_precision(model: Model) -> Model:
    """Return the float64 twin of a model that has one (a network in float32), else the model itself.

    Differences of float32 forces carry a noise that turns soft modes into imaginary ones.
    """
    double = getattr(model, "double", None)
    return model if double is None else double()
