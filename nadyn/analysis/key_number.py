"""One number that is read first."""

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyNumber:
    """One number to be read first.

    Attributes:
        name: What it is.
        value: As printed.
        unit: As printed, with the space before it.
        detail: Uncertainty or explanation.
    """

    name: str
    value: str
    unit: str
    detail: str
