"""What every thermostat is: a map of momenta over a time, and what it remembers of a trajectory."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.units import FEMTOSECOND_PER_AU

# A rate of one a picosecond [1/au of time].
PER_PS = 1e-3 * FEMTOSECOND_PER_AU


def nothing_to_remember(state: State) -> State:
    """Return the state: most thermostats have no variables of their own."""
    return state


@dataclass(frozen=True)
class Bathed:
    """What a thermostat makes of the momenta of a batch.

    Attributes:
        momenta: Afterwards [au].
        heat: Energy that has come in, in this step; what is left of the total energy without all heat is
            conserved [hartree].
        memory: What the thermostat is to remember, see `memory`.
    """

    momenta: Float[Tensor, "traj atom x"]
    heat: Float[Tensor, "traj"]
    memory: object | None = None


@dataclass(frozen=True)
class Thermostat:
    """A thermostat made ready for one run.

    Attributes:
        act: Changes the given momenta over a time step; the state says whose they are and which step it is.
        begin: Makes the memory of a batch that starts.
    """

    act: Callable[[State, Float[Tensor, "traj atom x"]], Bathed]
    begin: Callable[[State], State] = nothing_to_remember
