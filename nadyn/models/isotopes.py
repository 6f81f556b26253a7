"""Other isotopes in the molecule of a model: the surfaces stay, the masses change."""

import re
from collections.abc import Mapping
from dataclasses import replace

from nadyn.checks.errors import InputError
from nadyn.models.committee import Committee
from nadyn.models.model import Model
from nadyn.models.spin_coupled import SpinCoupled
from nadyn.structures import atomic_number, is_element, isotope_mass, symbol
from nadyn.structures.isotopes import NAMED_ISOTOPES


def with_isotopes(model: Model, isotopes: Mapping[str | int, int]) -> Model:
    """Return the model with the masses of isotopes.

    Args:
        model: A model of a molecule.
        isotopes: Mass number by element, for all of its atoms, or by atom, counted from 0: {"H": 2, 4: 13}.
            An atom's own one counts more than that of its element.

    Raises:
        InputError: The model has masses of its own, no such atom or element, or there is no such isotope.
    """
    if not isotopes:
        return model
    if isinstance(model, Committee | SpinCoupled):
        return model.map(lambda member: with_isotopes(member, isotopes))
    if not takes_isotopes(model):
        raise InputError(
            f"`isotopes` must be left out for model {model.name}, which has masses of its own, but is given."
        )
    numbers = model.atomic_numbers
    chosen = dict(enumerate(model.own_masses)) if model.own_masses else {}
    by_element = {key: number for key, number in isotopes.items() if isinstance(key, str)}
    for element, mass_number in by_element.items():
        _check_element(element, mass_number)
        found = [atom for atom, number in enumerate(numbers) if number == atomic_number(element)]
        if not found:
            raise InputError(f"`isotopes` must name elements of {model.name}, but it has no {element}.")
        chosen |= dict.fromkeys(found, isotope_mass(element, mass_number))
    for atom, mass_number in isotopes.items():
        if isinstance(atom, str):
            continue
        if not 0 <= atom < len(numbers):
            raise InputError(f"`isotopes` must name atoms from 0 to {len(numbers) - 1}, but names {atom}.")
        chosen[atom] = isotope_mass(symbol(numbers[atom]), mass_number)
    usual = model.masses.tolist()
    return replace(model, own_masses=tuple(chosen.get(atom, usual[atom]) for atom in range(len(numbers))))


def takes_isotopes(model: Model) -> bool:
    """Tell whether a model is of atoms whose isotopes may be chosen, a learned one or a label source."""
    return hasattr(model, "own_masses")


def _check_element(name: str, mass_number: int) -> None:
    """Refuse a name that is no element, with what to write instead where it is that of an isotope."""
    if is_element(name):
        return
    parts = re.fullmatch(r"(?P<before>\d*)-?(?P<element>[A-Za-z]+)-?(?P<after>\d*)", name)
    element = parts["element"].capitalize() if parts else ""
    number = int(parts["before"] or parts["after"] or mass_number) if parts else mass_number
    element, number = NAMED_ISOTOPES.get(element, (element, number))
    advice = "Write {H: 2} for all hydrogens, or {4: 2} for atom 4."
    if is_element(element):
        advice = f"Write {{{element}: {number}}} for every {element}, or name an atom, as in {{0: {number}}}."
    raise InputError(
        "`isotopes` must give the mass number of an element or of an atom (counted from 0), but names "
        f"{name!r}. {advice}"
    )
