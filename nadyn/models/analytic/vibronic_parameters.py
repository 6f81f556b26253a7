"""Parameter files of vibronic coupling models."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.json_text import parse_json
from nadyn.units import to_atomic_units


class _File(Configuration):
    name: str
    unit: str
    modes: tuple[str, ...]
    states: tuple[str, ...]
    frequencies: dict[str, float]
    constant: dict[str, float] = Field(default_factory=dict)
    linear: dict[str, dict[str, float]] = Field(default_factory=dict)
    quadratic: dict[str, dict[str, float]] = Field(default_factory=dict)
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, eq=False)
class VibronicParameters:
    """Parameters of W in hartree; states and modes are indices, with a ≤ b and m ≤ n in every key.

    Attributes:
        name: Name of the model.
        modes: One name a mode.
        states: One name a diabatic state.
        frequencies: ω_m.
        constant: E_ab by (a, b).
        linear: κ_abm, the factor of Q_m, by (a, b, m).
        quadratic: γ_abmn, the factor of Q_m Q_n, by (a, b, m, n); ω_m/2 is not among them.
    """

    name: str
    modes: tuple[str, ...]
    states: tuple[str, ...]
    frequencies: tuple[float, ...]
    constant: Mapping[tuple[int, int], float]
    linear: Mapping[tuple[int, int, int], float]
    quadratic: Mapping[tuple[int, int, int, int], float]


def parse_parameters(content: bytes, *, where: str) -> VibronicParameters:
    """Read the parameters of a vibronic coupling model from JSON.

    {"name": …, "unit": "eV", "modes": ["10a", "6a"], "states": ["S1", "S2"],
     "frequencies": {"10a": 0.1139, "6a": 0.0739}, "constant": {"S1,S1": -0.423},
     "linear": {"S1,S2": {"10a": 0.20804}}, "quadratic": {"S1,S2": {"6a,10a": 0.01}}}

    A quadratic entry "m,n" multiplies Q_m Q_n once. Elements and products may be named in either
    order, but only once; what is not named is zero.

    Args:
        content: The bytes of the file.
        where: Name of the file for error sentences.

    Raises:
        InputError: No JSON, an unknown key, state or mode, an entry given twice, a frequency that is
            missing or not positive, or a number that is not finite.
    """
    try:
        data = parse_json(content)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"parameter file {where!r} must be JSON, but cannot be read: {error}.") from error
    file = parse_configuration(data, _File, where=where)
    factor = to_atomic_units(file.unit, "energy")
    reader = _Reader(where, file.states, file.modes, factor)
    for kind, names in (("modes", file.modes), ("states", file.states)):
        if not names or len(set(names)) != len(names) or any("," in name for name in names):
            raise InputError(
                f"{where}: `{kind}` must be different names without commas, but are {list(names)}."
            )
    if sorted(file.frequencies) != sorted(file.modes):
        raise InputError(
            f"{where}: `frequencies` must name every mode once, but name {list(file.frequencies)}."
        )
    if not all(frequency > 0 for frequency in file.frequencies.values()):
        raise InputError(
            f"{where}: `frequencies` must be positive, but are {list(file.frequencies.values())}."
        )
    linear = {key: {(mode,): v for mode, v in entry.items()} for key, entry in file.linear.items()}
    quadratic = {
        key: {tuple(p.split(",")): v for p, v in entry.items()} for key, entry in file.quadratic.items()
    }
    return VibronicParameters(
        name=file.name,
        modes=file.modes,
        states=file.states,
        frequencies=tuple(reader.number(file.frequencies[mode]) for mode in file.modes),
        constant=reader.entries("constant", {key: {(): v} for key, v in file.constant.items()}, n_modes=0),
        linear=reader.entries("linear", linear, n_modes=1),
        quadratic=reader.entries("quadratic", quadratic, n_modes=2),
    )


@dataclass(frozen=True)
class _Reader:
    where: str
    states: tuple[str, ...]
    modes: tuple[str, ...]
    factor: float

    def entries(
        self, kind: str, section: Mapping[str, Mapping[tuple[str, ...], float]], *, n_modes: int
    ) -> dict[tuple[int, ...], float]:
        """Turn names into sorted indices; `n_modes` names of modes belong to an entry."""
        found: dict[tuple[int, ...], float] = {}
        for element, values in section.items():
            pair = self._indices(kind, tuple(element.split(",")), self.states, 2, "states")
            for names, value in values.items():
                key = pair + self._indices(kind, names, self.modes, n_modes, "modes")
                if key in found:
                    raise InputError(
                        f"{self.where}: `{kind}` must give each term once, but has two for {element}."
                    )
                found[key] = self.number(value)
        return found

    def number(self, value: float) -> float:
        if not math.isfinite(value):
            raise InputError(f"{self.where}: every parameter must be a finite number, but one is {value}.")
        return value * self.factor

    def _indices(
        self, kind: str, names: tuple[str, ...], known: tuple[str, ...], count: int, what: str
    ) -> tuple[int, ...]:
        names = tuple(name.strip() for name in names)
        if len(names) != count or any(name not in known for name in names):
            raise InputError(
                f"{self.where}: keys of `{kind}` must name {count} of the {what} {', '.join(known)}, "
                f"but one is {','.join(names)!r}."
            )
        return tuple(sorted(known.index(name) for name in names))
