"""How often the probabilities of one step had to be cut to a sum of 1, counted for each trajectory."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remember, remembers


@dataclass(frozen=True)
class CutProbabilities:
    """In how many steps of each trajectory, parts of divided ones included, so far."""

    n: Float[Tensor, "traj"]


def begin_cuts(state: State) -> State:
    """Return the state with a count of zero."""
    return remember(state, CutProbabilities(torch.zeros_like(state.weight)))


def count_cuts(state: State, cut: Bool[Tensor, "traj"]) -> State:
    """Return the state with one more where probabilities were cut; a state without a count has none."""
    if not remembers(state, CutProbabilities):
        return state
    return remember(state, CutProbabilities(recall(state, CutProbabilities).n + cut.double()))
