"""One state a level: a basis of equal energies in which a single member carries all of the wave function."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.dynamics.state.batch_independence import electronic_width
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.electronic.surfaces import in_blocks

# Levels closer than this are one [hartree]: in a picosecond their phases differ by 4e-5.
EQUAL = 1e-9


def along_the_wave_function(
    coefficients: Complex[Tensor, "traj state"],
    energies: Float[Tensor, "traj state"],
    eigenvectors: Complex[Tensor, "traj basis state"],
    propagator: Complex[Tensor, "traj state state2"],
) -> tuple[
    Complex[Tensor, "traj state"], Complex[Tensor, "traj basis state"], Complex[Tensor, "traj state state2"]
]:
    """Return coefficients, eigenvectors and propagator with new vectors among those of equal energy.

    In each group of equal energies the reflection Q = 1 - 2 v v†/v†v, v = x + ‖x‖ (x_1/|x_1|) e_1, turns the
    coefficients x of the group into one on its first member; U becomes U Q and R becomes Q R. The wave
    function stays as it is. Without this, LAPACK's choice among the members of a Kramers pair, or of a
    triplet without spin-orbit coupling, would make trajectories hop between them all the time.

    Args:
        coefficients: c(t+dt).
        energies: E(t+dt), ascending [hartree].
        eigenvectors: U(t+dt).
        propagator: R in c(t+dt) = R c(t).
    """
    if not bool((energies[:, 1:] - energies[:, :-1] < EQUAL).any()):
        return coefficients, eigenvectors, propagator
    width = electronic_width(eigenvectors.shape[1], eigenvectors)
    return in_blocks(width, _turned, coefficients, energies, eigenvectors, propagator)


def _turned(c: Tensor, energies: Tensor, vectors: Tensor, propagator: Tensor) -> tuple[Tensor, ...]:
    n = energies.shape[1]
    states = torch.arange(n, device=energies.device)
    joined = torch.nn.functional.pad(energies[:, 1:] - energies[:, :-1] < EQUAL, (1, 0))
    group = torch.cumsum((~joined).long(), dim=1)
    same = group[:, :, None] == group[:, None, :]
    real, imag = torch.view_as_real(c).unbind(-1)
    squares = real * real + imag * imag
    # Sums in the order of the states, whatever the batch.
    weight = torch.zeros_like(squares)
    for k in range(n):
        weight = weight + torch.where(same[:, :, k], squares[:, k, None], 0.0)
    alone = ~joined & ~torch.nn.functional.pad(joined[:, 1:], (0, 1))
    length, size = torch.sqrt(weight), torch.sqrt(squares)
    bare = size > 0
    unit_real = torch.where(bare, real / torch.where(bare, size, 1.0), 1.0)
    unit_imag = torch.where(bare, imag / torch.where(bare, size, 1.0), 0.0)
    first = ~joined
    v_real = torch.where(alone, 0.0, real + torch.where(first, unit_real * length, 0.0))
    v_imag = torch.where(alone, 0.0, imag + torch.where(first, unit_imag * length, 0.0))
    norm = torch.zeros_like(squares)
    for k in range(n):
        term = v_real[:, k] * v_real[:, k] + v_imag[:, k] * v_imag[:, k]
        norm = norm + torch.where(same[:, :, k], term[:, None], 0.0)
    factor = torch.where(norm > 0, 2.0 / torch.where(norm > 0, norm, 1.0), 0.0)[:, :, None]
    # v_k v_l* within a group.
    outer_real = v_real[:, :, None] * v_real[:, None, :] + v_imag[:, :, None] * v_imag[:, None, :]
    outer_imag = v_imag[:, :, None] * v_real[:, None, :] - v_real[:, :, None] * v_imag[:, None, :]
    reflection = torch.complex(
        torch.where(same, -factor * outer_real, 0.0), torch.where(same, -factor * outer_imag, 0.0)
    )
    reflection[:, states, states] += 1.0
    kept = torch.where(alone, 1.0, torch.where(first, -1.0, 0.0))
    scale = torch.where(alone, size, length) * kept
    turned = torch.complex(unit_real * scale, unit_imag * scale)
    turned = torch.where(alone, c, turned)
    last = [trajectories_last(array) for array in (reflection, vectors, propagator)]
    turned_by = product(last[1], last[0]), product(last[0], last[2])
    return turned, *(array.movedim(-1, 0).contiguous() for array in turned_by)
