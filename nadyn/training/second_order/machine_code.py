"""Whether there is machine code, and how a program becomes it."""

import warnings
from functools import cache

import torch

from nadyn.checks.errors import InputWarning
from nadyn.models.kernels.applies import is_off
from nadyn.models.kernels.compiled import first_line, host, machine_code

__all__ = ["REALS", "can_compile", "lanes_of", "machine_code"]

REALS = {torch.float32: "float", torch.float64: "double"}


def can_compile(device: torch.device, precision: torch.dtype) -> bool:
    """Tell whether there is machine code for arrays on a device, in a precision; it is compiled at first.

    Where that fails it is said once, and torch does the same.
    """
    return (
        device.type == "cpu"
        and precision in REALS
        and host().refusal is None
        and not is_off()
        and _compiles(REALS[precision])
    )


@cache
def _compiles(real: str) -> bool:
    # They ask this file for `machine_code`.
    from nadyn.training.products import compiled as compiled_products
    from nadyn.training.second_order import compiled_encoding, compiled_geometry

    try:
        for module in (compiled_encoding, compiled_geometry, compiled_products):
            module.compiled(real)
    except (RuntimeError, OSError, AttributeError, TypeError) as error:
        # Whatever another version of llvmlite, or another processor, makes of it.
        warnings.warn(
            f"kernels for training could not be compiled ({first_line(error)}); torch does the same, slower.",
            InputWarning,
            stacklevel=3,
        )
        return False
    return True


def lanes_of(real: str) -> int:
    """Return how many numbers, "float" or "double", one instruction works on."""
    return host().lanes if real == "float" else host().lanes // 2
