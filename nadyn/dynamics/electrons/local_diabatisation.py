"""Electronic coefficients over one time step, by local diabatisation."""

from functools import partial

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.dynamics.electrons.propagation import Levels, Propagation
from nadyn.dynamics.state.batch_independence import electronic_width, elementwise
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.electronic.eigen import aligned_eigh, singular_parts
from nadyn.electronic.small_arrays import (
    Array,
    as_complex,
    as_tensor,
    functions_of,
    in_parts,
    like,
    rearranged,
    square_root,
    trajectories_first,
)


def local_diabatisation(
    coefficients: Complex[Tensor, "traj state"], old: Levels, new: Levels, *, dt: float
) -> Propagation:
    """Return the coefficients after a time step.

    S = U(t)^T U(t+dt), its nearest orthogonal matrix Q = S (S^T S)^(-1/2), and
    c(t+dt) = Q^T exp[-i dt (E(t) + Q E(t+dt) Q^T) / 2] c(t).
    Where W has as many rows as there are states this is exp[-i dt (W(t) + W(t+dt)) / 2] in the diabatic
    basis: the signs of eigenvectors cancel and a narrow crossing cannot be missed.

    Source: G. Granucci, M. Persico and A. Toniolo, J. Chem. Phys. 114, 10608 (2001).

    Args:
        coefficients: c(t).
        old: E(t) [hartree] and U(t).
        new: E(t+dt) [hartree] and U(t+dt).
        dt: Time step [au].
    """
    width = electronic_width(old[1].shape[1], old[1])
    c = torch.view_as_real(coefficients.resolve_conj())
    c, propagator, smallest = in_parts(width, partial(_propagate, dt=dt), c, *old, *new)
    return Propagation(as_complex(c), as_complex(propagator), smallest)


def orthogonal_overlap(
    eigenvectors: Float[Tensor, "traj basis state"], new_eigenvectors: Float[Tensor, "traj basis state"]
) -> tuple[Float[Tensor, "traj state state2"], Float[Tensor, "traj"]]:
    """Return the orthogonal matrix nearest to S_kl = <k(t)|l(t+dt)>, and the smallest singular value of S."""

    def part(old: Array, new: Array) -> tuple[Array, Array]:
        overlap, smallest = _overlap(old, new)
        return trajectories_first(overlap), smallest

    width = electronic_width(eigenvectors.shape[1], eigenvectors)
    return in_parts(width, part, eigenvectors, new_eigenvectors)


def _overlap(old: Array, new: Array) -> tuple[Array, Array]:
    """Orthogonal matrix nearest to the overlap, trajectories last, and the smallest singular value."""
    n_basis, n_states = old.shape[1:]
    overlap = product(trajectories_last(old).swapaxes(0, 1), trajectories_last(new))
    if n_basis == n_states:
        # Both sets of eigenvectors are complete, so S is orthogonal already.
        return overlap, functions_of(overlap).ones_like(overlap[0, 0])
    return _nearest_orthogonal(overlap)


def _propagate(
    c: Array, energies: Array, eigenvectors: Array, new_energies: Array, new_eigenvectors: Array, *, dt: float
) -> tuple[Array, Array, Array]:
    # The trajectories are the last axis here: long vectors are what the processor is fast with.
    n_basis, n_states = eigenvectors.shape[1:]
    by_shape = _in_complete_basis_of_two if n_basis == n_states == 2 else _in_any_basis
    real, imag = rearranged(c, 2, 1, 0)
    energies, new_energies = trajectories_last(energies), trajectories_last(new_energies)
    overlap, smallest = _overlap(eigenvectors, new_eigenvectors)
    coefficients, propagator = by_shape(real, imag, energies, new_energies, overlap, dt=dt)
    return trajectories_first(coefficients), trajectories_first(propagator), smallest


def _in_any_basis(
    real: Array, imag: Array, energies: Array, new_energies: Array, overlap: Array, *, dt: float
) -> tuple[Array, Array]:
    n_states, stack = len(energies), functions_of(energies).stack
    mean = product(overlap * new_energies, overlap.swapaxes(0, 1))
    # (E + S E' S^T)/2 is symmetric up to rounding; the exponentials below read both triangles.
    mean = 0.25 * (mean + mean.swapaxes(0, 1))
    for state in range(n_states):
        mean[state, state] += 0.5 * energies[state]
    cosine, sine = _exponential_of_two(mean, dt) if n_states == 2 else _exponential(mean, dt)
    backward = overlap.swapaxes(0, 1)
    propagator_real, propagator_imag = product(backward, cosine), -product(backward, sine)
    re, im = real[:, None], imag[:, None]
    new_real = product(propagator_real, re) - product(propagator_imag, im)
    new_imag = product(propagator_real, im) + product(propagator_imag, re)
    return stack([new_real[:, 0], new_imag[:, 0]], 1), stack([propagator_real, propagator_imag], 2)


