"""The nearest minimum by forces alone, for label sources, where a matrix of curvatures costs many labels."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize

from nadyn.checks.errors import InputError
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.labels import Quality
from nadyn.electronic.surfaces import active_surface

# Largest force component at the end [hartree/bohr]: what the noise of labels allows, and what is tried.
_ALLOWED, _TRIED = 3e-4, 3e-5
_MOST_STEPS = 100
# Curvature of the first step [hartree/bohr²], that of a bond.
_BOND = 0.5


def descend(
    model: DirectModel, positions: Float[np.ndarray, "atom x"], *, state: int
) -> tuple[Float[np.ndarray, "atom x"], float, float]:
    """Return the minimum of E_k [hartree] next to a geometry, its energy, and the largest force left there.

    By the steps of Broyden, Fletcher, Goldfarb and Shanno.

    Args:
        model: A label source.
        positions: Starting geometry [bohr].
        state: State, 0 is the first.

    Raises:
        InputError: A label on the way is not trusted, or there is no minimum near.
    """

    def energy_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        geometry = torch.from_numpy(flat.reshape(positions.shape).copy())[None]
        surface = active_surface(model, geometry, torch.tensor([state]))
        check_labels(model, geometry)
        return float(surface.energies[0, state]), -surface.force[0].numpy().reshape(-1)

    found = minimize(
        energy_and_gradient,
        positions.reshape(-1),
        jac=True,
        method="BFGS",
        options={
            "gtol": _TRIED,
            "maxiter": _MOST_STEPS,
            "hess_inv0": np.eye(positions.size) / _BOND,
        },
    )
    largest = float(np.abs(found.jac).max())
    if largest > _ALLOWED:
        raise InputError(
            f"state {state} of source {model.name} must have a minimum near the starting geometry, but the "
            f"largest force is {largest:.1e} hartree/bohr after {found.nit} steps. Try another `geometry`."
        )
    return found.x.reshape(positions.shape), float(found.fun), largest


def check_labels(model: DirectModel, positions: torch.Tensor) -> None:
    """Refuse to go on from geometries whose labels are not trusted.

    Raises:
        InputError: One of them is not.
    """
    for geometry in positions:
        place = model.book.place(geometry)
        if place.quality != Quality.TRUSTED:
            raise InputError(
                f"the minimum and its frequencies must come from trusted labels of source {model.name}, but "
                f"one is not: {place.reason} Try another level of theory, or give `initial: {{file: …}}`."
            )
