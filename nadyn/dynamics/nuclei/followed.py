"""A label source is told where trajectories go, and says how far its labels are to be trusted there."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remember, remembers
from nadyn.dynamics.state.surplus import in_use
from nadyn.electronic.direct.model import DirectModel
from nadyn.models.model import Model


@dataclass(frozen=True)
class Answered:
    """The worst `Quality` of the labels that a trajectory has met in its step."""

    quality: Int[Tensor, "traj"]


def begin_following(state: State, model: Model) -> State:
    """Return the batch with the quality of the labels that it starts with."""
    if not isinstance(model, DirectModel):
        return state
    return remember(state, Answered(model.book.qualities(state.positions)))


def followed(
    state: State, model: Model, positions: Float[Tensor, "traj atom x"], *, forces: bool = True
) -> State:
    """Return the state before it moves to other positions, of which a label source has been told.

    Nothing happens for any other model.

    Args:
        state: The batch.
        model: Its model.
        positions: Where it goes.
        forces: Whether the force of the active state will be asked for there.
    """
    if not isinstance(model, DirectModel):
        return state
    active_state = state.active_state if forces else None
    quality = model.book.follow(state.positions, positions, active_state, used=in_use(state))
    if not remembers(state, Answered):
        return state
    return remember(state, Answered(torch.maximum(recall(state, Answered).quality, quality)))


def with_worst_of(state: State, rows: Int[Tensor, "row"], part: State) -> State:
    """Return a batch that knows also of the labels that some of its rows have met elsewhere."""
    if not remembers(state, Answered):
        return state
    quality = recall(state, Answered).quality
    met = torch.maximum(quality[rows], recall(part, Answered).quality)
    return remember(state, Answered(quality.index_copy(0, rows, met)))


def worst_quality(state: State, model: Model) -> Int[Tensor, "traj"]:
    """Return the worst quality of the labels of a step, with what a hop has asked for."""
    if not isinstance(model, DirectModel):
        return torch.zeros_like(state.active_state)
    quality = model.book.qualities(state.positions)
    return torch.maximum(quality, recall(state, Answered).quality) if remembers(state, Answered) else quality
