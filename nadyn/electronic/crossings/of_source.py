"""A label source as a landscape: every label is kept, and the nearest ones are handed to the next."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.crossings.landscape import Landscape, Point
from nadyn.electronic.labels import HasOverlaps, Known, Label, LabelSource, Quality
from nadyn.models.model import CARTESIAN_LAWS
from nadyn.structures.matching import aligned

# How many of the nearest labels a source is handed to begin from.
_NEAREST = 3


def landscape_of_source(
    source: LabelSource,
    *,
    known: Sequence[Known] = (),
    report: Callable[[Known], None] | None = None,
) -> Landscape:
    """Return a label source as something that a search for crossings can ask.

    Labels are made one after the other, each from the nearest ones before it; nothing is labelled twice.

    Args:
        source: Must give forces.
        known: Labels of the same source to begin from.
        report: Called with every new label.

    Raises:
        InputError: The source gives no forces.
    """
    if "forces" not in source.gives:
        raise InputError(
            f"label source {source.name} must give forces for a search of crossings, but gives "
            f"{', '.join(sorted(source.gives)) or 'energies only'}. Try another method."
        )
    memory = [one for one in known if one.label.quality != Quality.FAILED]
    points: dict[bytes, Point] = {}
    n_states = len(source.multiplicities)
    laws = getattr(source, "laws", CARTESIAN_LAWS)

    def ask(geometries: Sequence[Float[np.ndarray, "atom x"]]) -> list[Point]:
        return [one(np.ascontiguousarray(positions, dtype=np.float64)) for positions in geometries]

    def one(positions: np.ndarray) -> Point:
        key = positions.tobytes()
        if key not in points:
            label = source.label(positions, _nearest(memory, positions))
            if label is None:
                raise RunError(
                    f"label source {source.name} must answer before a search can go on, but has only taken "
                    "note of the geometry. Type the same command again when the label is there: the search "
                    "finds its way back to the same place."
                )
            found = Known(positions, label)
            if label.quality != Quality.FAILED:
                memory.append(found)
            points[key] = point_of_label(found, n_states)
            if report is not None:
                report(found)
        return points[key]

    def overlaps(first: Point, second: Point) -> Float[np.ndarray, "state state"]:
        return source.overlaps(first.known, second.known)

    return Landscape(
        name=source.name,
        ask=ask,
        multiplicities=tuple(source.multiplicities),
        atomic_numbers=tuple(source.atomic_numbers),
        is_rigid={"rotation", "translation"} <= laws,
        like_atoms_alike="permutation" in laws,
        gives_couplings="interstate_couplings" in source.gives,
        is_cheap=False,
        overlaps=overlaps if isinstance(source, HasOverlaps) and "overlaps" in source.gives else None,
    )


def point_of_label(known: Known, n_states: int) -> Point:
    """Return a label as a point; NaN where it failed or does not say."""
    label = known.label
    shape = known.positions.shape
    failed = label.quality == Quality.FAILED
    energies = np.full(n_states, np.nan) if failed else np.asarray(label.energies, dtype=np.float64)
    gradients = np.full((n_states, *shape), np.nan)
    if label.forces is not None and not failed:
        gradients = -np.asarray(label.forces, dtype=np.float64)
    return Point(
        positions=known.positions,
        energies=energies,
        gradients=gradients,
        couplings=_square(label, n_states, shape),
        doubt=label.reason if label.quality != Quality.TRUSTED else "",
        known=known,
    )


def _square(label: Label, n_states: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return the couplings of all pairs as a symmetric matrix, NaN where there is none."""
    h = np.full((n_states, n_states, *shape), np.nan)
    if label.interstate_couplings is not None and label.quality != Quality.FAILED:
        rows, columns = np.triu_indices(n_states, k=1)
        h[rows, columns] = h[columns, rows] = label.interstate_couplings
    return h


def _nearest(memory: Sequence[Known], positions: np.ndarray) -> list[Known]:
    """Return the nearest labels, the nearest first; a label is turned onto the geometry to be compared."""
    far = [float(np.linalg.norm(aligned(one.positions, positions) - positions)) for one in memory]
    return [memory[index] for index in np.argsort(far, kind="stable")[:_NEAREST]]