def _in_complete_basis_of_two(
    real: Array, imag: Array, energies: Array, new_energies: Array, overlap: Array, *, dt: float
) -> tuple[Array, Array]:
    """The same for a complete basis of two, in fewer operations."""
    stack = functions_of(energies).stack
    # With half gaps d, d' and the lower new state (x, y):
    # S E' S^T = m' - d' [[x^2 - y^2, 2xy], [2xy, y^2 - x^2]].
    half, new_half = 0.5 * (energies[1] - energies[0]), 0.5 * (new_energies[1] - new_energies[0])
    x, y = overlap[:, 0]
    mean = 0.25 * (energies[0] + energies[1] + new_energies[0] + new_energies[1])
    cosine, sine = _exponential_of(mean, -0.5 * (half + new_half * (x * x - y * y)), -new_half * (x * y), dt)
    backward = overlap.swapaxes(0, 1)
    r_real, r_imag = product(backward, cosine), product(backward, sine)
    terms_real, terms_imag = r_real * real + r_imag * imag, r_real * imag - r_imag * real
    coefficients = stack([terms_real[:, 0] + terms_real[:, 1], terms_imag[:, 0] + terms_imag[:, 1]], 1)
    return coefficients, stack([r_real, -r_imag], 2)


def _exponential_of_two(matrix: Array, dt: float) -> tuple[Array, Array]:
    """Real and minus imaginary part of exp(-i dt M) for symmetric 2x2 matrices, in closed form.

    With M = m + D, D traceless and D^2 = w^2: exp(-i dt M) = exp(-i m dt) [cos(w dt) - i D sin(w dt)/w].
    """
    m, half_gap = 0.5 * (matrix[0, 0] + matrix[1, 1]), 0.5 * (matrix[0, 0] - matrix[1, 1])
    return _exponential_of(m, half_gap, matrix[0, 1], dt)


def _exponential_of(m: Array, half_gap: Array, off: Array, dt: float) -> tuple[Array, Array]:
    """The same for M = [[m + z, x], [x, m - z]] with half gap z."""
    of = functions_of(m)
    w = square_root(half_gap * half_gap + off * off)
    angles = of.stack([m, w]) * dt
    (cos_m, cos_w), (sin_m, sin_w) = elementwise(torch.cos, angles), elementwise(torch.sin, angles)
    # sin(w dt)/w tends to dt where both surfaces and their coupling vanish.
    some = w > 0
    ratio = sin_w / w if some.all() else of.where(some, sin_w / of.where(some, w, 1.0), dt)
    z, x = half_gap * ratio, off * ratio
    cross_c, cross_s = -sin_m * x, cos_m * x
    cosine = of.stack([cos_m * cos_w - sin_m * z, cross_c, cross_c, cos_m * cos_w + sin_m * z])
    sine = of.stack([sin_m * cos_w + cos_m * z, cross_s, cross_s, sin_m * cos_w - cos_m * z])
    return cosine.reshape(2, 2, -1), sine.reshape(2, 2, -1)


def _exponential(matrix: Array, dt: float) -> tuple[Array, Array]:
    """Real and minus imaginary part of exp(-i dt M) for symmetric matrices."""
    values, vectors = (like(matrix, one) for one in aligned_eigh(as_tensor(trajectories_first(matrix))))
    angle, vectors = trajectories_last(values) * dt, trajectories_last(vectors)
    back = vectors.swapaxes(0, 1)
    cosine, sine = elementwise(torch.cos, angle), elementwise(torch.sin, angle)
    return product(vectors * cosine, back), product(vectors * sine, back)


def _nearest_orthogonal(overlap: Array) -> tuple[Array, Array]:
    """Orthogonal factor of S's polar decomposition, and the smallest singular value of S.

    Padded to a multiple of four rows for the reason given in `aligned_eigh`. The singular values of S are
    at most 1, so that those of the surplus rows, 2, come first and mix with none of them.
    """
    n = len(overlap)
    missing = -n % 4 if n > 2 else 0
    padded = as_tensor(trajectories_first(overlap))
    if missing:
        padded = torch.nn.functional.pad(padded, (0, missing, 0, missing))
        for row in range(n, n + missing):
            padded[:, row, row] = 2.0
    left, values, right = (like(overlap, one) for one in singular_parts(padded))
    return product(trajectories_last(left), trajectories_last(right))[:n, :n], values[:, -1]
