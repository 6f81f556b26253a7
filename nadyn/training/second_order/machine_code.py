"""Whether there is machine code, and how a program becomes it."""

import torch

from nadyn.models.kernels.applies import is_off
from nadyn.models.kernels.compiled import host, machine_code

__all__ = ["can_compile", "lanes_of", "machine_code"]


def can_compile(device: torch.device) -> bool:
    """Tell whether there is machine code for arrays on a device."""
    return device.type == "cpu" and host().refusal is None and not is_off()


def lanes_of(real: str) -> int:
    """Return how many numbers, "float" or "double", one instruction works on."""
    return host().lanes if real == "float" else host().lanes // 2
