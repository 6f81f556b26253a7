"""What a method declares of itself; the table of all methods is in `methods`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.populations import Estimator
from nadyn.dynamics.state.step import Step
from nadyn.models.model import Model
from nadyn.trajectory import MovesOn


class NoOptions(Configuration):
    """The `options` of a method that has none."""


def as_it_is(state: State, model: Model) -> State:
    """Return the state: most methods need nothing more than positions, momenta and an electronic state."""
    return state


@dataclass(frozen=True)
class Motion:
    """A method made ready for one run.

    Attributes:
        step: Advances a batch by one time step.
        begin: Completes the state of a batch that starts: draws what the method draws, makes the entries of
            `State.extra`, and sets `force` and `total_energy` where they are not those of the active state.
        diabatic: Estimator of the diabatic populations in place of the method's, where states are others.
    """

    step: Callable[[State, Model], Step]
    begin: Callable[[State, Model], State] = as_it_is
    diabatic: Estimator | None = None


@dataclass(frozen=True)
class Method:
    """How a run file becomes a time step, and how its populations are to be counted.

    Attributes:
        build: Makes the method ready, from the run file, the model and the masses; refuses what it cannot do.
        keys: Keys of the run file that it understands beyond those of every run.
        adiabatic: Estimator of the adiabatic populations.
        diabatic: Estimator of the diabatic populations, where the diabatic basis is fixed.
        moves_coefficients: Whether the electronic coefficients follow Schroedinger's equation; where they do
            not, a trajectory is in its active state and nowhere else.
        needs_two_states: Whether one state is too few.
        options: What stands under `options` in the run file.
        only: Further keys, each with the one value that is what the method does anyway.
        moves_on: What the nuclei of a trajectory move on.
        amplitudes_are_populations: Whether mean |c|^2 should equal the populations that `adiabatic` gives.
        mixes_spins: Whether it hops among spin-adiabatic states where the model has spin-orbit coupling.
    """

    build: Callable[[RunConfiguration, Model, Float[Tensor, "atom"]], Motion]
    keys: frozenset[str]
    adiabatic: Estimator
    diabatic: Estimator
    moves_coefficients: bool
    needs_two_states: bool
    options: type[Configuration] = NoOptions
    only: Mapping[str, str] = field(default_factory=dict)
    moves_on: MovesOn = "active state"
    amplitudes_are_populations: bool = False
    mixes_spins: bool = False
