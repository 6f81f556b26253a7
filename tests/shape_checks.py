"""What checks the annotations of nadyn while the tests run: beartype, where it is worth its time."""

from collections.abc import Callable

import beartype


def at_the_doors(function: Callable) -> Callable:
    """Check calls of a function or class, unless it is defined inside another function.

    An inner function is made anew at each call of the outer one, and generating its checks takes far longer
    than the work of a small model; what goes into it has been checked on the way into the outer one.
    """
    if "<locals>" in function.__qualname__:
        return function
    return beartype.beartype(function)
