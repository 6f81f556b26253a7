"""Labels from a folder that another program fills, in its own time: hours or days after they were asked for.

Every geometry has a sub-folder, named after its coordinates, so that what is asked twice is asked once. In it
lie `geometry.xyz` and, for SHARC, `QM.in`; the answer is `QM.out`, or for scripts `label.xyz`. Where a
calculation failed, a file `FAILED` says why. An answer without its end is not read yet.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from nadyn.checks.configuration import Configuration
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.output import check_folder, telling_why, write_new
from nadyn.data.readers.one_frame import read_one_frame
from nadyn.data.readers.sharc_output import SinglePoint, qm_in, read_qm_out
from nadyn.data.readers.sharc_states import multiplicities_of
from nadyn.electronic.labels import Known, Label
from nadyn.interfaces.answers import failed, label_of
from nadyn.structures import formula, symbol
from nadyn.units import ANGSTROM_PER_BOHR

GEOMETRY, QM_IN, QM_OUT, LABEL, FAILED = "geometry.xyz", "QM.in", "QM.out", "label.xyz", "FAILED"
ASKED = "asked.json"

# Digits of a coordinate [bohr] that make it another geometry.
_DIGITS = 8
# How far the geometry of an answer may be from the one asked for [bohr]: a few digits less in a file.
_SAME_GEOMETRY = 1e-4

Answers = Literal["sharc", "xyz"]


class FolderSection(Configuration):
    """A folder for another program: {folder: labels, theory: my level, states: [2, 0, 1]}.

    `states` are the numbers of singlets, doublets, triplets, … as in SHARC. `answers` is sharc (`QM.in` is
    written and `QM.out` read) or xyz (`label.xyz` is read, extended xyz as `nadyn convert` reads it). `gives`
    names what is asked for beside the energies. `files` are copied into every sub-folder, such as the
    template and the resources of an interface of SHARC.
    """

    folder: str
    theory: str = Field(min_length=1)
    states: tuple[int, ...] = Field(min_length=1)
    charge: int = 0
    answers: Answers = "sharc"
    gives: tuple[Literal["forces", "interstate_couplings", "dipoles"], ...] = (
        "forces",
        "interstate_couplings",
    )
    files: tuple[str, ...] = ()

    # Where it lies is no matter of the labels; `theory` says what they are.
    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = ("folder", "files")

    def beside(self, folder: Path) -> "FolderSection":
        """Return the section with its paths taken from `folder`."""
        files = tuple(str(folder / file) for file in self.files)
        return self.model_copy(update={"folder": str(folder / self.folder), "files": files})

    def source(self, atomic_numbers: Sequence[int]) -> "FolderSource":
        """Return the source for these atoms, in this order; the folder is made if it is not there.

        Raises:
            InputError: The folder cannot be made, a file to copy is missing, or the states are none.
        """
        return _source(self, atomic_numbers)


@dataclass(frozen=True)
class FolderSource:
    """A folder as a label source; built by its section."""

    theory: str
    atomic_numbers: tuple[int, ...]
    charge: int
    multiplicities: tuple[int, ...]
    gives: frozenset[str]
    folder: Path
    answers: Answers
    files: tuple[Path, ...]
    name: str = field(default="folder", init=False)

    def label(self, positions: Float[np.ndarray, "atom 3"], near: Sequence[Known] = ()) -> Label | None:
        """Return the label of one geometry [bohr] if it is there; ask for it, and return None, if not.

        A file `FAILED`, and an answer that is not one to what was asked, make a failed label.
        """
        place = self.place(positions)
        if not place.is_dir():
            self._ask(place, positions)
            return None
        n_states = len(self.multiplicities)
        if (place / FAILED).is_file():
            said = " ".join((place / FAILED).read_text(encoding="utf-8", errors="replace").split())
            return failed(f"{place.name}: {said or 'failed'}", n_states)
        try:
            return self._sharc(place) if self.answers == "sharc" else self._xyz(place, positions)
        except InputError as error:
            return failed(str(error), n_states)

    def place(self, positions: Float[np.ndarray, "atom 3"]) -> Path:
        """Return the sub-folder of a geometry."""
        # Adding zero turns -0 into 0.
        rounded = np.round(positions, _DIGITS) + 0.0
        number = hashlib.sha256(rounded.tobytes()).hexdigest()[:12]
        return self.folder / f"{formula(self.atomic_numbers)}_{number}"

    def unfinished(self) -> list[Path]:
        """Return the answers that have been begun but have no end, the file of each."""
        answer = QM_OUT if self.answers == "sharc" else LABEL
        return [path for path in sorted(self.folder.glob(f"*/{answer}")) if not self._has_end(path)]

    def _ask(self, place: Path, positions: Float[np.ndarray, "atom 3"]) -> None:
        """Write a sub-folder; it appears complete or not at all."""
        temporary = self.folder / f".{place.name}.{os.getpid()}.tmp"
        with telling_why(place):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            (temporary / GEOMETRY).write_text(_xyz_text(self.atomic_numbers, positions, place.name))
            if self.answers == "sharc":
                text = qm_in(
                    self.atomic_numbers,
                    positions,
                    multiplicities=self.multiplicities,
                    charge=self.charge,
                    requests=self.gives,
                    comment=place.name,
                )
                (temporary / QM_IN).write_text(text, encoding="utf-8")
            for file in self.files:
                shutil.copy(file, temporary / file.name)
            try:
                temporary.rename(place)
            except OSError:
                # Another process has asked for the same meanwhile.
                shutil.rmtree(temporary)
                if not place.is_dir():
                    raise

    def _has_end(self, path: Path) -> bool:
        try:
            if self.answers == "sharc":
                return self._read_sharc(path) is not None
            return read_one_frame(path) is not None
        except InputError:
            # It is wrong, not unfinished.
            return True

    def _read_sharc(self, path: Path) -> SinglePoint | None:
        return read_qm_out(
            path,
            multiplicities=self.multiplicities,
            n_atoms=len(self.atomic_numbers),
            requests=self.gives,
        )

    def _sharc(self, place: Path) -> Label | None:
        path = place / QM_OUT
        found = self._read_sharc(path) if path.is_file() else None
        if found is None:
            return None
        return label_of(
            found.arrays,
            multiplicities=self.multiplicities,
            n_atoms=len(self.atomic_numbers),
            seconds=found.seconds,
        )

    def _xyz(self, place: Path, positions: Float[np.ndarray, "atom 3"]) -> Label | None:
        path = place / LABEL
        found = read_one_frame(path) if path.is_file() else None
        if found is None:
            return None
        where = f"label {str(path)!r}"
        if found.atomic_numbers != self.atomic_numbers:
            raise InputError(f"{where} must be of the atoms of {GEOMETRY} in their order, but is not.")
        if np.abs(found.positions - positions).max() > _SAME_GEOMETRY:
            raise InputError(f"{where} must be of the geometry in {GEOMETRY}, but is of another one.")
        for key in ("energies", *sorted(self.gives)):
            if found.labels.get(key) is None:
                raise InputError(f"{where} must hold `{key}`, but does not. `gives` asks for them.")
        arrays = {key: found.labels[key] for key in ("energies", *sorted(self.gives))}
        n_states = len(arrays["energies"])
        if n_states != len(self.multiplicities):
            raise InputError(f"{where} must hold {len(self.multiplicities)} energies, but holds {n_states}.")
        return label_of(arrays, multiplicities=self.multiplicities, n_atoms=len(self.atomic_numbers))


def _source(section: FolderSection, atomic_numbers: Sequence[int]) -> FolderSource:
    if min(section.states) < 0 or not any(section.states):
        raise InputError(
            "`states` must hold the numbers of singlets, doublets, triplets, …, but is "
            f"{list(section.states)}. Try [2] for two singlets, or [2, 0, 1]."
        )
    spins = multiplicities_of(section.states)
    electrons = sum(int(number) for number in atomic_numbers) - section.charge
    if any((electrons - spin + 1) % 2 for spin in spins):
        raise InputError(
            f"`states` must fit {electrons} electrons, but {list(section.states)} does not: with an even "
            "number there are singlets and triplets, with an odd one doublets and quartets. Check `charge`."
        )
    if section.answers == "xyz" and "dipoles" in section.gives:
        raise InputError(
            "`gives` must be without dipoles for `answers: xyz`, which has no place for them, but is with."
        )
    if len(spins) == 1 and "interstate_couplings" in section.gives and "gives" in section.model_fields_set:
        raise InputError("`gives` must be without interstate_couplings for one state, but is with.")
    folder = Path(section.folder)
    if not folder.is_dir():
        check_folder(folder)
        with telling_why(folder):
            folder.mkdir(exist_ok=True)
    files = tuple(Path(file).absolute() for file in section.files)
    for file in files:
        check_file(file, f"the file {str(file)!r} of `files`")
    gives = set(section.gives) - ({"interstate_couplings"} if len(spins) == 1 else set())
    asked = {
        "atomic_numbers": [int(number) for number in atomic_numbers],
        "theory": section.theory,
        "states": list(section.states),
        "charge": section.charge,
        "answers": section.answers,
        "gives": sorted(gives),
    }
    _check_asked(folder / ASKED, asked)
    return FolderSource(
        theory=section.theory,
        atomic_numbers=tuple(int(number) for number in atomic_numbers),
        charge=section.charge,
        multiplicities=spins,
        gives=frozenset(gives),
        folder=folder.absolute(),
        answers=section.answers,
        files=files,
    )


def _check_asked(path: Path, asked: dict[str, object]) -> None:
    """Keep what is asked of a folder beside it, and refuse to ask it for something else."""
    if not path.exists():
        write_new(path, json.dumps(asked, indent=1) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{str(path)!r} must be as it was written, but is not. Remove it.") from error
    for key, value in asked.items():
        if before.get(key) != value:
            raise InputError(
                f"`folder` must be asked for the same as before, but {str(path)!r} has {key} "
                f"{before.get(key)!r}, and now it is {value!r}. Name another folder."
            )


def _xyz_text(atomic_numbers: Sequence[int], positions: Float[np.ndarray, "atom 3"], comment: str) -> str:
    rows = [
        f"{symbol(number):2} {x:20.12f} {y:20.12f} {z:20.12f}"
        for number, (x, y, z) in zip(atomic_numbers, positions * ANGSTROM_PER_BOHR, strict=True)
    ]
    return "\n".join([str(len(rows)), comment, *rows]) + "\n"
