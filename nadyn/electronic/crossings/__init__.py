"""Crossings of two states: the lowest points of a seam, on a model or on a label source."""

from nadyn.electronic.crossings.landscape import Landscape, Pair, Point, pair_of
from nadyn.electronic.crossings.of_model import landscape_of_model
from nadyn.electronic.crossings.of_source import landscape_of_source
from nadyn.electronic.crossings.penalty import Penalty
from nadyn.electronic.crossings.search import Crossing, Crossings, Wishes, find_crossings
from nadyn.electronic.crossings.search_end import Goals

__all__ = [
    "Crossing",
    "Crossings",
    "Goals",
    "Landscape",
    "Pair",
    "Penalty",
    "Point",
    "Wishes",
    "find_crossings",
    "landscape_of_model",
    "landscape_of_source",
    "pair_of",
]
