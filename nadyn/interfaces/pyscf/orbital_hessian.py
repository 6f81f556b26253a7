"""The matrices A + B and A - B of a restricted ground state, and whether it is a minimum of its energy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pyscf import lib
from pyscf.scf.hf import RHF

from nadyn.interfaces.pyscf.orbitals import Orbitals

# Smaller matrices are built as a whole, from which no eigenvalue is missed.
LARGEST_WHOLE = 60
# Of the value [hartree]: it is looked at for its sign.
_TOLERANCE = 1e-4
_MOST_CYCLES = 60
# As many as there are guesses: one of another symmetry than the lowest guess may be the lowest in the end.
_ROOTS = 2

Rotations = Float[np.ndarray, "vector single"]


class Curvature(NamedTuple):
    """The lowest eigenvalue of A + B [hartree], and its rotation of norm 1."""

    value: float
    rotation: Float[np.ndarray, "occupied empty"]


def n_singles(mf: RHF) -> int:
    """Return the excitations of one electron."""
    n = int(np.count_nonzero(mf.mo_occ))
    return n * (len(mf.mo_occ) - n)


def hessian(mf: RHF, *, singlet: bool, sign: int) -> Callable[[Rotations], Rotations]:
    """Return what multiplies rotations of occupied into empty orbitals by A + B (sign 1) or A - B (-1)."""
    filled = mf.mo_occ > 0
    occupied, empty = mf.mo_coeff[:, filled], mf.mo_coeff[:, ~filled]
    shape = (occupied.shape[1], empty.shape[1])
    respond = mf.gen_response(singlet=singlet, hermi=1 if sign > 0 else 2)
    apart = _apart(mf)

    def multiply(vectors: Rotations) -> Rotations:
        singles = vectors.reshape(-1, *shape)
        density = 2.0 * np.einsum("pi,nia,qa->npq", occupied, singles, empty, optimize=True)
        potential = respond(density + sign * density.transpose(0, 2, 1))
        answer = np.einsum("pi,npq,qa->nia", occupied, potential, empty, optimize=True)
        return apart * vectors + answer.reshape(vectors.shape)

    return multiply


def lowest_curvature(mf: RHF, *, singlet: bool) -> Curvature:
    """Return the lowest curvature of the energy with its orbitals.

    Where it is negative the ground state is a saddle point, for singlets among closed shells, for triplets
    among open ones, and an excitation energy of the full linear response is imaginary.

    Source: R. Seeger and J. A. Pople, J. Chem. Phys. 66, 3045 (1977).
    """
    n, filled = n_singles(mf), mf.mo_occ > 0
    shape = (np.count_nonzero(filled), np.count_nonzero(~filled))
    multiply = hessian(mf, singlet=singlet, sign=1)
    if n <= LARGEST_WHOLE:
        values, vectors = np.linalg.eigh(multiply(np.eye(n)))
        return Curvature(float(values[0]), vectors[:, 0].reshape(shape))
    apart = _apart(mf)
    guesses = np.eye(n)[np.argsort(apart)[:_ROOTS]]
    _, values, found = lib.davidson1(
        lambda trial: list(multiply(np.array(trial))),
        list(guesses),
        lambda residual, energy, *_: residual / _away_from_zero(apart - energy),
        tol=_TOLERANCE,
        max_cycle=_MOST_CYCLES,
        nroots=_ROOTS,
        verbose=0,
    )
    lowest = int(np.argmin(values))
    return Curvature(float(values[lowest]), np.asarray(found[lowest]).reshape(shape))


def rotated(mf: RHF, rotation: Float[np.ndarray, "occupied empty"]) -> Orbitals:
    """Return orbitals, the occupied ones first, a step along a rotation of occupied into empty ones."""
    n, generator = len(rotation), np.zeros((len(mf.mo_occ),) * 2)
    generator[:n, n:] = -rotation
    generator[n:, :n] = rotation.T
    # To third order, and orthonormal.
    half = np.eye(len(generator)) + 0.5 * generator
    return mf.mo_coeff @ np.linalg.solve(half.T, half)


def _apart(mf: RHF) -> Float[np.ndarray, "single"]:
    filled = mf.mo_occ > 0
    return (mf.mo_energy[~filled] - mf.mo_energy[filled][:, None]).ravel()


def _away_from_zero(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < 1e-6, 1e-6, values)
