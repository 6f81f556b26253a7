"""How long a trajectory has been on the lowest state without a break: who stays there may end, as a result.

So do other programs (`killafter` of SHARC): after a while on the ground state a molecule hardly comes back to
an excited one, and what it does there is long and hot. Populations take it for staying; what becomes of its
geometry is not known.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remember, remembers


@dataclass(frozen=True)
class StepsOnLowest:
    """Steps that ended on the lowest state, in a row up to now.

    Attributes:
        n: How many.
    """

    n: Int[Tensor, "traj"]


def counting(state: State) -> State:
    """Return a batch that begins to count."""
    return remember(state, StepsOnLowest(torch.zeros_like(state.active_state)))


def counted_step(state: State) -> State:
    """Return a batch after a step with its count; as it is where nothing is counted."""
    if not remembers(state, StepsOnLowest):
        return state
    before = recall(state, StepsOnLowest).n
    return remember(state, StepsOnLowest(torch.where(state.active_state == 0, before + 1, 0)))


def settled(state: State, n_steps: int) -> Bool[Tensor, "traj"]:
    """Tell which have been there for so many steps."""
    return recall(state, StepsOnLowest).n >= n_steps
