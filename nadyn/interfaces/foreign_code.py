"""Code that is not ours: whatever it raises at one geometry is the answer for that geometry, and no end."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from nadyn.checks.errors import InputError

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Outcome:
    """What a call of foreign code came to.

    Attributes:
        value: What it returned; None where it raised.
        problem: What it raised, as a phrase; empty where it returned.
        seconds: Processor time of this process, or the time that passed where that was spent elsewhere.
    """

    value: object
    problem: str
    seconds: float


def outcome_of(call: Callable[[], object]) -> Outcome:
    """Call foreign code, and keep what it raises.

    Which classes a program raises is not ours to list, and many have one of their own that derives from
    nothing else; this is the one place that takes all of them. An interrupt is none of them.

    Raises:
        InputError: A module is missing, and would be at every other geometry.
    """
    processor, clock = time.process_time(), time.perf_counter()
    value, problem = None, ""
    try:
        value = call()
    except ImportError as error:
        raise InputError(f"a module must be there, but is not: {error}. Install it.") from error
    except Exception as error:
        text = " ".join(str(error).split())[:_LONGEST_REASON]
        problem = f"{type(error).__name__}: {text}" if text else type(error).__name__
    spent = time.process_time() - processor
    # A program that is started from here counts its own time.
    waited = time.perf_counter() - clock
    return Outcome(value, problem, waited if spent < 0.5 * waited else spent)


def imported(name: str, *, key: str) -> object:
    """Return what a dotted name stands for: `package.module.Name`.

    Args:
        name: The name.
        key: The key of the configuration that it stands in, for the sentence.

    Raises:
        InputError: There is no such module, or nothing of that name in it.
    """
    module, _, attribute = name.rpartition(".")
    if not module or not all(part.isidentifier() for part in name.split(".")):
        raise InputError(f"`{key}` must be a dotted name as in package.module.Name, but is {name!r}.")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"`{key}` must be in a module that can be imported, but {module!r} cannot: {error}. "
            f"Install {module.partition('.')[0]}, or check the name."
        ) from error
    if not hasattr(found, attribute):
        raise InputError(
            f"`{key}` must be in module {module}, but {attribute!r} is not there. Check the name."
        )
    return getattr(found, attribute)
