"""The structures for which a potential that acts beyond its cutoff has a meaning."""

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.potential import Potential
from nadyn.models.terms.longrange import check_cell
from nadyn.structures import formula
from nadyn.structures.cells import check_images

# A total charge this near is met.
_SAME = 1e-6


def check_structure(
    potential: Potential,
    atomic_numbers: tuple[int, ...],
    cell: Float[Tensor, "3 3"] | None,
    pbc: tuple[bool, bool, bool],
) -> None:
    """Refuse cells whose images lie inside each other; for what acts beyond the cutoff also those without a
    sum over images, and such that are charged; other molecules than the one whose atoms are numbered.

    Raises:
        InputError: One sentence.
    """
    if cell is not None:
        check_images(cell.detach().cpu().numpy(), pbc)
    numbers = potential.settings.numbers
    if numbers is not None and (cell is not None or tuple(sorted(atomic_numbers)) != numbers):
        where = " in a cell" if cell is not None else ""
        raise InputError(
            f"a model whose rows change sign under exchanges of atoms must be used for {formula(numbers)} "
            f"alone, which it was trained on, but is asked for {formula(atomic_numbers)}{where}."
        )
    if not potential.is_longrange:
        return
    check_cell(cell, pbc)
    if potential.charges is None or not any(pbc):
        return
    total = potential.charges.total(atomic_numbers)
    if abs(total) > _SAME:
        raise InputError(
            f"a periodic structure must be neutral for electrostatics, but the formal charges of "
            f"{formula(atomic_numbers)} add up to {total:+.6g} e. Add counterions."
        )


def check_charge(potential: Potential, atomic_numbers: tuple[int, ...], charge: float) -> None:
    """Refuse a total charge that is not the sum of the formal charges of the elements.

    Raises:
        InputError: One sentence.
    """
    if potential.charges is None:
        return
    total = potential.charges.total(atomic_numbers)
    if abs(total - charge) > _SAME:
        raise InputError(
            f"the total charge must be the sum of the formal charges of the elements, {total:+.6g} e for "
            f"{formula(atomic_numbers)}, but is {charge:+.6g} e. The model knows no other one of these atoms."
        )
