"""Elements by symbol and number, and their masses."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Integer

from nadyn.checks.errors import InputError
from nadyn.structures.isotopes import ISOTOPES, NAMED_ISOTOPES, OTHER_ISOTOPES
from nadyn.units import ELECTRON_MASS_PER_DALTON

# Two masses [dalton] that differ by less are of one isotope; an element's isotopes lie 1 apart.
_SAME_ISOTOPE = 0.02
_NUMBER_BY_SYMBOL = {row[0]: number for number, row in enumerate(ISOTOPES, start=1)}


def symbol(atomic_number: int) -> str:
    """Return the symbol of an element.

    Raises:
        InputError: There is no such element in the table (1 to 96).
    """
    return _row(atomic_number)[0]


def is_element(symbol: str) -> bool:
    """Tell whether a text is the symbol of an element, whatever its case."""
    return symbol.capitalize() in _NUMBER_BY_SYMBOL


def atomic_number(symbol: str) -> int:
    """Return the atomic number of a symbol, whatever its case.

    Raises:
        InputError: The symbol is unknown.
    """
    number = _NUMBER_BY_SYMBOL.get(symbol.capitalize())
    if number is None:
        raise InputError(f"`symbol` must be an element from H to {ISOTOPES[-1][0]}, but is {symbol!r}.")
    return number


def masses(
    atomic_numbers: Sequence[int] | Integer[np.ndarray, "atom"],
    overrides: Mapping[str, float] | None = None,
) -> Float[np.ndarray, "atom"]:
    """Return the mass of each atom [electron mass]: that of the most abundant isotope, or an own one.

    Args:
        atomic_numbers: One number an atom.
        overrides: Mass by element symbol [dalton], for instance {"H": 2.014} for full deuteration.

    Raises:
        InputError: An element is unknown, or a mass is not a positive number.
    """
    own = {atomic_number(name): mass for name, mass in (overrides or {}).items()}
    for number, mass in own.items():
        if not (np.isfinite(mass) and mass > 0):
            raise InputError(f"mass of {symbol(number)} must be positive [dalton], but is {mass!r}.")
    in_dalton = [own.get(int(number), _row(int(number))[2]) for number in atomic_numbers]
    return np.array(in_dalton, dtype=np.float64) * ELECTRON_MASS_PER_DALTON


def isotope_mass(element: str, mass_number: int) -> float:
    """Return the mass of an isotope [electron mass].

    Raises:
        InputError: The element is unknown, or has no such isotope in the table.
    """
    name, usual, mass = _row(atomic_number(element))
    known = {usual: mass, **OTHER_ISOTOPES.get(name, {})}
    if mass_number not in known:
        near = ", ".join(str(number) for number in sorted(known))
        raise InputError(f"the isotope of {name} must be one of {near}, but is {mass_number}.")
    return known[mass_number] * ELECTRON_MASS_PER_DALTON


def atom_of(symbol: str) -> tuple[int, int | None]:
    """Return the atomic number of a symbol, and the mass number where it names an isotope: D and T.

    Raises:
        InputError: The symbol is unknown.
    """
    if symbol.capitalize() in NAMED_ISOTOPES:
        element, mass_number = NAMED_ISOTOPES[symbol.capitalize()]
        return atomic_number(element), mass_number
    return atomic_number(symbol), None


def isotope_symbol(atomic_number: int, mass: float) -> str:
    """Return the symbol of an atom of that mass: `H` for the most abundant isotope, else `D`, `T` or `[13]C`.

    A mass that lies within 0.02 u of no isotope in the table, such as a mean over them, is the element's own.

    Args:
        atomic_number: Of the element.
        mass: [electron mass].
    """
    name, usual, usual_mass = _row(atomic_number)
    known = {usual: usual_mass, **OTHER_ISOTOPES.get(name, {})}
    dalton = mass / ELECTRON_MASS_PER_DALTON
    nearest = min(known, key=lambda number: abs(known[number] - dalton))
    if nearest == usual or abs(known[nearest] - dalton) > _SAME_ISOTOPE:
        return name
    own = next((one for one, meant in NAMED_ISOTOPES.items() if meant == (name, nearest)), None)
    return own or f"[{nearest}]{name}"


def _row(number: int) -> tuple[str, int, float]:
    if not 1 <= number <= len(ISOTOPES):
        raise InputError(f"`atomic_numbers` must lie between 1 and {len(ISOTOPES)}, but one is {number}.")
    return ISOTOPES[number - 1]
