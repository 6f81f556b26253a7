"""What the table of readers holds of each one, and what a user may say about a file."""

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from nadyn.checks.errors import InputError
from nadyn.checks.nearest import nearest
from nadyn.data.dataset import Dataset
from nadyn.units import to_atomic_units


@dataclass(frozen=True)
class ReadOptions:
    """What a user may have to say about a file; each reader names those that it understands.

    Attributes:
        energy_key: Name under which the energies stand.
        forces_key: Name under which the forces stand.
        multiplicities: 2S + 1 of each state, where the file does not say it.
        charge: Total charge [e], where the file does not say it; `read_file` sees to it for all readers.
        keys: Label -> name under which it stands in the file.
        units: Label -> unit, where the file does not say it.
    """

    energy_key: str | None = None
    forces_key: str | None = None
    multiplicities: tuple[int, ...] | None = None
    charge: int | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def given(self) -> set[str]:
        """Return the names of the options that are given."""
        return {one.name for one in fields(self) if getattr(self, one.name) not in (None, {})}

    def key_of(self, label: str) -> str | None:
        """Return the name of a label in the file that the user gives; None if none is given."""
        own = {"energies": self.energy_key, "forces": self.forces_key}
        return self.keys.get(label) or own.get(label)

    def check_labels(self, known: Container[str], reader: str) -> None:
        """Refuse a label in `keys` or `units` that a reader does not know.

        Raises:
            InputError: There is one.
        """
        for option, mapping in (("--key", self.keys), ("--unit", self.units)):
            for label in mapping:
                if label not in known:
                    near = nearest(label, list(known))
                    advice = f"Did you mean `{near}`?" if near else f"Known: {', '.join(sorted(known))}."
                    raise InputError(
                        f"`{option}` must name a label that a reader of {reader} knows, but names "
                        f"{label!r}. {advice}"
                    )


@dataclass(frozen=True)
class FolderReader:
    """One layout of a folder that becomes a dataset.

    Attributes:
        name: What people call such a folder.
        recognises: Tells by the files in it whether a folder is one.
        read: Reads a whole folder.
        options: Fields of `ReadOptions` that it understands.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]
    options: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reader:
    """One format that becomes a dataset.

    Attributes:
        name: What people call a file of it.
        recognises: Tells by the beginning of the content, unpacked, whether a file is one.
        read: Reads a whole file.
        options: Fields of `ReadOptions` that it understands.
    """

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[Path, ReadOptions], Dataset]
    options: frozenset[str] = frozenset()


def in_words(multiplicities: tuple[int, ...]) -> str:
    """Return multiplicities as `--multiplicities` takes them."""
    return " ".join(map(str, multiplicities))


def to_atomic(label: str, options: ReadOptions, said: str | None, dimension: str) -> float:
    """Return the factor to atomic units of a label: of the unit that the file says, or else the user.

    Programs write Ang, A, Bohr, Ha and the like; `1` and `a.u.` are atomic units.

    Args:
        label: Name of the label, for the sentence.
        options: What the user says.
        said: What the file says; None where it says nothing.
        dimension: What the label measures, as in `nadyn.units.to_atomic_units`.

    Raises:
        InputError: Nobody says a unit, it is none of that kind, or the two differ.
    """
    given = options.units.get(label)
    unit = said if said is not None else given
    if unit is None:
        raise InputError(
            f"the unit of `{label}` must be said, but the file does not say it. Give it as in `--unit "
            f"{label}={_EXAMPLES[dimension]}`."
        )
    factor = _factor(unit, dimension)
    if given is not None and abs(_factor(given, dimension) / factor - 1) > 1e-6:
        raise InputError(
            f"the unit of `{label}` must be what the file says, {said}, but `--unit` says {given}. "
            "Remove the option."
        )
    return factor


_EXAMPLES = {"energy": "eV", "length": "angstrom", "force": "eV/angstrom", "stress": "eV/angstrom^3"}
_SPELLINGS = {"ang": "angstrom", "a": "angstrom", "ha": "hartree", "angstroms": "angstrom", "eh": "hartree"}


def _factor(unit: str, dimension: str) -> float:
    text = unit.strip()
    if text.lower() in ("1", "a.u.", "au", "none", ""):
        return 1.0
    words = re.split(r"([*/^() ])", text)
    return to_atomic_units("".join(_SPELLINGS.get(word.lower(), word) for word in words), dimension)


def unused_name(base: str, taken: Container[str]) -> str:
    """Return a name for a group: `base`, or with a number from 2 on where that is taken."""
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    return name
