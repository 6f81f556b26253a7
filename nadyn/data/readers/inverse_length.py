"""Couplings of two kinds, told apart by their unit: h is an energy over a length, d is one over a length."""

from nadyn.checks.errors import InputError
from nadyn.units import to_atomic_units


def couplings_in(unit: str | None) -> tuple[float, bool]:
    """Return the factor to atomic units, and whether the couplings are d.

    Args:
        unit: Such as `hartree/bohr` of h, or `1/angstrom` of d.

    Raises:
        InputError: There is no unit, or one of another kind.
    """
    if unit is None:
        raise InputError(
            "the unit of `interstate_couplings` must be said, but is not. Give `--unit "
            "interstate_couplings=hartree/bohr` or another force for h = <k|grad H|l>, 1/bohr or 1/angstrom "
            "for d = <k|grad l>."
        )
    text = unit.strip().lower()
    if text.startswith("1/"):
        return 1.0 / to_atomic_units(text.removeprefix("1/"), "length"), True
    return to_atomic_units(unit, "force"), False
