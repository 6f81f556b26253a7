"""exp(-i H t) on a vector for a sparse Hermitian H, at many times at once."""

import numpy as np
from jaxtyping import Complex, Float, Inexact
from scipy import sparse
from scipy.special import jv

# Terms of the expansion smaller than this are left out.
_TOLERANCE = 1e-12
_LANCZOS_STEPS = 40
# Terms of the recursion that are added to all times by one matrix product.
_BLOCK = 32


def propagate(
    hamiltonian: sparse.csr_matrix,
    bounds: tuple[float, float],
    psi: Inexact[np.ndarray, "element"],
    times: Float[np.ndarray, "time"],
) -> Complex[np.ndarray, "time element"]:
    """Return exp(-i H t) psi at several times from one expansion.

    exp(-i H t) = exp(-i c t) sum_k (2 - δ_k0) (-i)^k J_k(r t) T_k((H - c)/r), where [c - r, c + r]
    encloses the spectrum of H. The vectors T_k psi do not depend on the time, and are real where H and psi
    are. Each term left out is below 1e-12.

    Source: H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81, 3967 (1984).

    Args:
        hamiltonian: H [hartree].
        bounds: An interval that encloses its eigenvalues, see `spectral_bounds`.
        psi: The start.
        times: Positive times [au].
    """
    centre, reach = 0.5 * (bounds[0] + bounds[1]), 0.5 * (bounds[1] - bounds[0])
    scaled = ((hamiltonian - centre * sparse.identity(hamiltonian.shape[0])) / reach).tocsr()
    coefficients = _coefficients(centre, reach, times)
    # Real and imaginary parts apart: a real recursion costs half of a complex one.
    parts = np.zeros((2, len(times), len(psi)), dtype=scaled.dtype if np.isrealobj(psi) else np.complex128)
    factors = np.stack([coefficients.real, coefficients.imag])
    before, here = psi, scaled @ psi
    start = 0
    while start < coefficients.shape[1]:
        # The recursion T_{k+1} = 2 H T_k - T_{k-1}, written into a block of rows.
        rows = []
        for _ in range(min(_BLOCK, coefficients.shape[1] - start)):
            rows.append(before)
            before, here = here, 2.0 * (scaled @ here) - before
        parts += factors[:, :, start : start + len(rows)] @ np.stack(rows)
        start += len(rows)
    return parts[0] + 1j * parts[1]


def _coefficients(centre: float, reach: float, times: np.ndarray) -> np.ndarray:
    orders = np.arange(int(reach * times.max()) + 100)
    bessel = jv(orders, reach * times[:, None])
    needed = int(np.flatnonzero(np.abs(bessel).max(0) > _TOLERANCE)[-1]) + 1
    factors = np.where(orders == 0, 1.0, 2.0) * (-1j) ** (orders % 4)
    return (np.exp(-1j * centre * times)[:, None] * factors * bessel)[:, :needed]


def spectral_bounds(matrix: sparse.csr_matrix) -> tuple[float, float]:
    """Return an interval that encloses the eigenvalues of a Hermitian matrix.

    Extreme Ritz values of a few Lanczos steps, widened by the last off-diagonal element.

    Source: Y. Zhou and R.-C. Li, Linear Algebra Appl. 435, 480 (2011).
    """
    vector = np.random.Generator(np.random.Philox(1)).standard_normal(matrix.shape[0]).astype(matrix.dtype)
    vector /= np.linalg.norm(vector)
    before, beta = np.zeros_like(vector), 0.0
    diagonal, off_diagonal = [], []
    for _ in range(min(_LANCZOS_STEPS, matrix.shape[0])):
        after = matrix @ vector - beta * before
        alpha = np.vdot(vector, after).real
        after -= alpha * vector
        diagonal.append(alpha)
        beta = np.linalg.norm(after)
        off_diagonal.append(beta)
        if beta < 1e-14:
            break
        before, vector = vector, after / beta
    inner = off_diagonal[: len(diagonal) - 1]
    values = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(inner, 1) + np.diag(inner, -1))
    margin = off_diagonal[-1] + 1e-6
    return float(values[0] - margin), float(values[-1] + margin)
