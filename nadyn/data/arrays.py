"""The arrays of a dataset: what they measure, their axes, what may be missing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.shapes import check_shape
from nadyn.units import GIGAPASCAL_PER_AU


@dataclass(frozen=True)
class ArrayKind:
    """One array of a group.

    Attributes:
        dimension: What it measures, as in `nadyn.units.to_atomic_units`.
        axes: Lengths, or names of lengths.
        atomic_unit: The unit it is written in: the atomic one, but u for masses.
        example: A unit to propose where none is given.
        label_axes: How many leading axes count labels. A label is there as a whole or NaN as a whole; with 0
            every number must be there.
    """

    dimension: str
    axes: tuple[str | int, ...]
    atomic_unit: str
    example: str
    label_axes: int


ARRAYS = {
    "positions": ArrayKind("length", ("n_frames", "n_atoms", 3), "bohr", "angstrom", 0),
    "energies": ArrayKind("energy", ("n_frames", "n_states"), "hartree", "eV", 0),
    "forces": ArrayKind("force", ("n_frames", "n_states", "n_atoms", 3), "hartree/bohr", "eV/angstrom", 2),
    "interstate_couplings": ArrayKind(
        "force", ("n_frames", "n_pairs", "n_atoms", 3), "hartree/bohr", "eV/angstrom", 2
    ),
    "dipoles": ArrayKind("dipole", ("n_frames", "n_states", "n_states", 3), "e*bohr", "debye", 3),
    "polarisabilities": ArrayKind(
        "polarisability", ("n_frames", "n_states", 3, 3), "bohr^3", "angstrom^3", 2
    ),
    "charges": ArrayKind("charge", ("n_frames", "n_atoms"), "e", "e", 1),
    "spin_orbit": ArrayKind(
        "energy", ("n_frames", "n_spin_states", "n_spin_states", 2), "hartree", "cm-1", 3
    ),
    "spin_orbit_norms": ArrayKind("energy", ("n_frames", "n_states", "n_states"), "hartree", "cm-1", 3),
    "eigenvectors": ArrayKind("none", ("n_frames", "n_states", "n_states"), "1", "1", 1),
    "cell": ArrayKind("length", ("n_frames", 3, 3), "bohr", "angstrom", 0),
    "stress": ArrayKind("stress", ("n_frames", "n_states", 3, 3), "hartree/bohr^3", "eV/angstrom^3", 2),
}

# Of the atoms, not of the frames.
MASSES = ArrayKind("mass", ("n_atoms",), "u", "u", 0)

# Elements that should be equal and differ by a larger part of the largest one are a mistake.
_SYMMETRIC = 0.01
# More of UᵀU would move energies of 10³ eV by more than a meV.
_ORTHONORMAL = 1e-6
# Tensors, and how small a difference [of their atomic unit] is rounding of text; 0.01 GPa of a stress.
SYMMETRIC_FROM = {"polarisabilities": 0.0, "stress": 0.01 / GIGAPASCAL_PER_AU}

LABELS = tuple(name for name, kind in ARRAYS.items() if kind.label_axes)


def check_array(name: str, array: np.ndarray, lengths: dict[str, int]) -> None:
    """Refuse an array with the wrong shape, with infinite or with half-missing values.

    Args:
        name: One of `ARRAYS`, or `masses`.
        array: Its values.
        lengths: What the named axes measure, as far as it is known.

    Raises:
        InputError: One sentence.
    """
    kind = ARRAYS.get(name, MASSES)
    hint = ""
    if array.ndim == len(kind.axes) - 1:
        if name in ("forces", "stress", "polarisabilities"):
            hint = f"Ground-state data needs a state axis: use {name}[:, None]."
        elif name == "energies":
            hint = "Ground-state data needs a state axis: use energies[:, None]."
        elif name == "interstate_couplings":
            hint = "Two states have one pair, which needs an axis: use interstate_couplings[:, None]."
        elif "n_frames" in kind.axes:
            hint = f"A single frame needs a frame axis: use {name}[None]."
    symbolic = tuple(axis if isinstance(axis, str) else int(axis) for axis in kind.axes)
    check_shape(name, array.shape, symbolic, hint)
    wanted = tuple(lengths.get(axis, axis) if isinstance(axis, str) else axis for axis in kind.axes)
    meaning = ", ".join(str(axis) for axis in kind.axes)
    check_shape(name, array.shape, wanted, f"The axes are ({meaning}).")
    _check_values(name, array, kind.label_axes)


def _check_values(name: str, array: np.ndarray, label_axes: int) -> None:
    bad = ~np.isfinite(array) if label_axes == 0 else np.isinf(array)
    if bad.any():
        place = np.argwhere(bad)[0]
        value = array[tuple(place)]
        names = ("frame", "entry") if name in ARRAYS else ("atom",)
        axes = ", ".join(f"{axis} {index}" for axis, index in zip(names, place, strict=False))
        raise InputError(f"`{name}` must be finite, but {axes} holds {value}. Remove that frame.")
    if label_axes == 0:
        return
    missing = np.isnan(array).reshape(*array.shape[:label_axes], -1)
    torn = missing.any(axis=-1) & ~missing.all(axis=-1)
    if torn.any():
        frame = int(np.argwhere(torn)[0][0])
        raise InputError(
            f"`{name}` must be complete or NaN as a whole, but frame {frame} is NaN in part. "
            "Set all of that label to NaN where it is not known."
        )


def symmetric(
    name: str, tensors: Float[np.ndarray, "frame state 3 3"]
) -> Float[np.ndarray, "frame state 3 3"]:
    """Return the symmetric part; what is left of rounding and finite differences is no mistake.

    Args:
        name: One of `SYMMETRIC_FROM`.
        tensors: In its atomic unit.

    Raises:
        InputError: Two elements that should be equal are not.
    """
    apart = np.abs(tensors - tensors.swapaxes(2, 3)).max(axis=(1, 2, 3))
    size = np.abs(tensors).max(axis=(1, 2, 3))
    wrong = (apart > _SYMMETRIC * size) & (apart > SYMMETRIC_FROM[name])
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise InputError(
            f"`{name}` must be symmetric in the last two axes, but in frame {frame} two elements that should "
            f"be equal differ by {apart[frame]:.3g} {ARRAYS[name].atomic_unit}."
        )
    return 0.5 * (tensors + tensors.swapaxes(2, 3))


def check_orthonormal(vectors: Float[np.ndarray, "frame diabat state"]) -> None:
    """Refuse eigenvectors that are not orthonormal in a frame that has them.

    Raises:
        InputError: One sentence.
    """
    known = ~np.isnan(vectors).any(axis=(1, 2))
    apart = np.abs(vectors.swapaxes(1, 2) @ vectors - np.eye(vectors.shape[1])).max(axis=(1, 2))
    if (wrong := known & (apart > _ORTHONORMAL)).any():
        frame = int(np.argmax(wrong))
        raise InputError(
            f"`eigenvectors` must be orthonormal, but in frame {frame} UᵀU differs from 1 by "
            f"{apart[frame]:.2g}."
        )
