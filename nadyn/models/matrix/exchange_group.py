"""The exchanges of like atoms of a latent basis, as a group: orders of atoms and signs in W."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nadyn.checks.errors import InputError
from nadyn.models.matrix.basis import Basis
from nadyn.structures import formula, symbol

# Each of them is one evaluation of a network.
LARGEST_GROUP = 48


@dataclass(frozen=True)
class ExchangeGroup:
    """All products of the exchanges of a basis.

    Attributes:
        orders: For each product the atom that stands in each place afterwards; the first changes nothing.
        signs: What each element of W is multiplied by.
    """

    orders: Int[np.ndarray, "product atom"]
    signs: Float[np.ndarray, "product basis basis"]


def exchange_group(basis: Basis, numbers: tuple[int, ...]) -> ExchangeGroup:
    """Return the group of the exchanges of a basis for a molecule.

    Args:
        basis: Atoms are counted by element from 1, in the order of the molecule.
        numbers: Atomic numbers, like atoms in the order of the molecule.

    Raises:
        InputError: An exchange cannot be read, names an atom that is not there or unlike atoms; or no
            matrix W can have these signs, or there are more than 48 products.
    """
    names = [f"{symbol(z)}{list(numbers[: place + 1]).count(z)}" for place, z in enumerate(numbers)]
    generators = []
    for exchange in basis.exchanges:
        rows = np.array([-1.0 if exchange in row else 1.0 for row in basis.odd])
        generators.append((_order(exchange, names, numbers), np.outer(rows, rows)))
    unit = tuple(range(len(numbers)))
    found = {unit: np.ones((basis.size, basis.size))}
    new = [unit]
    while new:
        order = new.pop()
        for swap, sign in generators:
            after = tuple(order[place] for place in swap)
            product = found[order] * sign
            if after not in found:
                found[after] = product
                new.append(after)
            elif not np.array_equal(found[after], product):
                raise InputError(
                    f"`basis` must have signs that a matrix can have, but those of {str(basis)!r} contradict "
                    "each other: two products of its exchanges move the atoms alike and have other signs."
                )
            if len(found) > LARGEST_GROUP:
                raise InputError(
                    f"`basis` must have exchanges with {LARGEST_GROUP} products or fewer, but is "
                    f"{str(basis)!r}."
                )
    return ExchangeGroup(np.array(list(found)), np.stack(list(found.values())))


def _order(exchange: str, names: list[str], numbers: tuple[int, ...]) -> tuple[int, ...]:
    places = list(range(len(names)))
    for pair in exchange.split(";"):
        atoms = pair.split(",")
        if len(atoms) != 2 or not all(re.fullmatch(r"[A-Z][a-z]?[1-9]\d*", atom) for atom in atoms):
            raise InputError(
                "`basis` must name exchanges as pairs of like atoms, such as [H1,H2] or [C1,C2;H1,H3;H2,H4], "
                f"but names [{exchange}]."
            )
        if missing := [atom for atom in atoms if atom not in names]:
            raise InputError(
                f"`basis` must exchange atoms of {formula(numbers)}, but [{exchange}] names {missing[0]}."
            )
        one, two = (names.index(atom) for atom in atoms)
        if numbers[one] != numbers[two] or one == two or {places[one], places[two]} != {one, two}:
            raise InputError(
                f"`basis` must exchange two like atoms, and each of them once, but names [{exchange}]."
            )
        places[one], places[two] = two, one
    return tuple(places)
