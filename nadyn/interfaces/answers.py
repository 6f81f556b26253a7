"""From the arrays that a program gives for one geometry to a label: shapes, finite numbers, state order."""

from collections.abc import Mapping

import numpy as np

from nadyn.checks.shapes import check_shape
from nadyn.data.dataset import state_pairs
from nadyn.data.state_order import ordered
from nadyn.electronic.labels import Label, Quality

# How many leading axes count labels, of which one may be missing as a whole.
_LABEL_AXES = {"energies": 1, "forces": 1, "interstate_couplings": 1, "dipoles": 2}


def axes_of(key: str, n_states: int, n_atoms: int) -> tuple[int, ...]:
    """Return the shape of an array of a label."""
    n_pairs = n_states * (n_states - 1) // 2
    return {
        "energies": (n_states,),
        "forces": (n_states, n_atoms, 3),
        "interstate_couplings": (n_pairs, n_atoms, 3),
        "dipoles": (n_states, n_states, 3),
    }[key]


def failed(reason: str, n_states: int, *, seconds: float = 0.0) -> Label:
    """Return the label of a geometry that could not be computed."""
    return Label(Quality.FAILED, reason, np.full(n_states, np.nan), seconds=seconds)


def label_of(
    arrays: Mapping[str, np.ndarray],
    *,
    multiplicities: tuple[int, ...],
    n_atoms: int,
    seconds: float = 0.0,
    doubt: str = "",
    checks: Mapping[str, float] | None = None,
    memory: Mapping[str, np.ndarray] | None = None,
) -> Label:
    """Return the label of one geometry; it is failed where a number that must be there is none.

    States of one multiplicity are sorted by energy, with all that belongs to them. A force, a coupling or a
    dipole may be NaN as a whole; couplings of states of different multiplicity always are.

    Args:
        arrays: `energies`, and where known `forces`, `interstate_couplings` and `dipoles`, as in `Label`.
        multiplicities: 2S + 1 of each state.
        n_atoms: Number of atoms.
        seconds: What it cost.
        doubt: Why it is not to be trusted; empty where it is.
        checks: As in `Label`.
        memory: As in `Label`.

    Raises:
        InputError: An array has the wrong shape.
    """
    n_states = len(multiplicities)
    given = {key: np.array(array, dtype=np.float64) for key, array in arrays.items()}
    for key, array in given.items():
        check_shape(key, array.shape, axes_of(key, n_states, n_atoms))
    for key, array in given.items():
        if problem := _not_finite(key, array):
            return failed(problem, n_states, seconds=seconds)
    _forget_other_spins(given, multiplicities)
    one = {key: array[None] for key, array in given.items()}
    sorted_ = {key: array[0] for key, array in ordered(one, multiplicities, np.ones(1, dtype=bool)).items()}
    return Label(
        Quality.DOUBTFUL if doubt else Quality.TRUSTED,
        doubt,
        sorted_["energies"],
        sorted_.get("forces"),
        sorted_.get("interstate_couplings"),
        sorted_.get("dipoles"),
        seconds,
        checks or {},
        memory or {},
    )


def _not_finite(key: str, array: np.ndarray) -> str:
    axes = _LABEL_AXES[key]
    rows = array.reshape(*array.shape[:axes], -1)
    bad = ~np.isfinite(rows)
    missing = np.isnan(rows).all(axis=-1)
    wrong = bad.any(axis=-1) if key == "energies" else bad.any(axis=-1) & ~missing
    if not wrong.any():
        return ""
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    entry = place[0] if len(place) == 1 else place
    value = rows[place][np.argmax(bad[place])]
    return f"`{key}` must be finite, but entry {entry} holds {value}."


def _forget_other_spins(given: dict[str, np.ndarray], multiplicities: tuple[int, ...]) -> None:
    spins = np.array(multiplicities)
    if "interstate_couplings" in given:
        different = [spins[k] != spins[l] for k, l in state_pairs(len(spins))]
        given["interstate_couplings"][np.array(different, dtype=bool)] = np.nan
    if "dipoles" in given:
        given["dipoles"][spins[:, None] != spins] = np.nan
