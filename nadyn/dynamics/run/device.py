"""A run on another device than the processor: model and batch are there, samples and files are not."""

import torch

from nadyn.checks.errors import InputError
from nadyn.dynamics.state.batch import State, for_each_array
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model

PROCESSOR = torch.device("cpu")


def device_of(name: str | None) -> torch.device:
    """Return a device of this computer by its name; the processor without one.

    Raises:
        InputError: There is no such device.
    """
    if name is None:
        return PROCESSOR
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        known = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        raise InputError(
            f"`device` must be one of this computer that torch {torch.__version__} can use "
            f"({', '.join(known)}), but is {name!r}. Remove the key for the processor."
        ) from None
    if device.type == "meta":
        raise InputError("`device` must be one that computes, such as cpu or cuda, but is 'meta'.")
    return device


def model_on(model: Model, device: torch.device) -> Model:
    """Return the model for positions on a device.

    Raises:
        InputError: It can compute on the processor only.
    """
    if device == PROCESSOR:
        return model
    if not isinstance(model, LearnedModel | Committee):
        raise InputError(
            f"`device` must be left out for model {model.name}, which computes on the processor only, but is "
            f"{str(device)!r}. Remove it."
        )
    return model.to(device)


def state_on(state: State, device: torch.device) -> State:
    """Return the batch with its arrays on a device."""
    return for_each_array(lambda array: array.to(device), state)
