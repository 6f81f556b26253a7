"""Labels on disk: a folder with one HDF5 file a label, shared between runs, methods and writers.

A label is a file of its own that appears whole or not at all, named by its geometry. So nothing has to be
locked: writers do not meet, and one that is killed leaves at most a file that is not read and is cleared away
later. Labels of one method, with all its settings, are in one folder of the store.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.output import telling_why
from nadyn.data.dataset import Group
from nadyn.data.label_record import LabelMethod, Record, checked, geometry_name, image_of, read_record
from nadyn.data.validation import group_from_arrays
from nadyn.structures.alignment import aligned_distances

# Files that a killed writer left are cleared away when they are older than this.
_STALE_SECONDS = 3600.0


class LabelStore:
    """The labels of one method in a store; what other writers add is seen at `refresh`."""

    def __init__(self, folder: str | Path, method: LabelMethod) -> None:
        """Open a store, or begin one.

        Raises:
            InputError: The path is a file, or holds labels of another version of nadyn.
            RunError: The folder cannot be made.
        """
        self.folder = Path(folder)
        self.method = method
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(
                f"label store {str(folder)!r} must be a folder, but is a file. Choose another name."
            )
        self._place = self.folder / method.digest
        with telling_why(self._place, advice="Make room, or choose another folder."):
            self._place.mkdir(parents=True, exist_ok=True)
            _write_whole(self._place / "method.json", method.text.encode())
        self._records: dict[str, Record] = {}
        self._damaged: dict[str, str] = {}
        self._clear_away()
        self.refresh()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, positions: Float[np.ndarray, "atom 3"]) -> bool:
        return geometry_name(positions) in self._records

    @property
    def records(self) -> tuple[Record, ...]:
        """All labels, in the order of their geometries' names, which no number of writers changes."""
        return tuple(self._records[name] for name in sorted(self._records))

    @property
    def damaged(self) -> tuple[str, ...]:
        """Files that could not be read, and are as if they were not there."""
        return tuple(sorted(self._damaged))

    def get(self, positions: Float[np.ndarray, "atom 3"]) -> Record | None:
        """Return the label of a geometry, None where there is none."""
        return self._records.get(geometry_name(positions))

    def add(self, record: Record) -> Record:
        """Write a label, in the place of one of the same geometry, and return it with the time of writing.

        Raises:
            RunError: The disk is full or refuses to be written.
        """
        record = checked(record, self.method)
        path = self._place / f"{record.name}.h5"
        with telling_why(path, advice="The label is lost; make room and ask again."):
            _write_whole(path, image_of(record, self.method))
        self._records[record.name] = record
        self._damaged.pop(path.name, None)
        return record

    def refresh(self) -> None:
        """Read what others have written since."""
        for path in sorted(self._place.glob("*.h5")):
            if path.stem in self._records or path.name in self._damaged:
                continue
            try:
                self._records[path.stem] = read_record(path)
            except (OSError, KeyError, ValueError) as error:
                self._damaged[path.name] = str(error)

    def nearest(
        self,
        positions: Float[np.ndarray, "atom 3"],
        *,
        most: int,
        among: Sequence[str] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> list[tuple[float, Record]]:
        """Return the nearest trusted labels with their distances [bohr], the nearest first.

        The distance is the root of the mean square over the atoms of geometries laid on each other; like
        atoms do not change places.

        Args:
            positions: The geometry.
            most: How many.
            among: Names of the geometries that may be returned; all if None.
            without: Names of those that must not.
        """
        names = sorted(self._records) if among is None else [n for n in among if n in self._records]
        names = [n for n in names if n not in without and self._records[n].quality == "trusted"]
        if not names:
            return []
        there = np.stack([self._records[name].positions for name in names])
        distances = aligned_distances(positions, there)
        order = np.argsort(distances, kind="stable")[:most]
        return [(float(distances[i]), self._records[names[i]]) for i in order]

    def group(
        self, name: str, *, licence: str = "", note: str = "", tags: Sequence[str] | None = None
    ) -> Group:
        """Return the trusted labels as a group of a dataset, ready to be written; never doubtful ones.

        Args:
            name: Name of the molecule.
            licence: Licence of the data.
            note: Anything else.
            tags: Labels with one of these tags only; all if None.

        Raises:
            InputError: No label is trusted.
        """
        chosen = [
            record
            for record in self.records
            if record.quality == "trusted" and (tags is None or record.tag in tags)
        ]
        if not chosen:
            raise InputError(
                f"label store {str(self.folder)!r} must hold a trusted label of {self.method.theory}, but "
                f"has none among {len(self)}."
            )
        return group_from_arrays(
            name,
            atomic_numbers=self.method.atomic_numbers,
            positions=np.stack([record.positions for record in chosen]),
            energies=np.stack([record.energies for record in chosen]),
            forces=_stacked(chosen, "forces"),
            interstate_couplings=_stacked(chosen, "interstate_couplings"),
            dipoles=_stacked(chosen, "dipoles"),
            charge=self.method.charge,
            multiplicities=self.method.multiplicities,
            theory=self.method.theory,
            source=f"nadyn, source {self.method.source}",
            licence=licence,
            note=note,
        )

    def _clear_away(self) -> None:
        for path in self._place.glob(".*.tmp"):
            try:
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                # Another process was faster.
                continue


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _stacked(records: Sequence[Record], name: str) -> np.ndarray | None:
    arrays = [getattr(record, name) for record in records]
    shape = next((array.shape for array in arrays if array is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if array is None else array for array in arrays])
