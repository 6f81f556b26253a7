"""What a decoherence correction is: it acts at the end of a step of surface hopping."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.electrons.propagation import Propagation
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.random_numbers import Draws
from nadyn.dynamics.state.step import Hops
from nadyn.models.model import Model


@dataclass(frozen=True)
class Moment:
    """The end of a step of surface hopping, when decoherence acts.

    Attributes:
        old: The batch before the step.
        new: The batch after it, hops made.
        hops: The hops of this step, frustrated ones included.
        propagation: What the coefficients went through.
        model: The model.
        masses: [electron mass].
        dt: Time step [au].
        draws: Random numbers of the step.
    """

    old: State
    new: State
    hops: Hops
    propagation: Propagation
    model: Model
    masses: Float[Tensor, "atom"]
    dt: float
    draws: Draws


def _nothing_to_remember(state: State, model: Model) -> State:
    return state


@dataclass(frozen=True)
class Decoherence:
    """A correction made ready.

    Attributes:
        act: Returns the batch with its coefficients corrected and its memory brought up to date.
        begin: Adds the memory to a batch that starts.
    """

    act: Callable[[Moment], State]
    begin: Callable[[State, Model], State] = _nothing_to_remember


def no_decoherence() -> Decoherence:
    """Return the correction that changes nothing."""
    return Decoherence(lambda moment: moment.new)


def collapse(
    coefficients: Complex[Tensor, "row state"], active_state: Int[Tensor, "row"]
) -> Complex[Tensor, "row state"]:
    """Return coefficients of size 1 on the active state, whose phase stays, and 0 elsewhere."""
    is_active = torch.nn.functional.one_hot(active_state, coefficients.shape[1]).bool()
    c = torch.view_as_real(coefficients)
    size = torch.sqrt(c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1])
    # An active state without any amplitude has no phase either; it gets phase 0.
    filled = size > 0
    real = torch.where(filled, c[..., 0], 1.0) / torch.where(filled, size, 1.0)
    imag = c[..., 1] / torch.where(filled, size, 1.0)
    return torch.complex(torch.where(is_active, real, 0.0), torch.where(is_active, imag, 0.0))
