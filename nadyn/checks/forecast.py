"""What a file would do, said before it is done: facts, and everything doubtful."""

import resource
import sys
from dataclasses import dataclass

from nadyn.checks.counts import counted


@dataclass(frozen=True)
class Forecast:
    """What `nadyn check` says of one file.

    Attributes:
        facts: What, and how much, in the order in which people ask.
        doubts: Sentences about what may be used but looks wrong.
    """

    facts: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]


def time_in_words(seconds: float) -> str:
    """Return a duration with two digits: 0.4 s, 12 s, 3.5 minutes, 14 hours, 2.5 days."""
    for unit, length, least in (("days", 86400.0, 2.0), ("hours", 3600.0, 1.0), ("minutes", 60.0, 2.0)):
        if seconds >= least * length:
            number = _two_digits(seconds / length)
            return f"{number} {unit.removesuffix('s') if number == '1' else unit}"
    return f"{_two_digits(seconds)} s"


def size_in_words(n_bytes: float) -> str:
    """Return a size with two digits, in powers of 1,000: 800 bytes, 1.2 MB."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= length:
            return f"{_two_digits(n_bytes / length)} {unit}"
    return counted(round(n_bytes), "byte")


def peak_memory() -> int:
    """Return the most memory that this process has had so far [bytes]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
