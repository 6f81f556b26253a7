"""Spin-orbit coupling as real vectors between states, and as a matrix between their magnetic sublevels.

H = i Σ_x v_x K_x. Of states with real wave functions v_kl is real, antisymmetric in k l, and turns as an
axial vector with the molecule; K is the Hermitian vector operator that Wigner and Eckart allow between spins.
So H is Hermitian and unchanged by time reversal, and its eigenvalues do not know the axis of M_S.
"""

import math
from functools import cache

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.models.spin_states import spin_states


@cache
def spin_vector_operator(
    multiplicities: tuple[int, ...],
) -> Complex[Tensor, "spin_state spin_state2 three"]:
    """Return K between the spin states of rows with these multiplicities, in the order of `spin_states`.

    Between equal spins S it is the spin itself; between S and S + 1, with V± = V_x ± i V_y,

        <S M|V_z|S+1 M>   = √((S+1)² - M²) / (S+1)
        <S M±1|V±|S+1 M>  = ±√((S+1 ∓ M)(S ∓ M)) / (S+1)

    and zero between spins farther apart.

    Source: E. U. Condon and G. H. Shortley, The Theory of Atomic Spectra (1935), chapter 3, section 9.
    """
    spins = spin_states(multiplicities)
    states = [
        (0.5 * (multiplicities[row] - 1), projection)
        for row, projection in zip(spins.row.tolist(), spins.projection.tolist(), strict=True)
    ]
    # V_z, V+ and V- of each pair.
    ladder = torch.zeros(3, len(states), len(states), dtype=torch.complex128)
    for a, (s, m) in enumerate(states):
        for b, (j, n) in enumerate(states):
            if s == j:
                ladder[:, a, b] = _column(*_equal_spins(s, m, n))
            elif j == s + 1:
                along, plus, minus = _spin_and_next(j, m, n)
                ladder[:, a, b] = _column(along, plus, minus)
                # The adjoint of V+ is V-.
                ladder[:, b, a] = _column(along, minus, plus)
    along, plus, minus = ladder
    return torch.stack([0.5 * (plus + minus), -0.5j * (plus - minus), along], dim=-1)


def _column(*values: float) -> Complex[Tensor, "three"]:
    return torch.tensor(values, dtype=torch.complex128)


def _equal_spins(s: float, m: float, n: float) -> tuple[float, float, float]:
    """Return <m|S_z|n>, <m|S+|n> and <m|S-|n>."""
    return (
        m if m == n else 0.0,
        math.sqrt(s * (s + 1) - n * m) if m == n + 1 else 0.0,
        math.sqrt(s * (s + 1) - n * m) if m == n - 1 else 0.0,
    )


def _spin_and_next(j: float, m: float, n: float) -> tuple[float, float, float]:
    """Return <j-1 m|V_z|j n>, <j-1 m|V+|j n> and <j-1 m|V-|j n>."""
    return (
        math.sqrt(j * j - n * n) / j if m == n else 0.0,
        math.sqrt((j - n) * (j - n - 1)) / j if m == n + 1 else 0.0,
        -math.sqrt((j + n) * (j + n - 1)) / j if m == n - 1 else 0.0,
    )


def matrix_of_vectors(
    vectors: Float[Tensor, "*batch row row2 3"], multiplicities: tuple[int, ...]
) -> Complex[Tensor, "*batch spin_state spin_state2"]:
    """Return H = i Σ_x v_x K_x between the spin states of rows with these multiplicities."""
    row = spin_states(multiplicities).row
    operator = spin_vector_operator(multiplicities)
    spread = vectors[..., row[:, None], row, :]
    # Components in a fixed order: a sum over an axis would be rounded by the batch.
    real = -(spread[..., 0] * operator.imag[..., 0])
    imag = spread[..., 0] * operator.real[..., 0]
    for axis in (1, 2):
        real = real - spread[..., axis] * operator.imag[..., axis]
        imag = imag + spread[..., axis] * operator.real[..., axis]
    return torch.complex(real, imag)


def vectors_of_matrix(
    matrix: Complex[Tensor, "*batch spin_state spin_state2"], multiplicities: tuple[int, ...]
) -> Float[Tensor, "*batch row row2 3"]:
    """Return the vectors whose matrix lies nearest: all of a spin-orbit matrix that obeys its laws.

    Between rows that no vector couples (singlets, or spins farther apart than one) they are zero.
    """
    row = spin_states(multiplicities).row
    operator = spin_vector_operator(multiplicities)
    n = len(multiplicities)
    belongs = torch.nn.functional.one_hot(row, n).to(torch.float64)
    # Re(-i K* H) summed over the sublevels, divided by the same sum of |K|².
    products = operator.real * matrix.imag[..., None] - operator.imag * matrix.real[..., None]
    sums = torch.einsum("sa,...stx,tb->...abx", belongs, products, belongs)
    squares = torch.einsum("sa,stx,tb->abx", belongs, operator.abs().square(), belongs)
    vectors = torch.where(squares > 0, sums / torch.where(squares > 0, squares, 1.0), 0.0)
    return 0.5 * (vectors - vectors.transpose(-3, -2))


def couples(first: int, second: int) -> bool:
    """Tell whether states of these multiplicities can have a spin-orbit coupling."""
    return abs(first - second) in (0, 2) and (first, second) != (1, 1)
