"""The average of states with given coefficients: its energy and force, for Ehrenfest and mapping methods."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.dynamics.nuclei.rigid_motion import is_free, without_rigid_motion
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.memory import recall, remembers
from nadyn.electronic.surfaces import evaluate_once, in_blocks_of
from nadyn.models.model import Model


@dataclass(frozen=True)
class MeanWeights:
    """What the mean is taken with where it is not simply c c*, see `mean_density`."""

    scale: Float[Tensor, "traj"]
    zero_point: Float[Tensor, "traj basis"]


def mean_density(
    coefficients: Complex[Tensor, "traj state"],
    eigenvectors: Float[Tensor, "traj basis state"],
    scale: Float[Tensor, "traj"],
    zero_point: Float[Tensor, "traj basis"],
) -> Float[Tensor, "traj basis basis2"]:
    """Return D_ab = s Re(a_a a*_b) - z_a δ_ab with the amplitudes a = U c: tr(D W) is the potential energy.

    Args:
        coefficients: c, of norm 1.
        eigenvectors: U.
        scale: s, the squared length of the vector of mapping variables; 1 in Ehrenfest dynamics.
        zero_point: z, the energy of each oscillator that does not count; 0 in Ehrenfest dynamics.
    """
    real, imag = amplitudes(coefficients, eigenvectors)
    outer = real[:, :, None] * real[:, None, :] + imag[:, :, None] * imag[:, None, :]
    return outer * scale[:, None, None] - torch.diag_embed(zero_point)


def amplitudes(
    coefficients: Complex[Tensor, "traj state"], eigenvectors: Float[Tensor, "traj basis state"]
) -> tuple[Float[Tensor, "traj basis"], Float[Tensor, "traj basis"]]:
    """Return real and imaginary part of U c."""
    c = torch.view_as_real(coefficients.resolve_conj())
    real, imag = eigenvectors[:, :, 0] * c[:, None, 0, 0], eigenvectors[:, :, 0] * c[:, None, 0, 1]
    for k in range(1, eigenvectors.shape[2]):
        real = real + eigenvectors[:, :, k] * c[:, None, k, 0]
        imag = imag + eigenvectors[:, :, k] * c[:, None, k, 1]
    return real, imag


def weighted_gradient(
    model: Model,
    positions: Float[Tensor, "traj atom x"],
    weights: Float[Tensor, "traj basis basis2"],
) -> Float[Tensor, "traj atom x"]:
    """Return the gradient of Σ_ab D_ab W_ab [hartree/bohr] with the symmetric weights D held fixed."""

    def block(positions: Tensor, weights: Tensor) -> tuple[Tensor]:
        _, pull_back = evaluate_once(model, positions)
        return (pull_back(weights),)

    return in_blocks_of(model, block, positions, weights)[0]


def scale_and_zero_point(state: State) -> tuple[Float[Tensor, "traj"], Float[Tensor, "traj basis"]]:
    """Return s and z of each trajectory, see `mean_density`: remembered ones, else 1 and 0."""
    if not remembers(state, MeanWeights):
        return torch.ones_like(state.weight), torch.zeros_like(state.eigenvectors[:, :, 0])
    known = recall(state, MeanWeights)
    return known.scale, known.zero_point


def mean_energy(state: State) -> Float[Tensor, "traj"]:
    """Return tr(D W) [hartree], which in Ehrenfest dynamics is Σ_k |c_k|^2 E_k."""
    c = torch.view_as_real(state.coefficients.resolve_conj())
    squares = c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1]
    scale, zero_point = scale_and_zero_point(state)
    u, total = state.eigenvectors, torch.zeros_like(state.weight)
    for k in range(u.shape[2]):
        occupation = squares[:, k] * scale
        for a in range(u.shape[1]):
            occupation = occupation - u[:, a, k] * u[:, a, k] * zero_point[:, a]
        total = total + occupation * state.energies[:, k]
    return total


def mean_force(state: State, model: Model, masses: Float[Tensor, "atom"]) -> Float[Tensor, "traj atom x"]:
    """Return -∂ tr(D W)/∂R with D held fixed, without rigid motion for a molecule [hartree/bohr]."""
    density = mean_density(state.coefficients, state.eigenvectors, *scale_and_zero_point(state))
    return torque_free(-weighted_gradient(model, state.positions, density), state.positions, model, masses)


def torque_free(
    force: Float[Tensor, "traj atom x"],
    positions: Float[Tensor, "traj atom x"],
    model: Model,
    masses: Float[Tensor, "atom"],
) -> Float[Tensor, "traj atom x"]:
    """Return a mean force that keeps total and angular momentum where the energies of the model do.

    The forces of single states exert no torque, so that only the couplings h_kl of vectors in the basis lose
    something: their rigid part, as in the direction of a kick. It does no work on a molecule that does not
    rotate; for one that does, the coefficients have to turn with it, see `rigid_motion.turned_halfway`.
    """
    return without_rigid_motion(force, positions, masses) if is_free(model) else force


def total_mean_energy(state: State, masses: Float[Tensor, "atom"]) -> Float[Tensor, "traj"]:
    """Return kinetic plus mean potential energy, minus what a thermostat has brought in [hartree]."""
    return kinetic_energy(state.momenta, masses) + mean_energy(state) - state.heat
