"""Matrices between states in ASE databases, from their triangles."""

import warnings

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.readers.reader import in_words


def dipole_matrix(given: np.ndarray | None, spins: tuple[int, ...]) -> np.ndarray | None:
    """Return the dipole matrix from its upper triangle: of all states, or of those of one multiplicity."""
    if given is None:
        return None
    n = len(spins)
    triangle = [(k, l) for k in range(n) for l in range(k, n)]
    known = triangle
    if given.shape[1] != len(triangle):
        known = [(k, l) for k, l in triangle if spins[k] == spins[l]]
    if given.shape[1:] != (len(known), 3):
        warnings.warn(
            f"`dipoles` must have {counted(len(known), 'pair of states')}, but have {given.shape[1]}: they "
            "were not read.",
            InputWarning,
            stacklevel=5,
        )
        return None
    result = np.full((len(given), n, n, 3), np.nan)
    for place, (k, l) in enumerate(known):
        result[:, k, l] = result[:, l, k] = given[:, place]
    return result


def spin_orbit_matrix(given: np.ndarray | None, spins: tuple[int, ...], *, asked: bool) -> np.ndarray | None:
    """Return the spin-orbit matrix from its strict upper triangle, real and imaginary parts in turn.

    Multiplicities that a user asks for are refused where they would lose it.
    """
    if given is None:
        return None
    size = sum(spins)
    rows, columns = np.triu_indices(size, k=1)
    given = given.reshape(len(given), -1)
    if given.shape[1] != 2 * len(rows):
        held = next((n for n in range(2, given.shape[1]) if n * (n - 1) == given.shape[1]), None)
        if asked and held:
            raise InputError(
                f"`--multiplicities` must give the {held} spin components of `socs`, but "
                f"{in_words(spins)} gives {size}: the couplings would be left out. "
                "Correct it."
            )
        warnings.warn(
            f"`socs` must hold {2 * len(rows)} numbers for {counted(size, 'spin component')}, but hold "
            f"{given.shape[1]}: they were not read.",
            InputWarning,
            stacklevel=5,
        )
        return None
    result = np.zeros((len(given), size, size, 2))
    values = given.reshape(len(given), -1, 2)
    result[:, rows, columns] = values
    result[:, columns, rows] = values * np.array([1.0, -1.0])
    return result
