"""Elements of an H5MD file: values with their steps, and what is known of their units."""

import re
from collections.abc import Mapping

import h5py
import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.readers.inverse_length import couplings_in
from nadyn.data.readers.reader import ReadOptions, to_atomic

_DIMENSIONS = {"positions": "length", "energies": "energy", "forces": "force", "cell": "length"}


class Units:
    """Factors to atomic units: of the unit that stands beside a value, that of the program, or the user."""

    def __init__(self, options: ReadOptions, of_program: Mapping[str, str]) -> None:
        """Keep what the user and the program say, label -> unit."""
        self._options, self._of_program = options, of_program

    def factor(self, value: h5py.Dataset, label: str) -> float:
        """Return the factor of a label.

        Raises:
            InputError: Nobody says the unit, or two say different ones.
        """
        return to_atomic(label, self._options, self._said(value, label), _DIMENSIONS[label])

    def coupling_factor(self, value: h5py.Dataset) -> tuple[float, bool] | None:
        """Return the factor of couplings and whether they are d; None where nobody says the unit.

        Raises:
            InputError: The unit is none of a coupling.
        """
        label = "interstate_couplings"
        said = self._said(value, label) or self._options.units.get(label)
        return None if said is None else couplings_in(said)

    def _said(self, value: h5py.Dataset, label: str) -> str | None:
        said = value.attrs.get("unit")
        return self._of_program.get(label) if said is None else quotient(word(said))


def element(parent: h5py.Group, place: str) -> tuple[h5py.Dataset, np.ndarray]:
    """Return the values of a time-dependent element as they stand in the file, and their steps.

    Raises:
        InputError: It is missing, holds no numbers, or has fewer steps than values.
    """
    if place not in parent:
        raise InputError(f"`{place}` must be there, but is missing.")
    found = parent[place]
    if not isinstance(found, h5py.Group) or "value" not in found:
        raise InputError(f"`{place}` must hold `value` and `step`, but does not.")
    value = found["value"]
    if not np.issubdtype(value.dtype, np.number):
        raise InputError(f"`{place}` must hold numbers, but does not.")
    steps = found["step"][...] if "step" in found else np.arange(len(value))
    if steps.ndim == 0:
        # Equal intervals: the step is their length.
        offset = int(np.asarray(found["step"].attrs.get("offset", 0)))
        steps = offset + int(steps) * np.arange(len(value))
    if len(steps) < len(value):
        raise InputError(f"`{place}` must have a step for each of {len(value)} values, but has {len(steps)}.")
    return value, steps[: len(value)]


def quotient(unit: str) -> str:
    """Return a unit such as `kJ mol-1 nm-1` as kJ/mol/nm."""
    text = ""
    for one in unit.split():
        name, power = re.fullmatch(r"(.*?)\^?([+-]?\d+)?", one).groups()
        sign, size = ("/" if (power or "").startswith("-") else "*"), (power or "").lstrip("+-")
        text += f"{sign if text else ''}{name}" + (f"^{size}" if size not in ("", "1") else "")
    return text


def at_steps(values: np.ndarray, steps: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the values at some steps; NaN where there is none."""
    result = np.full((len(wanted), *values.shape[1:]), np.nan)
    _, there, here = np.intersect1d(wanted, steps, return_indices=True)
    result[there] = values[here]
    return result


def word(value: object) -> str:
    """Return an attribute or a name as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
