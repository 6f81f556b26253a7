"""What is known of a potential from its last evaluation: machine code with its weights."""

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import nn

from nadyn.checks.errors import InputWarning
from nadyn.models.kernels.applies import Tables, is_off, stamp, tables_of
from nadyn.models.kernels.compiled import first_line


@dataclass
class Known:
    """What is known of a potential for some atoms.

    Attributes:
        tables: See `tables_of`.
        stamp: State of the weights that the kernel has.
        bound: The kernel, or None where it does not serve.
        is_checked: Whether it was compared with the reference.
    """

    tables: Tables
    stamp: tuple[object, ...]
    bound: object | None
    is_checked: bool = False


# Of one potential: the atoms around a processor's own change all the time, and each time they are others.
_MOST_KNOWN = 64

KNOWN: WeakKeyDictionary[nn.Module, dict[Hashable, Known]] = WeakKeyDictionary()


def known_of(
    potential: nn.Module,
    key: Hashable,
    *,
    refusal: Callable[[], str | None],
    bind: Callable[[], object],
) -> Known | None:
    """Return what is known where the path is taken, compiled at the first time, else None.

    Args:
        potential: What was trained.
        key: Names the atoms and the kind of kernel.
        refusal: Tells why the path is not taken, or None.
        bind: Compiles it.
    """
    if is_off():
        return None
    of_potential = KNOWN.setdefault(potential, {})
    known = of_potential.get(key)
    tables = tables_of(potential) if known is None else known.tables
    now = stamp(tables)
    if now is None:
        return None
    if known is None or known.stamp != now:
        known = of_potential[key] = Known(tables_of(potential), now, None)
        if len(of_potential) > _MOST_KNOWN:
            of_potential.pop(next(iter(of_potential)), None)
        known.stamp = stamp(known.tables)
        if refusal() is None:
            try:
                known.bound = bind()
            except (RuntimeError, OSError, AttributeError, TypeError) as error:
                # Whatever another version of llvmlite, or another processor, makes of it.
                say(f"kernels could not be compiled ({first_line(error)})")
    return None if known.bound is None else known


def say(what: str) -> None:
    """Warn that the networks of torch are used, and why."""
    warnings.warn(f"{what}; the networks of torch are used.", InputWarning, stacklevel=5)
