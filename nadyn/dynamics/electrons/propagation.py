"""What a propagation over one step gives back."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

# Adiabatic states at one time: energies [hartree], and eigenvectors as columns.
Levels = tuple[Float[Tensor, "traj state"], Float[Tensor, "traj basis state"]]
SpinLevels = tuple[Float[Tensor, "traj state"], Complex[Tensor, "traj spin_state state"]]


@dataclass(frozen=True)
class Propagation:
    """Coefficients after a step, and how they came about.

    Attributes:
        coefficients: c(t+dt), referring to the eigenvectors of the new geometry.
        propagator: R in c(t+dt) = R c(t).
        smallest_overlap: Smallest singular value of the overlap matrix S; 1 where the states of both
            geometries span the same space, small where a state of the old geometry has left them.
        follows: The state after the step that each state before it has become, where a propagation tells
            that; `coefficients` and `propagator` are then in the order of the states before the step.
        memory: What the next step has to know of this one, see `memory`.
        eigenvectors: States at the new geometry, where the propagation has chosen others of equal energies.
    """

    coefficients: Complex[Tensor, "traj state"]
    propagator: Complex[Tensor, "traj state state2"]
    smallest_overlap: Float[Tensor, "traj"]
    follows: Int[Tensor, "traj state"] | None = None
    memory: object | None = None
    eigenvectors: Complex[Tensor, "traj basis state"] | None = None


def in_sequence(first: Propagation, second: Propagation) -> Propagation:
    """Return two successive propagations as one."""
    n = first.coefficients.shape[1]
    terms = [second.propagator[:, :, k, None] * first.propagator[:, None, k, :] for k in range(n)]
    return Propagation(
        second.coefficients,
        sum(terms[1:], terms[0]),
        torch.minimum(first.smallest_overlap, second.smallest_overlap),
    )
