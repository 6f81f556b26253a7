"""The state of a batch of trajectories: everything that the next step depends on."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, Int
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
        coefficients: Electronic coefficients in the adiabatic basis.
        active_state: State that the nuclei move on.
        weight: Statistical weight of each trajectory.
        total_energy: Conserved quantity: kinetic plus potential energy, minus `heat` [hartree].
        reference_total_energy: The same at the start [hartree].
        energy_error_max: Largest |total_energy - reference_total_energy| of all steps so far [hartree].
        heat: Energy that a thermostat has brought in [hartree].
        surplus_gap: From the highest state in use to the lowest surplus eigenvalue [hartree]; inf without
            one. In use are all states in surface hopping, and the active one where the nuclei stay on it.
        novelty: Fraction of descriptors beyond the training set.
    """

    step: int
    trajectory: Int[Tensor, "traj"]
    positions: Float[Tensor, "traj atom x"]
    momenta: Float[Tensor, "traj atom x"]
    force: Float[Tensor, "traj atom x"]
    energies: Float[Tensor, "traj state"]
    eigenvectors: Float[Tensor, "traj basis state"]
    coefficients: Complex[Tensor, "traj state"]
    active_state: Int[Tensor, "traj"]
    weight: Float[Tensor, "traj"]
    total_energy: Float[Tensor, "traj"]
    reference_total_energy: Float[Tensor, "traj"]
    energy_error_max: Float[Tensor, "traj"]
    heat: Float[Tensor, "traj"]
    surplus_gap: Float[Tensor, "traj"]
    novelty: Float[Tensor, "traj"]


ARRAYS = tuple(field.name for field in fields(State) if field.name != "step")


def select(state: State, rows: Int[Tensor, "row"] | Bool[Tensor, "traj"]) -> State:
    """Return the chosen trajectories as a smaller batch."""
    return replace(state, **{name: getattr(state, name)[rows] for name in ARRAYS})


def take_back(new: State, old: State, rows: Bool[Tensor, "traj"]) -> State:
    """Return `new` with the marked trajectories as they were in `old`."""
    changed = {}
    for name in ARRAYS:
        after, before = getattr(new, name), getattr(old, name)
        changed[name] = torch.where(rows.reshape(-1, *[1] * (after.ndim - 1)), before, after)
    return replace(new, **changed)


def to_arrays(state: State) -> dict[str, np.ndarray]:
    """Return the state as real NumPy arrays; `coefficients` get a last axis (re, im). `step` is left out."""
    arrays = {name: getattr(state, name) for name in ARRAYS}
    arrays["coefficients"] = torch.view_as_real(state.coefficients.resolve_conj())
    return {name: np.ascontiguousarray(array.numpy()) for name, array in arrays.items()}


def from_arrays(arrays: dict[str, np.ndarray], step: int) -> State:
    """Return the state that `to_arrays` took apart."""
    tensors = {name: torch.from_numpy(np.array(arrays[name])) for name in ARRAYS}
    tensors["coefficients"] = torch.view_as_complex(tensors["coefficients"])
    return State(step=step, **tensors)
