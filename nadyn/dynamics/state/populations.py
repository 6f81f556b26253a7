"""How populations follow from the states of trajectories: the estimators of methods with an active state."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.state.batch import State


@dataclass(frozen=True)
class Estimator:
    """A rule for populations, whose mean over trajectories is the population.

    Attributes:
        name: A few words that say how, written into the trajectory file.
        values: The contribution of each trajectory to each state.
    """

    name: str
    values: Callable[[State], Float[Tensor, "traj kind"]]


def active_states(state: State) -> Float[Tensor, "traj state"]:
    """Return 1 for the active state, 0 for the others."""
    return torch.nn.functional.one_hot(state.active_state, state.energies.shape[1]).double()


def squared_coefficients(state: State) -> Float[Tensor, "traj state"]:
    """Return |c_k|^2."""
    c = torch.view_as_real(state.coefficients)
    return c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1]


def squared_amplitudes(state: State) -> Float[Tensor, "traj basis"]:
    """Return |sum_k U_dk c_k|^2."""
    u, c = state.eigenvectors, torch.view_as_real(state.coefficients)
    real, imag = torch.zeros_like(u[:, :, 0]), torch.zeros_like(u[:, :, 0])
    for k in range(u.shape[2]):
        real = real + u[:, :, k] * c[:, k, 0, None]
        imag = imag + u[:, :, k] * c[:, k, 1, None]
    return real * real + imag * imag


def diabatic_populations(state: State) -> Float[Tensor, "traj basis"]:
    """Return diabatic populations: those of the states from the active one, coherences from the coefficients.

    P_d = U_da^2 + sum_(k < l) 2 U_dk U_dl Re(c_k c*_l); their sum is 1 where basis and states are as many.

    Source: B. R. Landry, M. J. Falk and J. E. Subotnik, J. Chem. Phys. 139, 211101 (2013), third method.
    """
    u = state.eigenvectors
    populations = diabatic_weights_of_active_state(state)
    c = torch.view_as_real(state.coefficients)
    for k in range(u.shape[2]):
        for l in range(k + 1, u.shape[2]):
            coherence = c[:, k, 0] * c[:, l, 0] + c[:, k, 1] * c[:, l, 1]
            populations = populations + u[:, :, k] * u[:, :, l] * (2.0 * coherence)[:, None]
    return populations


def diabatic_weights_of_active_state(state: State) -> Float[Tensor, "traj basis"]:
    """Return U_da^2 of the active state a."""
    u = state.eigenvectors
    active = u.gather(2, state.active_state[:, None, None].expand(-1, u.shape[1], 1))[:, :, 0]
    return active * active


FRACTION_OF_TRAJECTORIES = Estimator("fraction of trajectories on each state", active_states)
MEAN_SQUARED_COEFFICIENTS = Estimator("mean |c|^2", squared_coefficients)
MEAN_SQUARED_AMPLITUDES = Estimator("mean |amplitude|^2", squared_amplitudes)
MIXED = Estimator("populations from the active state, coherences from the coefficients", diabatic_populations)
OF_ACTIVE = Estimator("|U_da|^2 of the active state", diabatic_weights_of_active_state)
