"""A geometry as PySCF has it, and how orbitals turn with it."""

import warnings
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from pyscf import gto

from nadyn.checks.errors import InputError
from nadyn.structures import symbol


def molecule(
    atomic_numbers: tuple[int, ...],
    positions: Float[np.ndarray, "atom 3"],
    *,
    basis: str,
    charge: int,
    spin: int,
) -> gto.Mole:
    """Return the molecule; positions in bohr, `spin` = 2S.

    Raises:
        InputError: The basis is unknown for one of the elements.
    """
    atoms = [(symbol(number), tuple(point)) for number, point in zip(atomic_numbers, positions, strict=True)]
    try:
        with warnings.catch_warnings():
            # What it says of other places to find a basis in comes before the error that is told below.
            warnings.simplefilter("ignore", UserWarning)
            # Silent: what goes wrong is in the label.
            return gto.M(atom=atoms, unit="bohr", basis=basis, charge=charge, spin=spin, verbose=0)
    except (KeyError, RuntimeError) as error:
        names = ", ".join(sorted({symbol(number) for number in atomic_numbers}))
        raise InputError(
            f"basis {basis!r} must be known to PySCF for {names}, but is not. Try 6-31g* or def2-svp."
        ) from error


def turned(
    mol: gto.Mole, orbitals: Float[np.ndarray, "ao orbital"], rotation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "ao orbital"]:
    """Return orbitals of a molecule that was turned, positions @ rotation, and they with it."""
    result = np.empty_like(orbitals)
    loc = mol.ao_loc_nr()
    for shell in range(mol.nbas):
        matrix = _shell_rotation(int(mol.bas_angular(shell)), bool(mol.cart), rotation.tobytes())
        block = orbitals[loc[shell] : loc[shell + 1]].reshape(mol.bas_nctr(shell), len(matrix), -1)
        result[loc[shell] : loc[shell + 1]] = (matrix @ block).reshape(-1, orbitals.shape[1])
    return result


@lru_cache(maxsize=256)
def _shell_rotation(angular: int, cartesian: bool, rotation: bytes) -> np.ndarray:
    """Return D with Σ_m D_mn χ_m(r) = χ_n(r Qᵀ); beyond p from values at points, in any order of a shell."""
    # s, and p in the order x, y, z: the same in Cartesian and in spherical functions.
    if angular == 0:
        return np.ones((1, 1))
    if angular == 1:
        return np.frombuffer(rotation).reshape(3, 3).T
    shell, points, inverse = _shell_at_points(angular, cartesian)
    return inverse @ _values(shell, points @ np.frombuffer(rotation).reshape(3, 3).T)


@lru_cache(maxsize=16)
def _shell_at_points(angular: int, cartesian: bool) -> tuple[gto.Mole, np.ndarray, np.ndarray]:
    """Return a shell, points about it, and the pseudoinverse of its values there."""
    shell = gto.M(atom="H 0 0 0", basis={"H": [[angular, [1.0, 1.0]]]}, spin=None, cart=cartesian, verbose=0)
    points = np.random.default_rng(0).normal(size=(8 * (angular + 2) ** 2, 3))
    return shell, points, np.linalg.pinv(_values(shell, points))


def _values(shell: gto.Mole, points: np.ndarray) -> np.ndarray:
    return shell.eval_gto("GTOval_cart" if shell.cart else "GTOval_sph", points)
