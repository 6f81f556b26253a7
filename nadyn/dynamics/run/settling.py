"""How long a trajectory has been on the lowest state without a break: who stays there may end, as a result.

So do other programs (`killafter` of SHARC): after a while on the ground state a molecule hardly comes back to
an excited one, and what it does there is long and hot. Populations take it for staying; what becomes of its
geometry is not known.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remember, remembers
from nadyn.dynamics.state.step import Step


@dataclass(frozen=True)
class StepsOnLowest:
    """Steps that began and ended on the lowest state without a hop, in a row up to now.

    Attributes:
        n: How many.
    """

    n: Int[Tensor, "traj"]


def counting(state: State) -> State:
    """Return a batch that begins to count."""
    return remember(state, StepsOnLowest(torch.zeros_like(state.active_state)))


def counted_step(step: Step) -> Step:
    """Return a step with the count of its batch; as it is where nothing is counted."""
    state, hops = step.state, step.hops
    if not remembers(state, StepsOnLowest):
        return step
    # The hop that brings a trajectory there is the end of a step; one that was divided may hold a visit to an
    # upper state and the way back.
    stayed = state.active_state == 0
    stayed[hops.row[hops.accepted]] = False
    before = recall(state, StepsOnLowest).n
    n = torch.where(stayed, before + 1, 0)
    return replace(step, state=remember(state, StepsOnLowest(n)))


def settled(state: State, n_steps: int) -> Bool[Tensor, "traj"]:
    """Tell which have been there for so many steps."""
    return recall(state, StepsOnLowest).n >= n_steps
