"""Numbers that a run file gives to an analytic model."""

import math

from nadyn.checks.errors import InputError


def number(model: str, name: str, value: object, *, positive: bool = False) -> float:
    """Return the value of an option as a number.

    Raises:
        InputError: It is no finite number, or not positive where it must be.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or (positive and value <= 0):
        kind = "a positive number" if positive else "a finite number"
        raise InputError(f"`{name}` of model {model} must be {kind}, but is {value!r}.")
    return float(value)
