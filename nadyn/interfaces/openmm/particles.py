"""What is said of the particles that a model has: their elements, and whose charges they carry."""

from collections.abc import Sequence
from typing import Literal

from nadyn.checks.errors import InputError
from nadyn.structures import atomic_number, is_element

Embedding = Literal["mechanical", "electrostatic"]


def is_electrostatic(embedding: Embedding) -> bool:
    """Tell whether charges of the model act on the others.

    Raises:
        InputError: It is no name of an embedding.
    """
    if embedding not in ("mechanical", "electrostatic"):
        raise InputError(f"`embedding` must be mechanical or electrostatic, but is {embedding!r}.")
    return embedding == "electrostatic"


def numbers_of(particles: Sequence[int], elements: Sequence[str], n_particles: int) -> tuple[int, ...]:
    """Return atomic numbers of particles, one symbol each.

    Raises:
        InputError: A particle is none of the system or is named twice, or a symbol is no element.
    """
    if len(elements) != len(particles) or isinstance(elements, str):
        raise InputError(
            f"`elements` must be a list, one symbol for each of the {len(particles)} `particles`, but is "
            f"{list(elements)}."
        )
    wrong = [index for index in particles if not 0 <= index < n_particles]
    if wrong or len(set(particles)) != len(particles) or not len(particles):
        raise InputError(
            f"`particles` must be different ones of the {n_particles} of the system, counted from 0, but are "
            f"{list(particles)}."
        )
    for index, name in zip(particles, elements, strict=True):
        if not is_element(name):
            raise InputError(f"`elements` must be chemical symbols, but that of {index} is {name!r}.")
    return tuple(atomic_number(name) for name in elements)
