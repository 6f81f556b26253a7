"""Eigenvalues and eigenvectors of W with a backward pass that stays finite at a degeneracy."""

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from nadyn.electronic.small_arrays import (
    Array,
    all_finite,
    as_tensor,
    functions_of,
    silent,
    small,
    square_root,
)
from nadyn.models.model import Evaluation
from nadyn.units import HARTREE_PER_EV

# The response of an eigenvector to W is ΔE / (ΔE² + δ²) instead of 1/ΔE.
DEGENERACY_WIDTH_HARTREE = 0.010 * HARTREE_PER_EV


def aligned_eigh(
    matrix: Float[Tensor, "traj n n"],
) -> tuple[Float[Tensor, "traj n"], Float[Tensor, "traj n n"]]:
    """Return ascending eigenvalues and eigenvectors (columns), each matrix treated as if it were alone.

    LAPACK's arithmetic depends on how a matrix is aligned in memory, so in a batch of 11×11 matrices the
    last bits of a row depend on its place. Filling up to a multiple of four rows aligns all of them; the
    surplus levels lie above every true one and are decoupled. Counting energies from their mean keeps
    the digits that a large total energy would cost. Two rows have a closed form, of the same accuracy and
    four times as fast. A matrix that is not finite has energies of NaN.
    """
    if not all_finite(matrix):
        # LAPACK would refuse the whole batch.
        finite = torch.isfinite(matrix).all(-1).all(-1)
        energies, eigenvectors = aligned_eigh(torch.where(finite[:, None, None], matrix, 0.0))
        return torch.where(finite[:, None], energies, torch.nan), eigenvectors
    n = matrix.shape[-1]
    if n == 2:
        energies, eigenvectors = _of_two(small(matrix))
        return as_tensor(energies), as_tensor(eigenvectors)
    centre = matrix.diagonal(dim1=-2, dim2=-1).sum(-1) / n
    filled = n + (-n % 4 if n > 2 else 0)
    shifted = matrix.new_zeros((len(matrix), filled, filled))
    array, own, centres = small(shifted), small(matrix), small(centre)[:, None]
    array[:, :n, :n] = own
    diagonal = array.reshape(len(array), -1)[:, :: filled + 1]
    diagonal[:, :n] -= centres
    if filled > n:
        size = functions_of(array).amax(abs(array), (1, 2))
        diagonal[:, n:] = (2.0 * n * size + 1.0)[:, None]
    energies, eigenvectors = torch.linalg.eigh(shifted)
    return as_tensor(small(energies)[:, :n] + centres), eigenvectors[:, :n, :n]


@silent
def _of_two(
    matrix: Float[Array, "traj 2 2"],
) -> tuple[Float[Array, "traj 2"], Float[Array, "traj 2 2"]]:
    """Solve [[m + z, b], [b, m - z]]: energies m -+ w with w^2 = z^2 + b^2.

    The lower vector is (-b, w + z) for z >= 0 and (w - z, -b) otherwise, where nothing cancels.
    """
    of = functions_of(matrix)
    first, second = matrix[:, 0, 0], matrix[:, 1, 1]
    m, z, b = 0.5 * (first + second), 0.5 * (first - second), matrix[:, 0, 1]
    # Scaled, so that the squares of tiny elements do not underflow.
    size = of.maximum(abs(z), abs(b))
    some = size > 0
    scale = size if some.all() else of.where(some, size, 1.0)
    z, b = z / scale, b / scale
    square = b * b
    w = square_root(z * z + square)
    large = w + abs(z)
    if scale is not size:
        large = of.where(some, large, 1.0)
    norm = square_root(square + large * large)
    large, small_one = large / norm, -b / norm
    is_positive = z >= 0
    first, second = of.where(is_positive, small_one, large), of.where(is_positive, large, small_one)
    w = w * size
    vectors = of.stack([first, -second, second, first], -1).reshape(-1, 2, 2)
    return of.stack([m - w, m + w], -1), vectors


