"""What checks the annotations of nadyn while the tests run: jaxtyping and beartype, but not at every call."""

import functools
import inspect
from collections.abc import Callable

import beartype
import jaxtyping

FIRST_CALLS = 10
# A prime, so that no rhythm of a loop is always passed over.
AFTERWARDS_ONE_IN = 17

_checker = jaxtyping.jaxtyped
_test = 0


def install() -> None:
    """Check calls into every module of nadyn that is imported from now on."""
    # The import hook decorates functions and classes with what it finds under this name.
    jaxtyping.jaxtyped = sparing
    jaxtyping.install_import_hook("nadyn", "beartype.beartype")


def begin_test() -> None:
    """Count calls of every function from the first one again."""
    global _test
    _test += 1


def sparing(checked: Callable | None = None, *, typechecker: Callable = beartype.beartype) -> Callable:
    """Check the first calls of a function, or of what makes a dataclass, in each test, and some of the rest.

    A check takes longer than the work of a small model, and what a loop does wrong it does in its first
    rounds or again and again. Generating the checks takes milliseconds a function, and waits for its first
    call. A function that is defined inside another one is made anew at each call of the outer one, and is
    never checked: what goes into it has been checked on the way into the outer one. Nor is what writes
    machine code, with `ir` of llvmlite: it knows no shapes, and one kernel is a hundred thousand calls.
    """
    if checked is None:
        return functools.partial(sparing, typechecker=typechecker)
    if inspect.isclass(checked):
        # A class that writes its own `__init__` has had it decorated as a function.
        if "__dataclass_fields__" in vars(checked) and not hasattr(checked.__init__, "__wrapped__"):
            checked.__init__ = sparing(checked.__init__, typechecker=typechecker)
        return checked
    if "<locals>" in checked.__qualname__ or "ir" in checked.__globals__:
        return checked
    with_checks, test, calls = None, -1, 0

    @functools.wraps(checked)
    def call(*args, **kwargs):
        nonlocal with_checks, test, calls
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:
            return checked(*args, **kwargs)
        if test != _test:
            test, calls = _test, 0
        calls += 1
        if calls > FIRST_CALLS and calls % AFTERWARDS_ONE_IN:
            return checked(*args, **kwargs)
        if with_checks is None:
            with_checks = _checker(checked, typechecker=typechecker)
        return with_checks(*args, **kwargs)

    return call
