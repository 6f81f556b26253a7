"""In which basis a trajectory of a mapping method starts, and its coefficients from what is drawn there."""

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.populations import squared_amplitudes, squared_coefficients
from nadyn.models.model import Model

# A state that is one of a basis has a square of 1 there, but for rounding.
_ALMOST_ALL = 1.0 - 1e-9


def starting_basis(state: State) -> tuple[Float[Tensor, "traj state2 state"], Int[Tensor, "traj"]]:
    """Return the basis of the start and the number of the state in it.

    The basis is given by the adiabatic components of its members, one a column: the unit matrix for a start
    in an adiabatic state, U^T for one in a diabatic state, of which there are as many.

    Args:
        state: A batch that starts in one adiabatic or one diabatic state.
    """
    adiabatic = squared_coefficients(state)
    in_adiabatic = adiabatic.amax(1) > _ALMOST_ALL
    n = adiabatic.shape[1]
    identity = torch.eye(n, dtype=torch.float64, device=adiabatic.device).expand(len(adiabatic), -1, -1)
    if in_adiabatic.all():
        return identity, adiabatic.argmax(1)
    vectors = torch.where(in_adiabatic[:, None, None], identity, state.eigenvectors.transpose(1, 2))
    chosen = torch.where(in_adiabatic, adiabatic.argmax(1), squared_amplitudes(state).argmax(1))
    return vectors, chosen


def to_coefficients(
    real: Float[Tensor, "traj state"],
    imag: Float[Tensor, "traj state"],
    vectors: Float[Tensor, "traj state2 state"],
) -> Complex[Tensor, "traj state2"]:
    """Return adiabatic coefficients from components in the basis of `starting_basis`."""
    new_real, new_imag = vectors[:, :, 0] * real[:, None, 0], vectors[:, :, 0] * imag[:, None, 0]
    for k in range(1, vectors.shape[2]):
        new_real = new_real + vectors[:, :, k] * real[:, None, k]
        new_imag = new_imag + vectors[:, :, k] * imag[:, None, k]
    return torch.complex(new_real, new_imag)


def refuse_latent_basis(method: str, model: Model) -> None:
    """Refuse a model whose diabatic basis has no fixed meaning, or more members than there are states.

    Raises:
        InputError: It is such a model.
    """
    if model.n_basis > model.n_states:
        raise InputError(
            f"`method` {method} must have a model with as many states as rows of W, but {model.name} has "
            f"{model.n_states} of {model.n_basis}: mapping variables of surplus levels mean nothing. "
            "Try ehrenfest or multistate_mash."
        )
    if not model.fixed_diabatic_basis:
        raise InputError(
            f"`method` {method} must have a model with a fixed diabatic basis, but {model.name} has none. "
            "Try ehrenfest or multistate_mash."
        )