def singular_parts(
    matrix: Inexact[Tensor, "traj n n"],
) -> tuple[Inexact[Tensor, "traj n n"], Float[Tensor, "traj n"], Inexact[Tensor, "traj n n"]]:
    """Return left vectors, singular values and right vectors, all of NaN where a matrix is not finite."""
    finite = torch.isfinite(matrix).all(-1).all(-1)
    if finite.all():
        return torch.linalg.svd(matrix)
    parts = torch.linalg.svd(torch.where(finite[:, None, None], matrix, 0.0))
    return tuple(torch.where(finite.reshape(-1, *[1] * (p.ndim - 1)), p, torch.nan) for p in parts)


class _BoundedEigh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix: Tensor) -> tuple[Tensor, Tensor]:
        energies, eigenvectors = aligned_eigh(matrix.detach())
        ctx.save_for_backward(energies, eigenvectors)
        return energies, eigenvectors

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, energies_bar: Tensor, eigenvectors_bar: Tensor) -> Tensor:
        return matrix_cotangent(*ctx.saved_tensors, energies_bar, eigenvectors_bar)


def matrix_cotangent(
    energies: Float[Tensor, "traj n"],
    eigenvectors: Float[Tensor, "traj n n"],
    energies_bar: Float[Tensor, "traj n"],
    eigenvectors_bar: Float[Tensor, "traj n n"],
) -> Float[Tensor, "traj n n"]:
    """Return the cotangent of a matrix for those of its levels and eigenvectors, bounded as in `eigh`."""
    gap = energies.unsqueeze(-2) - energies.unsqueeze(-1)
    response = gap / (gap**2 + DEGENERACY_WIDTH_HARTREE**2)
    inner = response * (eigenvectors.mT @ eigenvectors_bar) + torch.diag_embed(energies_bar)
    matrix_bar = eigenvectors @ inner @ eigenvectors.mT
    return 0.5 * (matrix_bar + matrix_bar.mT)


def eigh(
    hamiltonian: Float[Tensor, "traj basis basis"],
) -> tuple[Float[Tensor, "traj basis"], Float[Tensor, "traj basis basis"]]:
    """Return ascending eigenvalues [hartree] and eigenvectors (columns) of a symmetric matrix.

    The derivative of the eigenvectors is bounded: the factor 1/ΔE of first-order perturbation theory
    becomes ΔE/(ΔE² + δ²) with δ = 10 meV. The stock derivative is NaN at a degeneracy, and one such
    frame would spoil the gradient of a whole batch. The derivative is available once, not twice.
    """
    if hamiltonian.requires_grad and torch.is_grad_enabled():
        return _BoundedEigh.apply(hamiltonian)
    return aligned_eigh(hamiltonian.detach())


def levels(
    evaluation: Evaluation,
) -> tuple[Float[Tensor, "traj basis"], Float[Tensor, "traj basis basis"]]:
    """Return eigenvalues [hartree] and eigenvectors of W without any derivative.

    The states come first: of W in several blocks those of each block, then all surplus levels.
    """
    if evaluation.levels is not None:
        return evaluation.levels
    if evaluation.spin_blocks:
        return _levels_of_blocks(evaluation.hamiltonian.detach(), evaluation.spin_blocks)
    return eigh(evaluation.hamiltonian.detach())


def _levels_of_blocks(
    hamiltonian: Float[Tensor, "traj basis basis"], blocks: tuple[tuple[int, int], ...]
) -> tuple[Float[Tensor, "traj basis"], Float[Tensor, "traj basis basis"]]:
    parts, row = [], 0
    for n_rows, n_states in blocks:
        end = row + n_rows
        energies, own = eigh(hamiltonian[:, row:end, row:end])
        vectors = torch.nn.functional.pad(own, (0, 0, row, hamiltonian.shape[1] - end))
        parts.append((energies, vectors, n_states))
        row = end
    order = [(e[:, :n], v[:, :, :n]) for e, v, n in parts] + [(e[:, n:], v[:, :, n:]) for e, v, n in parts]
    return torch.cat([e for e, _ in order], dim=1), torch.cat([v for _, v in order], dim=2)
