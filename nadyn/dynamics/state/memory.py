"""What a trajectory remembers beyond its state: one frozen dataclass of arrays for each who remembers.

The arrays lie in `State.extra` under the name of the class and of the field, "divided_steps.n", so that
batches are cut and joined and checkpoints written without knowing who remembers what.
"""

import re
from dataclasses import fields, replace
from functools import cache
from typing import TypeVar

from nadyn.dynamics.state.batch import State

Memory = TypeVar("Memory")


def remember(state: State, memory: object) -> State:
    """Return the state with a memory in place of the one of the same class, if there was one."""
    entries = {_key(type(memory), field.name): getattr(memory, field.name) for field in fields(memory)}
    return replace(state, extra={**state.extra, **entries})


def recall(state: State, kind: type[Memory]) -> Memory:
    """Return the memory of a class.

    Raises:
        KeyError: The batch was begun without it.
    """
    return kind(**{field.name: state.extra[_key(kind, field.name)] for field in fields(kind)})


def remembers(state: State, kind: type) -> bool:
    """Tell whether there is a memory of a class."""
    return _key(kind, fields(kind)[0].name) in state.extra


@cache
def _key(kind: type, name: str) -> str:
    return f"{re.sub('(?<!^)(?=[A-Z])', '_', kind.__name__).lower()}.{name}"
