"""Dipoles and polarisabilities of adiabatic states: operators of a model between its eigenvectors."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.operators import between_states, of_states, operator_at
from nadyn.electronic.surfaces import check_positions, energies_and_eigenvectors
from nadyn.models.model import HasOperators, Model


def dipoles(
    model: Model, positions: Float[Tensor, "traj atom x"], *, origin: str | None = None
) -> Float[Tensor, "traj state state 3"]:
    """Return ⟨k|μ|l⟩ = u_k · μ · u_l [e bohr]: permanent on the diagonal, transition dipoles beside it.

    The signs of the states are arbitrary; `nadyn.surfaces` gives couplings and dipoles with the same ones.

    Args:
        model: A model that knows dipoles.
        positions: [bohr].
        origin: What the dipole of an ion is about: coordinates, center_of_mass or center_of_charge; that of a
            neutral molecule does not depend on it.

    Raises:
        InputError: The model knows no dipoles, or an ion lacks the name of an origin.
    """
    check_positions(model, positions)
    check_operator(model, "dipole")
    charge = getattr(model, "charge_of_dipole", 0)
    if charge and origin is None:
        raise InputError(
            f"`origin` must be given for the dipole of model {model.name}, whose charge is {charge:+d}: "
            "coordinates, center_of_mass or center_of_charge."
        )
    _, eigenvectors = energies_and_eigenvectors(model, positions)
    moments = between_states(operator_at(model, "dipole", positions), eigenvectors)
    if not charge or origin == "coordinates":
        return moments
    centre = centre_of(model, positions, origin)
    unit = torch.eye(moments.shape[1], dtype=moments.dtype)
    return moments - charge * unit[:, :, None] * centre[:, None, None]


def polarisabilities(
    model: Model, positions: Float[Tensor, "traj atom x"]
) -> Float[Tensor, "traj state 3 3"]:
    """Return u_k · α · u_k [bohr³] of each state.

    Raises:
        InputError: The model knows no polarisabilities.
    """
    check_positions(model, positions)
    check_operator(model, "polarisability")
    _, eigenvectors = energies_and_eigenvectors(model, positions)
    return of_states(operator_at(model, "polarisability", positions), eigenvectors)


def knows(model: Model, name: str) -> bool:
    """Tell whether a model has an operator of that name."""
    return isinstance(model, HasOperators) and name in model.operators


def check_operator(model: Model, name: str) -> None:
    """Refuse a model that does not know an operator.

    Raises:
        InputError: One sentence.
    """
    if knows(model, name):
        return
    if getattr(model, "cell", None) is not None:
        raise InputError(
            f"model {model.name} must be of an isolated molecule to have a {name}, but is in a periodic cell."
        )
    raise InputError(
        f"model {model.name} must know a {name}, but does not. Train it on data that have labels of it."
    )


def centre_of(model: Model, positions: Float[Tensor, "traj atom 3"], origin: str) -> Float[Tensor, "traj 3"]:
    """Return the centre of the masses, or that of the nuclear charges.

    Raises:
        InputError: Another name.
    """
    weights = {
        "center_of_mass": model.masses,
        "center_of_charge": torch.tensor(model.atomic_numbers or (), dtype=torch.float64),
    }
    if origin not in weights:
        raise InputError(
            f"`origin` must be coordinates, center_of_mass or center_of_charge, but is {origin!r}."
        )
    own = weights[origin]
    return (positions * own[:, None]).sum(dim=1) / own.sum()
