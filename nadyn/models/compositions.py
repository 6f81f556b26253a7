"""Which molecules a model was trained on, and whether those say anything about another one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nadyn.structures import formula

# Of the number of atoms: what a combination of trained molecules may be off in rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class TrainedMolecule:
    """One composition in the training set.

    Attributes:
        atomic_numbers: Ascending.
        contacts: From `nadyn.models.contacts.shortest_contacts`; None in a cell, and for models of the first
            days, which know the shortest distance of each two elements.
    """

    atomic_numbers: tuple[int, ...]
    contacts: Float[Tensor, "pair"] | None


def undetermined(trained: tuple[TrainedMolecule, ...], numbers: tuple[int, ...]) -> str | None:
    """Return a sentence where the training molecules do not determine the energies of these atoms.

    A network adds up atoms, so molecules of the training set determine the energy per element only as far as
    their compositions do: a composition is determined if it is a sum of multiples of theirs, as every alkane
    is of two others. One molecule alone determines itself and any number of copies. A model of the first days
    that does not say what it was trained on gives no sentence.
    """
    if not trained:
        return None
    elements = sorted({*numbers, *(number for one in trained for number in one.atomic_numbers)})
    known = np.array([[one.atomic_numbers.count(element) for element in elements] for one in trained], float)
    asked = np.array([numbers.count(element) for element in elements], float)
    weights = np.linalg.lstsq(known.T, asked, rcond=None)[0]
    if np.abs(weights @ known - asked).max() <= _ROUNDING * len(numbers):
        return None
    names = list(dict.fromkeys(formula(one.atomic_numbers) for one in trained))
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} others" if len(names) > 4 else "")
    return (
        f"a model must know the composition of its molecule, but it was trained on {listed} and asked for "
        f"{formula(numbers)}, whose energies those do not determine: energies and forces mean nothing."
    )
