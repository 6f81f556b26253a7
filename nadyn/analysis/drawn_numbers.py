"""The numbers of a figure as comma-separated values: those that it was given, or those that were drawn."""

import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection, LineCollection, PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, StepPatch

_HEAD = ("panel", "x_axis", "y_axis", "kind", "series", "x", "y")
_Row = tuple[str, str, float, float]


def table_csv(table: Mapping[str, Sequence[object]]) -> str:
    """Return columns of one length as comma-separated values; empty cells where there is no number."""
    return _csv(tuple(table), zip(*table.values(), strict=True))


def drawn_csv(figure: Figure) -> str:
    """Return what a figure shows: a row a point, with its panel, the axes' labels and the series.

    Lines, points, edges of bands and bars; a bar has the middle of its base as x and its height as y, for
    bars that lie the other way round. Positions are those of the axes.
    """
    rows = (
        (str(number), axes.get_xlabel(), axes.get_ylabel(), *row)
        for number, axes in enumerate(figure.axes, start=1)
        for row in _drawn(axes)
    )
    return _csv(_HEAD, rows)


def _csv(head: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    table.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.7g}" if np.isfinite(value) else ""
    return str(value)


def _drawn(axes: Axes) -> Iterator[_Row]:
    counter = itertools.count(1)
    bars = {id(patch) for one in axes.containers if isinstance(one, BarContainer) for patch in one.patches}
    for line in axes.lines:
        yield from _points("line", _name(line, counter), np.asarray(line.get_xydata(), float))
    for collection in axes.collections:
        yield from _collection(collection, _name(collection, counter))
    for one in axes.containers:
        if isinstance(one, BarContainer):
            name = _name(one, counter)
            for patch in one.patches:
                yield ("bar", name, *_bar(patch, one.orientation))
    for patch in axes.patches:
        if id(patch) not in bars and isinstance(patch, Polygon | StepPatch):
            name = _name(patch, counter)
            yield from _points("outline", name, np.asarray(patch.get_path().vertices, float))


def _collection(collection: Collection, name: str) -> Iterator[_Row]:
    if isinstance(collection, LineCollection):
        for path in collection.get_paths():
            yield from _points("segment", name, np.asarray(path.vertices, float))
    elif isinstance(collection, PathCollection):
        yield from _points(
            "point", name, np.ma.filled(np.ma.asarray(collection.get_offsets(), float), np.nan)
        )
    else:
        for path in collection.get_paths():
            yield from _points("band", name, np.asarray(path.vertices, float))


def _points(kind: str, name: str, points: np.ndarray) -> Iterator[_Row]:
    for x, y in points.reshape(-1, 2).tolist():
        yield kind, name, x, y


def _bar(patch: Artist, orientation: str | None) -> tuple[float, float]:
    if orientation == "horizontal":
        return float(patch.get_y() + patch.get_height() / 2), float(patch.get_width())
    return float(patch.get_x() + patch.get_width() / 2), float(patch.get_height())


def _name(artist: Artist | BarContainer, counter: Iterator[int]) -> str:
    label = str(artist.get_label())
    return label if label and not label.startswith("_") else f"series {next(counter)}"
