"""In which states a trajectory hops: what a step of surface hopping asks of them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.gradients import forces_and_couplings
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.electrons.ways import Propagate, begin_propagation, propagate
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import gap_of_active
from nadyn.dynamics.state.populations import Estimator
from nadyn.electronic.surfaces import ActiveSurface, active_surface
from nadyn.models.model import Model


@runtime_checkable
class Representation(Protocol):
    """The states of a surface hopping run."""

    @property
    def diabatic(self) -> Estimator | None:
        """Estimator of the diabatic populations in place of the method's."""

    def begin(self, state: State, model: Model) -> State:
        """Return a batch that starts on spin-free states in these states, with what propagation remembers."""

    def surface_at(
        self, model: Model, positions: Float[Tensor, "traj atom x"], active_state: Int[Tensor, "traj"]
    ) -> ActiveSurface:
        """Return energies, eigenvectors and the force on the active state."""

    def propagate(
        self, old: State, new: State, model: Model, masses: Float[Tensor, "atom"], dt: float
    ) -> Propagation:
        """Return the coefficients after a step from `old` to `new`."""

    def couplings(
        self, state: State, model: Model, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> tuple[Float[Tensor, "hop atom x"], Float[Tensor, "hop atom x"]]:
        """Return the force of the target states, and the coupling with the active ones that gives the
        direction of a kick."""

    def gap(self, state: State) -> Float[Tensor, "traj"]:
        """Return the smallest distance in energy from the active state to another level [hartree]."""

    def driven(self, state: State) -> bool:
        """Tell whether a field acts in the step that ends with this state."""

    def paid_by_field(
        self, state: State, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> Bool[Tensor, "hop"]:
        """Tell which attempted hops a field pays for instead of the kinetic energy."""


@dataclass(frozen=True)
class SpinFree:
    """The eigenstates of W.

    Attributes:
        propagation: How coefficients go through a step, see `ways.propagate`.
    """

    propagation: Propagate = "local_diabatisation"
    diabatic: Estimator | None = None

    def begin(self, state: State, model: Model) -> State:
        """Return the state with what the propagation remembers."""
        return begin_propagation(state, self.propagation)

    def surface_at(
        self, model: Model, positions: Float[Tensor, "traj atom x"], active_state: Int[Tensor, "traj"]
    ) -> ActiveSurface:
        """See `active_surface`."""
        return active_surface(model, positions, active_state)

    def propagate(
        self, old: State, new: State, model: Model, masses: Float[Tensor, "atom"], dt: float
    ) -> Propagation:
        """See `ways.propagate`."""
        return propagate(old, new, model, masses, dt=dt, by=self.propagation)

    def couplings(
        self, state: State, model: Model, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> tuple[Float[Tensor, "hop atom x"], Float[Tensor, "hop atom x"]]:
        """See `forces_and_couplings`."""
        return forces_and_couplings(state, model, rows, target)

    def gap(self, state: State) -> Float[Tensor, "traj"]:
        """Return the smallest distance in energy from the active state to another one [hartree]."""
        return gap_of_active(state.energies, state.active_state)

    def driven(self, state: State) -> bool:
        """Return False: no field acts on these states."""
        return False

    def paid_by_field(
        self, state: State, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
    ) -> Bool[Tensor, "hop"]:
        """Return False everywhere."""
        return torch.zeros_like(rows, dtype=torch.bool)
