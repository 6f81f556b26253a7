"""A label source as a landscape: every label is kept, and the nearest ones are handed to the next."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.crossings.landscape import Landscape, Point
from nadyn.electronic.labels import HasOverlaps, Known, Label, LabelSource, Quality
from nadyn.models.model import CARTESIAN_LAWS
from nadyn.structures.alignment import aligned_distances

# How many of the nearest labels a source is handed to begin from.
_NEAREST = 3

LabelMany = Callable[[Float[np.ndarray, "frame atom 3"]], list[Label | None]]


def landscape_of_source(
    source: LabelSource,
    *,
    label_many: LabelMany | None = None,
    report: Callable[[Known], None] | None = None,
) -> Landscape:
    """Return a label source as something that a search for crossings can ask.

    Nothing is labelled twice. A label that is doubtful counts, and its doubt is kept; a failed one only makes
    a step shorter.

    Args:
        source: Must give forces.
        label_many: Labels a list of geometries, for instance `Desk.label`, which remembers them on disk;
            without it they are labelled one after the other, each from the nearest ones before it.
        report: Called with every new label.

    Raises:
        InputError: The source gives no forces.
    """
    if "forces" not in source.gives:
        raise InputError(
            f"label source {source.name} must give forces for a search of crossings, but gives "
            f"{', '.join(sorted(source.gives)) or 'energies only'}. Try another method."
        )
    points: dict[bytes, Point] = {}
    label_many = label_many or _one_after_the_other(source)
    laws = getattr(source, "laws", CARTESIAN_LAWS)

    def ask(geometries: Sequence[Float[np.ndarray, "atom x"]]) -> list[Point]:
        rows = [np.ascontiguousarray(positions, dtype=np.float64) for positions in geometries]
        new = list({one.tobytes(): one for one in rows if one.tobytes() not in points}.values())
        labels = label_many(np.stack(new)) if new else []
        if any(label is None for label in labels):
            raise RunError(
                f"label source {source.name} must answer before a search can go on, but has only taken note "
                "of geometries. Type the same command again when the labels are there: the search finds its "
                "way back to the same place."
            )
        for positions, label in zip(new, labels, strict=True):
            known = Known(positions, label)
            points[positions.tobytes()] = point_of_label(known, len(source.multiplicities))
            if report is not None:
                report(known)
        return [points[one.tobytes()] for one in rows]

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


def _one_after_the_other(source: LabelSource) -> LabelMany:
    """Return a function that labels geometries by themselves, and remembers what did not fail."""
    memory: list[Known] = []

    def label_many(geometries: Float[np.ndarray, "frame atom 3"]) -> list[Label | None]:
        labels = []
        for positions in geometries:
            label = source.label(positions, _nearest(memory, positions))
            labels.append(label)
            if label is not None and label.quality != Quality.FAILED:
                memory.append(Known(positions, label))
        return labels

    return label_many


def _nearest(memory: Sequence[Known], positions: np.ndarray) -> list[Known]:
    """Return the nearest labels, the nearest first; a label is turned onto the geometry to be compared."""
    if not memory:
        return []
    far = aligned_distances(positions, np.stack([one.positions for one in memory]))
    return [memory[index] for index in np.argsort(far, kind="stable")[:_NEAREST]]
