"""Which molecules a model was trained on, and whether those say anything about another one."""

from collections.abc import Sequence

import numpy as np

from nadyn.structures import formula

# Of the number of atoms: what a combination of trained molecules may be off in rounding.
_ROUNDING = 1e-6


def undetermined(trained: Sequence[tuple[int, ...]], numbers: tuple[int, ...]) -> str | None:
    """Return a sentence where the training molecules do not determine the energies of these atoms.

    A network adds up atoms, so molecules of the training set determine the energy per element only as far as
    their compositions do: a composition is determined if it is a sum of multiples of theirs, as every alkane
    is of two others. One molecule alone determines itself and any number of copies.

    Args:
        trained: Atomic numbers of each molecule in training; without any there is no sentence.
        numbers: Those that are asked for.
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
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} others" if len(names) > 4 else "")
    return (
        f"a model must know the composition of its molecule, but it was trained on {listed} and asked for "
        f"{formula(numbers)}, whose energies those do not determine: energies and forces mean nothing."
    )
