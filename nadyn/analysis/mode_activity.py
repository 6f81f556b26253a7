"""Normal modes over time: how far each is from its minimum, and which of them move."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nadyn.checks.errors import InputError
from nadyn.trajectory import Run

# Programs differ in the masses of an element, as mean or as that of one isotope, by up to 2 %.
_SAME_ISOTOPE = 0.04


@dataclass(frozen=True, eq=False)
class NormalModes:
    """Normal modes about a minimum.

    Attributes:
        atomic_numbers: Of the atoms.
        centre: The minimum [bohr].
        masses: Of the atoms [electron masses].
        vectors: Orthonormal, weighted by mass, see `mode_activity`.
        frequencies: [hartree].
        name: Of the file that they are from.
    """

    atomic_numbers: Int[np.ndarray, "atom"]
    centre: Float[np.ndarray, "atom 3"]
    masses: Float[np.ndarray, "atom"]
    vectors: Float[np.ndarray, "mode atom 3"]
    frequencies: Float[np.ndarray, "mode"]
    name: str


@dataclass(frozen=True)
class ModeActivity:
    """Dimensionless displacements of normal modes, Q = q sqrt(omega); 1/sqrt(2) is the width of the ground
    state.

    Attributes:
        time_fs: Of each frame [fs].
        mean: Over trajectories that run; NaN where none does.
        spread: Standard deviation over them.
        coherent: Standard deviation over time of the mean: what all trajectories do together.
        total: Standard deviation over all trajectories and times.
    """

    time_fs: Float[np.ndarray, "frame"]
    mean: Float[np.ndarray, "frame mode"]
    spread: Float[np.ndarray, "frame mode"]
    coherent: Float[np.ndarray, "mode"]
    total: Float[np.ndarray, "mode"]


def activity_of(run: Run, modes: NormalModes) -> ModeActivity:
    """Return how modes move in a run, see `mode_activity`.

    Raises:
        InputError: They are of other atoms or isotopes.
    """
    if run.atomic_numbers is None or not np.array_equal(modes.atomic_numbers, run.atomic_numbers):
        raise InputError("`--modes` must hold the atoms of the run in their order, but holds others.")
    ratio = run.masses / modes.masses
    other = np.flatnonzero(np.abs(ratio - 1.0) > _SAME_ISOTOPE)
    if len(other):
        raise InputError(
            f"`--modes` must be of the isotopes of the run, but atom {other[0]} is {ratio[other[0]]:.3g} "
            "times as heavy in the run. Compute the modes with its masses."
        )
    return mode_activity(run, modes.centre, modes.vectors, modes.frequencies)


def mode_activity(
    run: Run,
    centre: Float[np.ndarray, "atom 3"],
    vectors: Float[np.ndarray, "mode atom 3"],
    frequencies: Float[np.ndarray, "mode"],
) -> ModeActivity:
    """Return how the modes about a minimum move, each geometry laid on it with the masses as weights.

    Source: L. Kurtz, A. Hofmann and R. de Vivie-Riedle, J. Chem. Phys. 114, 6151 (2001).

    Args:
        run: Trajectories of the molecule.
        centre: The minimum [bohr].
        vectors: Orthonormal e_m of R = centre + M^-1/2 sum q_m e_m; M are the masses of the modes.
        frequencies: omega_m [hartree].

    Raises:
        InputError: The run is of other atoms.
    """
    n_atoms = run.positions.shape[2]
    if run.atomic_numbers is None or run.positions.shape[3] != 3 or len(centre) != n_atoms:
        raise InputError(
            f"`--modes` must be of the molecule of the run, {n_atoms} atoms, but is of {len(centre)}."
        )
    weight = np.sqrt(run.masses)[:, None]
    reference = _centred(centre, run.masses)
    alive, scale = run.alive(), np.sqrt(frequencies)
    frames, n_modes = run.committed_frames, len(frequencies)
    values = np.full((frames, run.n_trajectories, n_modes), np.nan)
    for frame in range(frames):
        rows = np.nonzero(alive[frame])[0]
        if len(rows):
            moved = _laid_on(np.asarray(run.positions[frame])[rows], reference, run.masses) - reference
            values[frame, rows] = np.einsum("mnx,tnx->tm", vectors, weight * moved) * scale
    some = alive.any(axis=1)
    mean, spread = (np.full((frames, n_modes), np.nan) for _ in range(2))
    part = np.where(alive, run.weight, 0.0)[some]
    part = part / part.sum(axis=1, keepdims=True)
    filled = np.nan_to_num(values[some])
    mean[some] = np.einsum("ft,ftm->fm", part, filled)
    spread[some] = np.sqrt(np.einsum("ft,ftm->fm", part, (filled - mean[some][:, None]) ** 2))
    everything = part / part.sum()
    middle = np.einsum("ft,ftm->m", everything, filled)
    total = np.sqrt(np.einsum("ft,ftm->m", everything, (filled - middle) ** 2))
    return ModeActivity(np.asarray(run.time_fs), mean, spread, mean[some].std(axis=0), total)


def _centred(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    return positions - np.average(positions, axis=-2, weights=masses)[..., None, :]


def _laid_on(
    positions: Float[np.ndarray, "traj atom 3"], fixed: Float[np.ndarray, "atom 3"], masses: np.ndarray
) -> Float[np.ndarray, "traj atom 3"]:
    """Return geometries turned onto one by the best proper rotation, weighted by mass.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    centred = _centred(positions, masses)
    left, _, right = np.linalg.svd(np.einsum("tnx,n,ny->txy", centred, masses, fixed))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return centred @ (left @ right)
