"""What the dipole of an ion is about: it changes with the origin, and so an origin must be named."""

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Group
from nadyn.structures import masses

# The origin of the positions, the centre of the masses, that of the charges of the nuclei.
ORIGINS = ("coordinates", "center_of_mass", "center_of_charge")


def check_origin(name: str) -> None:
    """Refuse an unknown name; an empty one says nothing.

    Raises:
        InputError: It is none of `ORIGINS`.
    """
    if name and name not in ORIGINS:
        raise InputError(f"`dipole_origin` must be one of {', '.join(ORIGINS)}, but is {name!r}.")


def about_dipoles(group: Group) -> str | None:
    """Return the sentence that says why the dipoles of a group cannot be learned, otherwise None."""
    if group.pbc.any():
        return (
            f"the dipoles of group {group.name!r} must be those of an isolated molecule, but it is in a "
            "periodic cell, where a dipole depends on the choice of the cell."
        )
    if group.charge and not group.dipole_origin:
        return (
            f"the dipoles of group {group.name!r} must have a named origin, because its charge is "
            f"{group.charge:+d} and they change with it, but `dipole_origin` is missing. Say "
            f"{', '.join(ORIGINS[:2])} or {ORIGINS[2]}: `nadyn convert IN OUT --dipole-origin NAME`."
        )
    return None


def dipoles_of_coordinates(group: Group) -> Float[np.ndarray, "frame state state 3"] | None:
    """Return the dipoles about the origin of the positions [e bohr]; None where there are none to learn."""
    if group.dipoles is None or about_dipoles(group):
        return None
    if not group.charge or group.dipole_origin == "coordinates":
        return group.dipoles
    weights = group.atomic_numbers.astype(np.float64)
    if group.dipole_origin == "center_of_mass":
        weights = masses(tuple(map(int, group.atomic_numbers))) if group.masses is None else group.masses
    centre = np.einsum("n,fnx->fx", weights, group.positions) / weights.sum()
    moved = group.charge * np.eye(group.n_states)[:, :, None] * centre[:, None, None]
    return group.dipoles + moved
