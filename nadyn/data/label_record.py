"""One label of a store: what it is of, what it says, and the HDF5 file that holds it."""

import hashlib
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.hdf5 import CHECKSUMS, add_array, check_self_contained
from nadyn.checks.seal import check_seal, sealed

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
        doubted: States that a doubt is about, None for all.
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
    doubted: tuple[int, ...] | None = None
    tag: str = ""
    written: float = 0.0

    @property
    def name(self) -> str:
        return geometry_name(self.positions)


def geometry_name(positions: Float[np.ndarray, "atom 3"]) -> str:
    """Return the name of a geometry, the same for positions that agree within 1e-7 bohr or so."""
    rounded = np.round(np.asarray(positions, dtype=np.float64) / _SAME_BOHR).astype(np.int64)
    return hashlib.sha256(rounded.tobytes()).hexdigest()[:24]


def checked(record: Record, method: LabelMethod) -> Record:
    """Return a record with the time of writing, if it fits the method.

    Raises:
        InputError: It does not.
    """
    n_atoms, n_states = len(method.atomic_numbers), len(method.multiplicities)
    if record.quality not in QUALITIES:
        raise InputError(f"`quality` must be one of {', '.join(QUALITIES)}, but is {record.quality!r}.")
    if record.positions.shape != (n_atoms, 3) or record.energies.shape != (n_states,):
        raise InputError(
            f"a label of {method.theory} must have {n_atoms} atoms and {n_states} states, but has positions "
            f"{record.positions.shape} and energies {record.energies.shape}."
        )
    return replace(record, written=record.written or time.time())


def read_record(path: Path) -> Record:
    """Return the record of a file.

    Raises:
        OSError, KeyError, ValueError: It is damaged, or no label of this version.
    """
    check_seal(path)
    with h5py.File(path, "r") as file:
        check_self_contained(file)
        if file.attrs.get("format") != FORMAT or file.attrs.get("version") != VERSION:
            raise ValueError("it is no label of this version of nadyn")
        arrays = {name: file[name][...] if name in file else None for name in _ARRAYS}
        return Record(
            positions=file["positions"][...],
            quality=str(file.attrs["quality"]),
            reason=str(file.attrs["reason"]),
            seconds=float(file.attrs["seconds"]),
            doubted=tuple(file.attrs["doubted"].tolist()) if "doubted" in file.attrs else None,
            tag=str(file.attrs["tag"]),
            written=float(file.attrs["written"]),
            checks={k: float(v) for k, v in file["checks"].attrs.items()} if "checks" in file else {},
            memory={k: v[...] for k, v in file["memory"].items()} if "memory" in file else {},
            **arrays,
        )


def image_of(record: Record, method: LabelMethod) -> bytes:
    """Return the content of the file of a record."""
    image = io.BytesIO()
    with h5py.File(image, "w", libver=CHECKSUMS) as file:
        _write(file, record, method)
    return sealed(image.getbuffer())


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
    if record.doubted is not None:
        file.attrs["doubted"] = np.array(record.doubted, dtype=np.int64)
    add_array(file, "atomic_numbers", np.array(method.atomic_numbers, dtype=np.int64))
    add_array(file, "positions", np.asarray(record.positions, dtype=np.float64), unit="bohr")
    for name, unit in _ARRAYS.items():
        array = getattr(record, name)
        if array is not None:
            add_array(file, name, np.asarray(array, dtype=np.float64), unit=unit)
    for name, value in record.checks.items():
        file.require_group("checks").attrs[name] = float(value)
    for name, array in record.memory.items():
        add_array(file.require_group("memory"), name, np.asarray(array))
