"""What a method declares of itself and is made of; the table of all methods is in `table`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import gap_of_active
from nadyn.dynamics.state.populations import Estimator
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Hops, Step, finish_step, no_hops
from nadyn.models.model import Model
from nadyn.trajectory import MovesOn


class NoOptions(Configuration):
    """The `options` of a method that has none."""


@dataclass(frozen=True)
class Drift:
    """A time step up to its first random number: all that may decide how long the step is.

    Attributes:
        before: The batch before the step.
        after: The batch after it, `total_energy` included, before anything is drawn: where a method draws
            hops, every trajectory is on the state that it was on before.
        dt: Its length [au].
        made: What the coefficients went through; None where they do not move.
        hops: Hops without a random number, of methods whose hops are certain; None where there are none.
        intruder: Whose states were lost to surplus ones; None where no step can lose them.
    """

    before: State
    after: State
    dt: float
    made: Propagation | None = None
    hops: Hops | None = None
    intruder: Bool[Tensor, "traj"] | None = None


def nothing_drawn(drift: Drift, model: Model, draws: Draws) -> Step:
    """Return the step of a method that draws nothing in it: all of it was certain."""
    hops = no_hops(drift.after.positions.device) if drift.hops is None else drift.hops
    return finish_step(drift.before, drift.after, hops, intruder=drift.intruder)


def as_it_is(state: State, model: Model) -> State:
    """Return the state: most methods need nothing more than positions, momenta and an electronic state."""
    return state


def smallest_gap(state: State) -> Float[Tensor, "traj"]:
    """Return the smallest distance in energy from the active state to another one [hartree]."""
    return gap_of_active(state.energies, state.active_state)


def smallest_gap_of_neighbours(state: State) -> Float[Tensor, "traj"]:
    """Return the smallest distance in energy of two neighbouring states [hartree]: motion on a mean has no
    state of its own."""
    return (state.energies[:, 1:] - state.energies[:, :-1]).abs().amin(1)


@dataclass(frozen=True)
class Stepping:
    """A method made ready for one run: the two halves of its time step.

    A step is judged, and perhaps divided, after `drift` and before `draw`. Random numbers are handed to
    `draw` alone, so that no hop can have a say in whether its own step counts.

    Attributes:
        drift: Everything before the first random number, over a given time [au].
        draw: The rest of the step; nothing where a method has no random numbers.
        begin: Completes the state of a batch that starts: draws what the method draws, makes its memory, and
            sets `force` and `total_energy` where they are not those of the active state.
        gap: The gap near which `adaptive` divides steps.
        diabatic: Estimator of the diabatic populations in place of the method's, where states are others.
    """

    drift: Callable[[State, Model, float], Drift]
    draw: Callable[[Drift, Model, Draws], Step] = nothing_drawn
    begin: Callable[[State, Model], State] = as_it_is
    gap: Callable[[State], Float[Tensor, "traj"]] = smallest_gap
    diabatic: Estimator | None = None

    def whole(self, state: State, model: Model, dt: float, draws: Draws) -> Step:
        """Advance a batch by one undivided time step."""
        return self.draw(self.drift(state, model, dt), model, draws)


@dataclass(frozen=True)
class Motion:
    """A method as a run uses it, with all that a run file adds to it.

    Attributes:
        step: Advances a batch by one time step.
        begin: Completes the state of a batch that starts.
        diabatic: Estimator of the diabatic populations in place of the method's, where states are others.
    """

    step: Callable[[State, Model], Step]
    begin: Callable[[State, Model], State]
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
        other_names: What other programs and papers call it.
        only: Further keys, each with the one value that is what the method does anyway.
        moves_on: What the nuclei of a trajectory move on.
        amplitudes_are_populations: Whether mean |c|^2 should equal the populations that `adiabatic` gives.
        mixes_spins: Whether it hops among spin-adiabatic states where the model has spin-orbit coupling.
        needs_fixed_basis: Whether its variables belong to a fixed diabatic basis.
    """

    build: Callable[[RunConfiguration, Model, Float[Tensor, "atom"]], Stepping]
    keys: frozenset[str]
    adiabatic: Estimator
    diabatic: Estimator
    moves_coefficients: bool
    needs_two_states: bool
    options: type[Configuration] = NoOptions
    other_names: tuple[str, ...] = ()
    only: Mapping[str, str] = field(default_factory=dict)
    moves_on: MovesOn = "active state"
    amplitudes_are_populations: bool = False
    mixes_spins: bool = False
    needs_fixed_basis: bool = False
