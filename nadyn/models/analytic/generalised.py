"""What models in generalised coordinates have in common."""

from typing import ClassVar

from nadyn.models.model import Coordinates


class GeneralisedCoordinates:
    """A model without atoms: no law of motion in space, no shortest distance, a basis that stays."""

    coordinates: ClassVar[Coordinates] = "generalised"
    laws: ClassVar[frozenset[str]] = frozenset()
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = True
    shortest_distances: ClassVar[None] = None
