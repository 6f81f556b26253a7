"""Whether a restricted ground state is a minimum among its neighbours of one spin."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pyscf import lib
from pyscf.scf.hf import RHF
from scipy.linalg import expm

from nadyn.interfaces.pyscf.orbitals import Orbitals

_TOLERANCE = 1e-5
_MOST_CYCLES = 60
_GUESSES = 4


class Curvature(NamedTuple):
    """The lowest eigenvalue of a matrix of orbital rotations [hartree], and its rotation of norm 1."""

    value: float
    rotation: Float[np.ndarray, "occupied empty"]


def lowest_curvature(mf: RHF, *, singlet: bool) -> Curvature:
    """Return the lowest curvature of the energy with its orbitals, of A + B.

    Where it is negative the ground state is a saddle point, and some excitation energy of the full linear
    response is imaginary.

    Source: R. Seeger and J. A. Pople, J. Chem. Phys. 66, 3045 (1977).
    """
    filled = mf.mo_occ > 0
    occupied, empty = mf.mo_coeff[:, filled], mf.mo_coeff[:, ~filled]
    apart = (mf.mo_energy[~filled] - mf.mo_energy[filled][:, None]).ravel()
    shape = (occupied.shape[1], empty.shape[1])
    respond = mf.gen_response(singlet=singlet, hermi=1)

    def apply(vector: np.ndarray) -> np.ndarray:
        density = 2.0 * occupied @ vector.reshape(shape) @ empty.T
        return apart * vector + (occupied.T @ respond(density + density.T) @ empty).ravel()

    guesses = np.eye(apart.size)[np.argsort(apart)[:_GUESSES]]
    value, vector = lib.davidson(
        apply,
        list(guesses),
        lambda residual, energy, *_: residual / _away_from_zero(apart - energy),
        tol=_TOLERANCE,
        max_cycle=_MOST_CYCLES,
        verbose=0,
    )
    return Curvature(float(value), np.asarray(vector).reshape(shape))


def rotated(mf: RHF, rotation: Float[np.ndarray, "occupied empty"]) -> Orbitals:
    """Return orbitals a step along a rotation of occupied into empty ones."""
    n = rotation.shape[0]
    generator = np.zeros((len(mf.mo_occ),) * 2)
    generator[:n, n:] = -rotation
    generator[n:, :n] = rotation.T
    return mf.mo_coeff @ expm(generator)


def _away_from_zero(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < 1e-6, 1e-6, values)
