"""Second derivatives of one adiabatic energy."""

import numpy as np
import torch
from jaxtyping import Float

from nadyn.dynamics.initial.descent import check_labels
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.surfaces import active_surface
from nadyn.models.model import Model

_STEP_BOHR = 0.01
# Five-point formula for the first derivative: the error is of fourth order in the step. Of a label source,
# which costs a label each, three points: the error is below that of its convergence.
_FIVE_POINTS = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
_THREE_POINTS = {-1: -1 / 2, 1: 1 / 2}


def hessian(
    model: Model, positions: Float[np.ndarray, "atom x"], *, state: int
) -> Float[np.ndarray, "coordinate coordinate"]:
    """Return ∂²E_k/∂R∂R [hartree/bohr²] by central differences of the forces.

    H = -[F(-2h) - 8 F(-h) + 8 F(h) - F(2h)] / 12h with h = 0.01 bohr, made symmetric; of a label source
    H = -[F(h) - F(-h)] / 2h.

    Args:
        model: Any model; a learned one in float64, see `in_double_precision`.
        positions: One geometry [bohr].
        state: Adiabatic state, 0 is the lowest.
    """
    size = positions.size
    points = _THREE_POINTS if isinstance(model, DirectModel) else _FIVE_POINTS
    displaced = np.concatenate(
        [positions.reshape(-1) + offset * _STEP_BOHR * np.eye(size) for offset in points]
    ).reshape(-1, *positions.shape)
    surface = active_surface(model, torch.from_numpy(displaced), torch.full((len(displaced),), state))
    if isinstance(model, DirectModel):
        check_labels(model, torch.from_numpy(displaced))
    forces = surface.force.numpy().reshape(len(points), size, size)
    derivative = -sum(factor * force for factor, force in zip(points.values(), forces, strict=True))
    derivative = derivative / _STEP_BOHR
    return 0.5 * (derivative + derivative.T)


def in_double_precision(model: Model) -> Model:
    """Return the float64 twin of a model that has one (a network in float32), else the model itself.

    Differences of float32 forces carry a noise that turns soft modes into imaginary ones.
    """
    double = getattr(model, "double", None)
    return model if double is None else double()
