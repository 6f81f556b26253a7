"""A model file whose header announces more weights than it holds is refused before room is made for them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.models.hyperparameters import untrained_potential

# Networks that cannot be larger than this are built without a look.
_HARMLESS = 100_000_000


def check_announced_size(header: Mapping, tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse a header whose network would be much larger than all tensors of its file.

    The product of all numbers in the settings is far above the number of weights. Where it is large, the
    network is built without memory, which takes seconds, and its weights are counted.

    Raises:
        InputError: They are more than the file holds.
    """
    settings = header["hyperparameters"]
    held = sum(tensor.numel() for tensor in tensors.values())
    hidden = [int(one) for one in settings["hidden"]]
    if len(hidden) <= len(tensors):
        widest = max([1, *hidden])
        if _product(settings["encoder"]) * widest * widest <= _HARMLESS:
            return
        if widest <= held:
            with torch.device("meta"):
                needed = sum(one.numel() for one in untrained_potential(dict(header)).state_dict().values())
            if needed <= 2 * held + _HARMLESS // 100:
                return
    raise InputError(
        f"model file {str(path)!r} must hold the tensors its header announces, but does not: they would be "
        "larger than the file."
    )


def _product(settings: object) -> int:
    """Return the product of all whole numbers above 1 in settings."""
    if isinstance(settings, Mapping):
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        product = 1
        for one in settings:
            product = min(product * _product(one), 10 * _HARMLESS)
        return product
    return settings if isinstance(settings, int) and settings > 1 else 1
