"""Other isotopes in the molecule of a model: the surfaces stay, the masses change."""

from collections.abc import Mapping
from dataclasses import replace

from nadyn.checks.errors import InputError
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.structures import atomic_number, isotope_mass, symbol


def with_isotopes(model: Model, isotopes: Mapping[str | int, int]) -> Model:
    """Return the model with the masses of isotopes.

    Args:
        model: A model of a molecule.
        isotopes: Mass number by element, for all of its atoms, or by atom, counted from 0: {"H": 2, 4: 13}.
            An atom's own one counts more than that of its element.

    Raises:
        InputError: The model is no learned one, has no such atom or element, or there is no such isotope.
    """
    if not isotopes:
        return model
    if not isinstance(model, LearnedModel):
        raise InputError(
            f"`isotopes` must be left out for model {model.name}, which has masses of its own, but is given."
        )
    numbers = model.atomic_numbers
    chosen = dict(enumerate(model.own_masses)) if model.own_masses else {}
    by_element = {key: number for key, number in isotopes.items() if isinstance(key, str)}
    for element, mass_number in by_element.items():
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
