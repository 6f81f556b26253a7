"""Frames one by one, of any molecules, as a dataset: for formats in which each frame stands alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.data.readers.reader import unused_name
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula, masses

# A mass that differs by less from that of the most abundant isotope is that one.
_SAME_MASS = 1e-4


@dataclass(frozen=True)
class Row:
    """One frame in atomic units.

    Attributes:
        atomic_numbers: One number an atom.
        arrays: `positions`, `energies` and labels as in `nadyn.data.Group`, without the axis of frames; None
            for a label that the frame lacks.
        multiplicities: 2S + 1 of each state; None where nothing says it.
        charge: Total charge [e]; None where nothing says it.
        masses: [electron mass]; None for the most abundant isotopes.
        tag: A word on the frame.
    """

    atomic_numbers: tuple[int, ...]
    arrays: dict[str, np.ndarray | None]
    multiplicities: tuple[int, ...] | None = None
    charge: int | None = None
    masses: tuple[float, ...] | None = None
    tag: str = ""
    pbc: tuple[bool, bool, bool] = field(default=(False, False, False))


def dataset_of_rows(rows: Sequence[Row], *, source: str, theory: str = "", note: str = "") -> Dataset:
    """Return frames of one molecule as a group each, in their order; labels that a frame lacks are NaN.

    Raises:
        InputError: There is no frame, frames of one molecule differ in their states, charge or
            multiplicities, or what `group_from_arrays` refuses.
    """
    if not rows:
        raise InputError("the file must hold a frame, but holds none.")
    kinds: dict[tuple, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows):
        kinds.setdefault((row.atomic_numbers, row.masses, row.pbc), []).append((number, row))
    groups: dict[str, Group] = {}
    for (numbers, mass, pbc), members in kinds.items():
        name = unused_name(formula(numbers, None if mass is None else np.array(mass)), groups)
        first = members[0][1]
        for number, row in members:
            _check_same(members[0][0], first, number, row)
        tags = [row.tag for _, row in members]
        keys = dict.fromkeys(key for _, row in members for key in row.arrays)
        with located(f"group {name!r}"):
            groups[name] = group_from_arrays(
                name,
                atomic_numbers=np.array(numbers),
                masses=None if mass is None else np.array(mass),
                pbc=pbc,
                multiplicities=first.multiplicities,
                charge=first.charge,
                source=source,
                theory=theory,
                note=note,
                tag=tags if any(tags) else None,
                **{key: _stacked([row.arrays.get(key) for _, row in members]) for key in keys},
            )
    return Dataset(tuple(groups.values()))


def unusual_masses(numbers: Sequence[int], given: np.ndarray) -> tuple[float, ...] | None:
    """Return the masses [electron mass] of a molecule; None where all are those of the usual isotopes."""
    usual = np.allclose(given, masses(np.array(numbers)), rtol=_SAME_MASS)
    return None if usual else tuple(np.asarray(given, dtype=np.float64).tolist())


def _check_same(first_number: int, first: Row, number: int, row: Row) -> None:
    one, other = len(first.arrays["energies"]), len(row.arrays["energies"])
    if one != other:
        raise InputError(
            f"frame {number} must have the states of frame {first_number}, {one} of them, but has {other}."
        )
    for key in ("charge", "multiplicities"):
        if getattr(first, key) != getattr(row, key):
            raise InputError(
                f"frame {number} must have the `{key}` of frame {first_number}, {getattr(first, key)}, "
                f"but has {getattr(row, key)}. Write frames that differ in it into files of their own."
            )


def _stacked(found: list[np.ndarray | None]) -> np.ndarray | None:
    shapes = {item.shape for item in found if item is not None}
    if not shapes:
        return None
    if len(shapes) > 1:
        raise InputError(f"each frame must have labels of one shape, but they have {sorted(shapes)}.")
    shape = shapes.pop()
    return np.stack([np.full(shape, np.nan) if item is None else item for item in found])
