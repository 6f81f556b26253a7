"""Labels on disk: a folder with one HDF5 file a label, shared between runs, methods and writers.

A label is a file of its own that appears whole or not at all, named by its geometry. So nothing has to be
locked: writers do not meet, and one that is killed leaves at most a file that is not read and is cleared away
later. Labels of one method, with all its settings, are in one folder of the store.
"""

import hashlib
import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.output import telling_why
from nadyn.data.dataset import Group
from nadyn.data.validation import group_from_arrays
from nadyn.structures.alignment import aligned_distances

FORMAT = "nadyn-label"
VERSION = 1
QUALITIES = ("trusted", "doubtful", "failed")

# Geometries nearer than this in every coordinate [bohr] are one.
_SAME_BOHR = 1e-7
_ARRAYS = {
    "energies": "hartree",
    "forces": "hartree/bohr",
    "interstate_couplings": "hartree/bohr",
    "dipoles": "e*bohr",
}
# Files that a killed writer left are cleared away when they are older than this.
_STALE_SECONDS = 3600.0


@dataclass(frozen=True)
class LabelMethod:
    """What makes labels comparable: the same for all labels of one folder.

    Attributes:
        source: Name of the source.
        theory: Level of theory in words.
        atomic_numbers: One number an atom.
        charge: Total charge [e].
        multiplicities: 2S + 1 of each state.
        settings: All settings of the source, as its section holds them.
    """

    source: str
    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Name of the method: the same for the same settings."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        """All of it as JSON."""
        content = {
            "source": self.source,
            "theory": self.theory,
            "atomic_numbers": list(self.atomic_numbers),
            "charge": self.charge,
            "multiplicities": list(self.multiplicities),
            "settings": self.settings,
        }
        return json.dumps(content, sort_keys=True, default=list)


@dataclass(frozen=True, eq=False)
class Record:
    """One label in the store, in atomic units; what is not known is None.

    Attributes:
        positions: The geometry [bohr].
        quality: "trusted", "doubtful" or "failed".
        reason: Why it is not trusted.
        energies: [hartree], NaN in a failed label.
        forces: [hartree/bohr].
        interstate_couplings: h_kl of the pairs k < l [hartree/bohr].
        dipoles: [e bohr].
        seconds: Processor time that it cost.
        checks: Numbers behind the quality.
        memory: What the source wants to find again.
        tag: What it was asked for.
        written: When, in seconds since 1970.
    """

    positions: Float[np.ndarray, "atom 3"]
    quality: str
    reason: str
    energies: Float[np.ndarray, "state"]
    forces: Float[np.ndarray, "state atom 3"] | None = None
    interstate_couplings: Float[np.ndarray, "pair atom 3"] | None = None
    dipoles: Float[np.ndarray, "state state 3"] | None = None
    seconds: float = 0.0
    checks: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, np.ndarray] = field(default_factory=dict)
    tag: str = ""
    written: float = 0.0

    @property
    def name(self) -> str:
        return geometry_name(self.positions)


def geometry_name(positions: Float[np.ndarray, "atom 3"]) -> str:
    """Return the name of a geometry, the same for positions that agree within 1e-7 bohr or so."""
    rounded = np.round(np.asarray(positions, dtype=np.float64) / _SAME_BOHR).astype(np.int64)
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:24]


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
        record = _checked(record, self.method)
        image = io.BytesIO()
        with h5py.File(image, "w") as file:
            _write(file, record, self.method)
        path = self._place / f"{record.name}.h5"
        with telling_why(path, advice="The label is lost; make room and ask again."):
            _write_whole(path, image.getvalue())
        self._records[record.name] = record
        return record

    def refresh(self) -> None:
        """Read what others have written since."""
        for path in sorted(self._place.glob("*.h5")):
            if path.stem in self._records or path.name in self._damaged:
                continue
            try:
                self._records[path.stem] = _read(path)
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
                f"label store {str(self.folder)!r} must hold a trusted label of {self.method.theory}, but holds "
                f"none among {len(self)}."
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


def _checked(record: Record, method: LabelMethod) -> Record:
    """Refuse a record that does not fit the method."""
    n_atoms, n_states = len(method.atomic_numbers), len(method.multiplicities)
    if record.quality not in QUALITIES:
        raise InputError(f"`quality` must be one of {', '.join(QUALITIES)}, but is {record.quality!r}.")
    if record.positions.shape != (n_atoms, 3) or record.energies.shape != (n_states,):
        raise InputError(
            f"a label of {method.theory} must have {n_atoms} atoms and {n_states} states, but has positions "
            f"{record.positions.shape} and energies {record.energies.shape}."
        )
    return replace(record, written=record.written or time.time())


def _write(file: h5py.File, record: Record, method: LabelMethod) -> None:
    file.attrs.update(
        {
            "format": FORMAT,
            "version": VERSION,
            "method": method.text,
            "theory": method.theory,
            "quality": record.quality,
            "reason": record.reason,
            "seconds": record.seconds,
            "tag": record.tag,
            "written": record.written,
        }
    )
    file["atomic_numbers"] = np.array(method.atomic_numbers, dtype=np.int64)
    file["positions"] = np.asarray(record.positions, dtype=np.float64)
    file["positions"].attrs["unit"] = "bohr"
    for name, unit in _ARRAYS.items():
        array = getattr(record, name)
        if array is not None:
            file[name] = np.asarray(array, dtype=np.float64)
            file[name].attrs["unit"] = unit
    for name, value in record.checks.items():
        file.require_group("checks").attrs[name] = float(value)
    for name, array in record.memory.items():
        file.require_group("memory")[name] = np.asarray(array)


def _read(path: Path) -> Record:
    with h5py.File(path, "r") as file:
        if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION:
            raise ValueError("it is no label of this version of nadyn")
        arrays = {name: file[name][...] if name in file else None for name in _ARRAYS}
        return Record(
            positions=file["positions"][...],
            quality=str(file.attrs["quality"]),
            reason=str(file.attrs["reason"]),
            seconds=float(file.attrs["seconds"]),
            tag=str(file.attrs["tag"]),
            written=float(file.attrs["written"]),
            checks={k: float(v) for k, v in file["checks"].attrs.items()} if "checks" in file else {},
            memory={k: v[...] for k, v in file["memory"].items()} if "memory" in file else {},
            **arrays,
        )


def _stacked(records: Sequence[Record], name: str) -> np.ndarray | None:
    arrays = [getattr(record, name) for record in records]
    shape = next((array.shape for array in arrays if array is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if array is None else array for array in arrays])
