"""What light sees of the states at geometries: energies, dipoles, and squares of transition dipoles."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.spins.hamiltonian import spin_hamiltonian
from nadyn.electronic.operators import between_states, operator_at
from nadyn.electronic.properties import centre_of, check_operator
from nadyn.electronic.surfaces import energies_and_eigenvectors, in_blocks_of
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinStates

_CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Levels:
    """States at a batch of geometries.

    Attributes:
        energies: Ascending [hartree].
        dipoles: ⟨k|μ|k⟩ [e bohr], of an ion about its centre of mass.
        squares: |⟨k|μ|l⟩|² [e² bohr²].
    """

    energies: Float[np.ndarray, "geometry state"]
    dipoles: Float[np.ndarray, "geometry state 3"]
    squares: Float[np.ndarray, "geometry state state"]


def levels_and_dipoles(
    model: Model, positions: Float[np.ndarray, "geometry atom x"], *, n_states: int
) -> Levels:
    """Return what light sees at geometries.

    Args:
        model: A model that knows dipoles.
        positions: [bohr].
        n_states: Those of the run: either the states of the model, or its spin-adiabatic ones, which are as
            many as the model has states in every M_S.

    Raises:
        InputError: The model knows no dipoles, or has neither so many states nor so many spin-adiabatic ones.
    """
    check_operator(model, "dipole")
    states = _states_of(model, n_states)
    parts = []
    for start in range(0, len(positions), _CHUNK):
        part = torch.from_numpy(np.array(positions[start : start + _CHUNK], dtype=np.float64))
        energies, moments = states(part)
        own = moments.diagonal(dim1=1, dim2=2).movedim(-1, 1)
        own = own.real if own.is_complex() else own
        charge = getattr(model, "charge_of_dipole", 0)
        if charge:
            own = own - charge * centre_of(model, part, "center_of_mass")[:, None]
        parts.append((energies, own, (moments.abs() ** 2).sum(dim=-1)))
    return Levels(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


def _states_of(model: Model, n_states: int) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    if n_states == model.n_states:
        return lambda positions: _spin_free(model, positions)
    if isinstance(model, HasSpinStates) and n_states == sum(model.multiplicities):
        return lambda positions: _spin_adiabatic(model, positions)
    raise InputError(
        f"model {model.name} must have the {n_states} states of the run, but has {model.n_states}. "
        f"Take the model "
        "of the run."
    )


def _spin_free(model: Model, positions: Tensor) -> tuple[Tensor, Tensor]:
    energies, eigenvectors = energies_and_eigenvectors(model, positions)
    n = model.n_states
    return energies[:, :n], between_states(operator_at(model, "dipole", positions), eigenvectors[:, :, :n])


def _spin_adiabatic(model: HasSpinStates, positions: Tensor) -> tuple[Tensor, Tensor]:
    problem = spin_hamiltonian(model)

    def block(positions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = problem.evaluate(model, positions)
        vectors = found.eigenvectors
        operator = model.dipoles.to(vectors.dtype)
        return found.energies, torch.einsum("tak,abx,tbl->tklx", vectors.conj(), operator, vectors)

    return in_blocks_of(model, block, positions)
