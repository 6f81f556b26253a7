"""In which states a trajectory hops: what a step of surface hopping asks of them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.gradients import forces_and_couplings
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.electrons.ways import propagate
from nadyn.dynamics.nuclei.verlet import SurfaceAt
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.populations import Estimator
from nadyn.electronic.surfaces import active_surface
from nadyn.models.model import Model

Couplings = Callable[
    [State, Model, Int[Tensor, "hop"], Int[Tensor, "hop"]],
    tuple[Float[Tensor, "hop atom x"], Float[Tensor, "hop atom x"]],
]


def _as_it_is(state: State, model: Model) -> State:
    return state


def _nothing_paid(state: State, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]) -> Bool[Tensor, "hop"]:
    return torch.zeros_like(rows, dtype=torch.bool)


def _never(state: State) -> bool:
    return False


@dataclass(frozen=True)
class Representation:
    """The states of a surface hopping run.

    Attributes:
        surface_at: Energies, eigenvectors and the force on the active state.
        propagate: Coefficients after a step, arguments as of `ways.propagate`.
        couplings: Force of the target states, and the direction-giving coupling with the active ones.
        begin: Turns a batch that starts on spin-free states into these states.
        paid_by_field: Which attempted hops a field pays for instead of the kinetic energy.
        driven: Whether a field acts in the step that ends with this state.
        diabatic: Estimator of the diabatic populations in place of the method's.
    """

    surface_at: SurfaceAt = active_surface
    propagate: Callable[..., Propagation] = propagate
    couplings: Couplings = forces_and_couplings
    begin: Callable[[State, Model], State] = _as_it_is
    paid_by_field: Callable[[State, Tensor, Tensor], Tensor] = _nothing_paid
    driven: Callable[[State], bool] = _never
    diabatic: Estimator | None = None


SPIN_FREE = Representation()
