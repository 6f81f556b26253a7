"""The state of a batch of trajectories: everything that the next step depends on."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, Inexact, Int
from torch import Tensor


@dataclass(frozen=True)
class State:
    """A batch of trajectories after `step` steps, in atomic units.

    Attributes:
        step: Number of steps made.
        trajectory: Number of each trajectory in the run; keys its random numbers.
        positions: Nuclear positions [bohr, or the model's generalised coordinate].
        momenta: Nuclear momenta [au].
        force: Force on the active state [hartree/bohr].
        energies: Adiabatic energies [hartree].
        eigenvectors: States as columns in the diabatic basis; `coefficients` refer to them, signs included.
            Complex where the states are spin-adiabatic.
        coefficients: Electronic coefficients in the adiabatic basis.
        active_state: State that the nuclei move on.
        weight: Statistical weight of each trajectory.
        total_energy: Conserved quantity: kinetic plus potential energy, minus `heat` [hartree].
        reference_total_energy: The same at the start [hartree].
        energy_error_max: Largest |total_energy - reference_total_energy| of all steps so far [hartree].
        heat: Energy that a thermostat or a laser field has brought in [hartree].
        surplus_gap: From the highest state in use to the lowest surplus eigenvalue [hartree]; inf without
            one. In use are all states in surface hopping, and the active one where the nuclei stay on it.
        novelty: Fraction of descriptors beyond the training set.
        extra: What a method remembers of each trajectory beyond all this, by name; real or complex,
            trajectories first. A method makes its entries at the start of a run, and their shapes stay.
    """

    step: int
    trajectory: Int[Tensor, "traj"]
    positions: Float[Tensor, "traj atom x"]
    momenta: Float[Tensor, "traj atom x"]
    force: Float[Tensor, "traj atom x"]
    energies: Float[Tensor, "traj state"]
    eigenvectors: Inexact[Tensor, "traj basis state"]
    coefficients: Complex[Tensor, "traj state"]
    active_state: Int[Tensor, "traj"]
    weight: Float[Tensor, "traj"]
    total_energy: Float[Tensor, "traj"]
    reference_total_energy: Float[Tensor, "traj"]
    energy_error_max: Float[Tensor, "traj"]
    heat: Float[Tensor, "traj"]
    surplus_gap: Float[Tensor, "traj"]
    novelty: Float[Tensor, "traj"]
    extra: dict[str, Tensor] = field(default_factory=dict)


# The arrays that every method has.
ARRAYS = tuple(field.name for field in fields(State) if field.name not in ("step", "extra"))
_EXTRA, _EXTRA_COMPLEX = "extra/", "extra_complex/"
_COMPLEX_EIGENVECTORS = "eigenvectors_complex"


def for_each_array(function: Callable[..., Tensor], first: State, *others: State) -> State:
    """Return `first` with every array replaced by the function of it and of the same array of the others."""
    changed = {name: function(*(getattr(state, name) for state in (first, *others))) for name in ARRAYS}
    extra = {name: function(*(state.extra[name] for state in (first, *others))) for name in first.extra}
    return replace(first, **changed, extra=extra)


def select(state: State, rows: Int[Tensor, "row"] | Bool[Tensor, "traj"]) -> State:
    """Return the chosen trajectories as a smaller batch."""
    return for_each_array(lambda array: array[rows], state)


def take_back(new: State, old: State, rows: Bool[Tensor, "traj"]) -> State:
    """Return `new` with the marked trajectories as they were in `old`."""

    def chosen(after: Tensor, before: Tensor) -> Tensor:
        return torch.where(rows.reshape(-1, *[1] * (after.ndim - 1)), before, after)

    return for_each_array(chosen, new, old)


def to_arrays(state: State) -> dict[str, np.ndarray]:
    """Return the state as real NumPy arrays; complex ones get a last axis (re, im). `step` is left out."""
    arrays = {name: getattr(state, name) for name in ARRAYS}
    arrays["coefficients"] = _as_real(state.coefficients)
    if state.eigenvectors.is_complex():
        arrays[_COMPLEX_EIGENVECTORS] = _as_real(arrays.pop("eigenvectors"))
    for name, array in state.extra.items():
        prefix = _EXTRA_COMPLEX if array.is_complex() else _EXTRA
        arrays[prefix + name] = _as_real(array) if array.is_complex() else array
    return {name: np.ascontiguousarray(array.cpu().numpy()) for name, array in arrays.items()}


def from_arrays(arrays: dict[str, np.ndarray], step: int) -> State:
    """Return the state that `to_arrays` took apart."""
    tensors = {name: torch.from_numpy(np.array(arrays[name])) for name in arrays}
    if _COMPLEX_EIGENVECTORS in tensors:
        tensors["eigenvectors"] = torch.view_as_complex(tensors.pop(_COMPLEX_EIGENVECTORS))
    common = {name: tensors[name] for name in ARRAYS}
    common["coefficients"] = torch.view_as_complex(common["coefficients"])
    extra = {}
    for name, tensor in tensors.items():
        if name.startswith(_EXTRA):
            extra[name.removeprefix(_EXTRA)] = tensor
        if name.startswith(_EXTRA_COMPLEX):
            extra[name.removeprefix(_EXTRA_COMPLEX)] = torch.view_as_complex(tensor)
    return State(step=step, **common, extra=extra)


def _as_real(array: Tensor) -> Tensor:
    return torch.view_as_real(array.resolve_conj())
