"""Which molecules a model was trained on, and whether those say anything about another one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.counts import counted
from nadyn.structures import formula

# Of the number of atoms: what a combination of trained molecules may be off in rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule that a model was trained on.

    Attributes:
        name: Name of its group in the dataset.
        n_frames: How many of its frames were trained on.
        starting_geometry: The lowest of them [bohr].
        cell: Cell vectors of that frame as rows [bohr], or None for an isolated molecule.
        contacts: From `contacts.shortest_contacts`, over all groups of the same composition; None in a cell,
            and for models of the first days, which know the shortest distance of each two elements.
    """

    name: str
    atomic_numbers: tuple[int, ...]
    n_frames: int
    starting_geometry: Float[Tensor, "atom 3"] | None
    cell: Float[Tensor, "3 3"] | None = None
    pbc: tuple[bool, bool, bool] = (False, False, False)
    contacts: Float[Tensor, "pair"] | None = None


def default_molecule(molecules: tuple[Molecule, ...]) -> Molecule:
    """Return the molecule with most frames, of equals the first: a trained model is bound to it."""
    return max(molecules, key=lambda molecule: molecule.n_frames)


def undetermined(trained: tuple[tuple[int, ...], ...], numbers: tuple[int, ...]) -> str | None:
    """Return a sentence where the training molecules do not determine the energies of these atoms.

    A network adds up atoms, so molecules of the training set determine the energy per element only as far as
    their compositions do: a composition is determined if it is a sum of multiples of theirs, as every alkane
    is of two others. One molecule alone determines itself and any number of copies. A model of the first days
    that does not say what it was trained on gives no sentence.

    Args:
        trained: Atomic numbers of each molecule of the training set.
        numbers: Those of the molecule that the model is asked for.
    """
    if not trained:
        return None
    elements = sorted({*numbers, *(number for one in trained for number in one)})
    known = np.array([[one.count(element) for element in elements] for one in trained], float)
    asked = np.array([numbers.count(element) for element in elements], float)
    weights = np.linalg.lstsq(known.T, asked, rcond=None)[0]
    if np.abs(weights @ known - asked).max() <= _ROUNDING * len(numbers):
        return None
    names = list(dict.fromkeys(formula(one) for one in trained))
    listed = ", ".join(names[:4]) + (f" and {counted(len(names) - 4, 'other')}" if len(names) > 4 else "")
    return (
        f"a model must know the composition of its molecule, but it was trained on {listed} and asked for "
        f"{formula(numbers)}, whose energies those do not determine: energies and forces mean nothing."
    )
