"""A list of geometries labelled, and what came of it: the work behind `nadyn label`."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.data.dataset_file import load_dataset
from nadyn.data.level_shift import fit_shift, shifted
from nadyn.electronic.labels import Known, Label, LabelSource, Quality
from nadyn.learning.desk import Desk, Progress
from nadyn.learning.export import group_of_labels
from nadyn.learning.geometries import Geometries

# Numbers and names of folders in a reason, which make the same reason look different.
_PARTICULAR = re.compile(r"[0-9a-f]{12}|[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Labelled:
    """Geometries and their labels, None where there is none yet.

    Attributes:
        source: What the labels are from.
        geometries: What was asked for.
        labels: One a geometry.
    """

    source: LabelSource
    geometries: Geometries
    labels: tuple[Label | None, ...]

    def frames(self, quality: Quality | None) -> list[int]:
        """Return the geometries whose label is of a quality; those without one for None."""
        return [
            frame
            for frame, label in enumerate(self.labels)
            if (None if label is None else label.quality) is quality
        ]

    @property
    def seconds(self) -> float:
        """What the labels cost, those that were in the store included."""
        return sum((label.seconds for label in self.labels if label is not None), 0.0)

    def reasons(self, quality: Quality) -> list[tuple[str, list[int]]]:
        """Return why labels are not trusted, in the words of the first of its kind, the commonest first.

        Reasons that differ in numbers only are one.
        """
        found: dict[str, tuple[str, list[int]]] = {}
        for frame in self.frames(quality):
            reason = self.labels[frame].reason.rstrip(".")
            found.setdefault(_PARTICULAR.sub("#", reason), (reason, []))[1].append(frame)
        return sorted(found.values(), key=lambda item: -len(item[1]))

    def dataset(self, name: str | None = None, *, match: Path | None = None) -> Dataset:
        """Return the trusted labels as a dataset, for the training.

        Args:
            name: Name of the molecule; its formula if None.
            match: A dataset of another level, onto whose energies these are shifted, see `level_shift`.

        Raises:
            InputError: No label is trusted, or there is nothing to match.
        """
        known = [
            Known(positions, label)
            for positions, label in zip(self.geometries.positions, self.labels, strict=True)
            if label is not None
        ]
        group = group_of_labels(self.source, known, name or self.geometries.name)
        return Dataset((group if match is None else matched(group, match),))


def label_geometries(
    configuration: Mapping[str, object],
    geometries: Geometries,
    store: Path,
    *,
    processes: int = 1,
    time_limit_seconds: float | None = None,
    again: bool = False,
    scheduler: str | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Labelled:
    """Label geometries over several processes; what the store has is not computed again.

    Args:
        configuration: The source, as `source_from` takes it.
        geometries: What to label.
        store: Folder of the label store.
        processes: How many labels are computed at a time.
        time_limit_seconds: Time by the clock after which a label has failed.
        again: Ask once more for labels that have failed.
        scheduler: Address of a dask scheduler, whose workers label instead of these processes.
        report: Called at the beginning and after each label.

    Raises:
        InputError: The source or the store cannot be used, or the source refuses.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was done is in the store.
    """
    labels: list[Label | None] = [None] * len(geometries)
    with Desk(
        configuration,
        geometries.atomic_numbers,
        store,
        processes=processes,
        time_limit_seconds=time_limit_seconds,
        scheduler=scheduler,
    ) as desk:
        done = 0
        for tag in dict.fromkeys(geometries.tags):
            frames = [frame for frame, own in enumerate(geometries.tags) if own == tag]

            def tell(progress: Progress, before: int = done) -> None:
                if report is not None:
                    total = len(geometries)
                    report(Progress(progress.number, progress.label, before + progress.n_done, total))

            found = desk.label(geometries.positions[frames], tag=tag, again=again, progress=tell)
            for frame, label in zip(frames, found, strict=True):
                labels[frame] = label
            done += len(frames)
        return Labelled(desk.source, geometries, tuple(labels))


def matched(group: Group, older: Path) -> Group:
    """Return a group with its energies shifted onto those of a dataset, and the shift in its note.

    Raises:
        InputError: The dataset has no group, or several, of the same atoms, or shares no geometry.
    """
    same = [
        other
        for other in load_dataset(older).groups
        if np.array_equal(other.atomic_numbers, group.atomic_numbers)
    ]
    if len(same) != 1:
        raise InputError(
            f"dataset {str(older)!r} must have one group with the atoms of {group.name} in the same order, "
            f"but has {len(same)}."
        )
    return shifted(group, fit_shift(group, same[0]))


def in_a_list(frames: Iterable[int], most: int = 6) -> str:
    """Return numbers of geometries as people write them, a few of many."""
    frames = list(frames)
    shown = ", ".join(map(str, frames[:most]))
    return shown if len(frames) <= most else f"{shown}, …"
