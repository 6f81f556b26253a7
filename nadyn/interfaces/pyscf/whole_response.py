"""All roots of linear response of a small molecule, from the whole matrices."""

import numpy as np
from jaxtyping import Float
from pyscf.scf.hf import RHF

from nadyn.interfaces.pyscf.orbital_hessian import hessian, n_singles


def whole_response(
    mf: RHF, *, singlet: bool, tamm_dancoff: bool
) -> tuple[Float[np.ndarray, "single"], Float[np.ndarray, "single 2 occupied empty"]]:
    """Return all excitation energies [hartree], ascending, with X and Y as PySCF has them, X² - Y² = ½.

    Raises:
        numpy.linalg.LinAlgError: A - B is not positive.
    """
    n, n_occupied = n_singles(mf), np.count_nonzero(mf.mo_occ)
    plus = hessian(mf, singlet=singlet, sign=1)(np.eye(n))
    minus = hessian(mf, singlet=singlet, sign=-1)(np.eye(n))
    if tamm_dancoff:
        values, x = np.linalg.eigh(0.5 * (plus + minus))
        y = np.zeros_like(x)
    else:
        # (A - B)(A + B) is symmetric in the frame of L with L Lᵀ = A - B.
        lower = np.linalg.cholesky(minus)
        squares, vectors = np.linalg.eigh(lower.T @ plus @ lower)
        with np.errstate(invalid="ignore"):
            values = np.sqrt(squares)
            sums = lower @ vectors / np.sqrt(values)
            differences = np.linalg.solve(lower.T, vectors) * np.sqrt(values)
        x, y = 0.5 * (sums + differences), 0.5 * (sums - differences)
    return values, np.sqrt(0.5) * np.stack([x.T, y.T], axis=1).reshape(n, 2, n_occupied, -1)
