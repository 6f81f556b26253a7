"""Searches side by side: what all of them want to know is asked together."""

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import numpy as np

from nadyn.electronic.crossings.landscape import Landscape, Point

End = TypeVar("End")


def drive(
    landscape: Landscape,
    searches: Sequence[Generator[np.ndarray, Point, End]],
    report: Callable[[int], None] | None = None,
) -> list[End]:
    """Return where each search ended.

    Args:
        landscape: Answers.
        searches: Not begun yet.
        report: Called with the number of searches that still go on, after each round.
    """
    ends: dict[int, End] = {}
    wanted = {number: next(search) for number, search in enumerate(searches)}
    while wanted:
        points = landscape.ask(list(wanted.values()))
        asked, wanted = list(wanted), {}
        for number, point in zip(asked, points, strict=True):
            try:
                wanted[number] = searches[number].send(point)
            except StopIteration as end:
                ends[number] = end.value
        if report is not None:
            report(len(wanted))
    return [ends[number] for number in range(len(searches))]
