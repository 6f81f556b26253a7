"""S² of small CI spaces as a matrix that is made once, where PySCF sums over pairs of strings each time."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from pyscf.fci import cistring, spin_op
from pyscf.fci.addons import _unpack_nelec
from pyscf.fci.direct_spin1 import FCISolver

# More determinants than this are left to PySCF: the matrix grows with the square.
_MOST_DETERMINANTS = 500


def apply_spin_fast(solver: FCISolver) -> None:
    """Let a solver of PySCF apply S² by a matrix, with the same result, where the matrix is small.

    A penalty on spin applies it with every Hamiltonian: a quarter of the time of a label in a (4,3) space.
    """

    def contract_ss(vector: np.ndarray, n_orbitals: int, n_electrons: int | Sequence[int]) -> np.ndarray:
        up, down = _unpack_nelec(n_electrons, solver.spin)
        n_determinants = cistring.num_strings(n_orbitals, up) * cistring.num_strings(n_orbitals, down)
        if n_determinants > _MOST_DETERMINANTS:
            return spin_op.contract_ss(vector, n_orbitals, (up, down))
        return (spin_squared(n_orbitals, up, down) @ np.ravel(vector)).reshape(np.shape(vector))

    solver.contract_ss = contract_ss


@lru_cache(maxsize=8)
def spin_squared(n_orbitals: int, up: int, down: int) -> Float[np.ndarray, "determinant determinant"]:
    """Return the matrix of S² among all determinants, in PySCF's order of strings."""
    shape = (cistring.num_strings(n_orbitals, up), cistring.num_strings(n_orbitals, down))
    units = np.eye(shape[0] * shape[1])
    columns = [spin_op.contract_ss(unit.reshape(shape), n_orbitals, (up, down)).ravel() for unit in units]
    return np.stack(columns, axis=1)
