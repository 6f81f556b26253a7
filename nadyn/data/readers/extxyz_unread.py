"""Labels of an extended xyz file that stand under a name which is not read: found, counted and named."""

import difflib
import re
import warnings
from typing import TYPE_CHECKING

import ase
import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.readers.extxyz_text import FrameNotes

if TYPE_CHECKING:
    from nadyn.data.readers.extxyz_labels import Keys

# ASE moves these from the header and the columns to its calculator.
OF_FRAMES = ("energy", "stress", "dipole", "free_energy", "magmom")
OF_ATOMS = ("forces", "charges", "magmoms", "stresses", "energies")

# Names of the stress and of the virial, the first that is there.
STRESS = ("REF_stress", "stress")
VIRIAL = ("REF_virial", "REF_virials", "virial", "virials")

_READ_COLUMN = re.compile(r"REF_forces|forces?|forces_\d+|interstate_couplings_\d+_\d+")
# What the name of a column holds that is meant as a label, and what is read instead.
_COLUMNS = {
    "force": "forces",
    "grad": "forces",
    "coupling": "interstate_couplings_0_1",
    "nac": "interstate_couplings_0_1",
}
_KEYS = {
    "charge": "charge",
    "multiplicit": "multiplicities",
    "stress": "stress",
    "virial": "virial",
    "dipole": "",
}
# Words around the name of a quantity that leave its meaning.
_AROUND = re.compile(r"(ref|dft|qm|total|tot|net|spin|molecular|mol|ml|true|target|s)?")


class UnreadLabels:
    """Counts of the names that look like labels and are not read, over all frames of a file."""

    def __init__(self, keys: "Keys | None" = None):
        self._forces_key = None if keys is None else keys.forces
        self._couplings_key = None if keys is None else keys.couplings
        self._n_frames = 0
        self._counts: dict[tuple[str, str], int] = {}
        self._columns: set[str] = set()
        self._undeclared: list[int] = []

    def look_at(self, atoms: ase.Atoms, note: FrameNotes) -> None:
        """Count what one frame holds."""
        results = atoms.calc.results if atoms.calc is not None else {}
        columns = set(atoms.arrays) | {key for key in OF_ATOMS if key in results}
        columns -= {"numbers", "positions", "masses"}
        self._columns |= columns
        for name in sorted(columns):
            near = next((known for part, known in _COLUMNS.items() if part in name.lower()), None)
            known = name in (self._forces_key, self._couplings_key) or _READ_COLUMN.fullmatch(name)
            if near and not known:
                self._count(name, near)
        keys = set(atoms.info) | {key for key in OF_FRAMES if key in results}
        self._columns |= {name for name in keys if np.ndim(atoms.info.get(name)) > 1}
        for name in sorted(keys - {"charge", "multiplicities", *STRESS, *VIRIAL, self._couplings_key}):
            if np.ndim(atoms.info.get(name)) > 1 and "nac" in name.lower():
                self._count(name, "interstate_couplings")
                continue
            near = _quantity(name)
            if near is not None and (not near or near not in keys) and _is_number(atoms.info.get(name, 0.0)):
                self._count(name, near)
        if note.n_undeclared:
            self._undeclared.append(self._n_frames)
        self._n_frames += 1

    def check_key(self) -> None:
        """Refuse a name of forces that no frame has.

        Raises:
            InputError: There is no such column.
        """
        for option, key in (
            ("--forces-key", self._forces_key),
            ("--key interstate_couplings", self._couplings_key),
        ):
            if key is not None and key not in self._columns:
                there = ", ".join(sorted(self._columns)) or "none beside the positions"
                raise InputError(
                    f"`{option}` must name a column, but no frame has {key!r}. There are: {there}."
                )

    def warn(self) -> None:
        """Warn (`InputWarning`) of each name, with the number of frames and the nearest one that is read."""
        for (name, near), count in self._counts.items():
            advice = f" Did you mean `{near}`?" if near else ""
            if near == "interstate_couplings":
                advice = (
                    f" `--key interstate_couplings={name}` with `--unit interstate_couplings=` reads it: "
                    "1/angstrom and the like for d, eV/angstrom and the like for h."
                )
            if near == "forces":
                advice += f" `--forces-key {name}` reads it."
            _warn(f"`{name}` stands in {count} of {self._n_frames} frames and was not read.{advice}")
        if self._undeclared:
            _warn(
                f"the rows of {len(self._undeclared)} of {self._n_frames} frames, the first is "
                f"{self._undeclared[0]}, hold more numbers than their header names, and these were not read. "
                "If they are forces, add `:forces:R:3` to `Properties`."
            )

    def _count(self, name: str, near: str) -> None:
        self._counts[name, near] = self._counts.get((name, near), 0) + 1


def advice_on_energy(info: dict[str, object]) -> str:
    """Return what to do where no known name of an energy is among the keys of a frame."""
    # ASE takes a bare word for a key that is true.
    bare = [key for key in info if _is_text_of_number(key)]
    if bare:
        return "There is a bare number: write `energy=` before it."
    numbers = [key for key, value in info.items() if _is_number(value)]
    if not numbers:
        return (
            "There is no number in the header. Geometries alone are no data: `nadyn label` labels them, "
            "`nadyn sample --geometry` starts from one."
        )
    likely = [key for key in numbers if "energy" in key.lower() or key.lower() in ("e", "toten", "totene")]
    near = likely or difflib.get_close_matches("energy", numbers, n=1, cutoff=0.4) or numbers
    there = ", ".join(f"`{key}`" for key in numbers)
    return f"There is {there}. If it is `{near[0]}`, give `--energy-key {near[0]}`."


def _quantity(name: str) -> str | None:
    """Return the known key whose quantity a key names: "" for one that has no place; None for all others."""
    word = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    for part, known in _KEYS.items():
        if part in word:
            before, _, after = word.partition(part)
            rest = after.removesuffix("s").removesuffix("y").removesuffix("ie")
            if _AROUND.fullmatch(before) and not rest:
                return known
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, bool | np.bool_ | str):
        return False
    return np.issubdtype(np.asarray(value).dtype, np.number)


def _is_text_of_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _warn(sentence: str) -> None:
    warnings.warn(sentence, InputWarning, stacklevel=4)
