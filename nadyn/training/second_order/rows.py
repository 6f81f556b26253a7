"""In which order the atoms of a batch are rows of its arrays.

Networks want all atoms of an element together, geometry those of a frame. In the order by frame, molecules
follow each other, each with the axes (frame, atom) or (copy, frame, atom). In the order by element, each
element has its atoms molecule by molecule, the copied ones copy by copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from nadyn.models.surroundings import element_slices

# Composition, ascending, and number of frames.
Shape = tuple[tuple[int, ...], int]


@dataclass(frozen=True)
class Rows:
    """Orders of rows of a batch.

    Attributes:
        elements: Atomic numbers that occur, ascending.
        sizes: How many rows each element has.
        asked: How many of them, the first, are asked for derivatives.
        by_element: For each row by element its place by frame.
        by_frame: For each molecule and row by frame its place by element.
        copies_by_element, copies_by_frame: The same of the copied rows.
        source: For each copied row, by element, the row that it is a copy of.
        copies: How many there are of each.
    """

    elements: tuple[int, ...]
    sizes: tuple[int, ...]
    asked: tuple[int, ...]
    by_element: Int[Tensor, "row"]
    by_frame: tuple[Int[Tensor, "_"], ...]
    copies_by_element: Int[Tensor, "copied"]
    copies_by_frame: tuple[Int[Tensor, "_"], ...]
    source: Int[Tensor, "copied"]
    copies: int

    def sum_of_copies(self, copied: Tensor) -> list[Tensor]:
        """Return for each element the sums over the copies of its rows."""
        sizes = [self.copies * n for n in self.asked]
        return [
            part.unflatten(0, (self.copies, n)).sum(dim=0)
            for part, n in zip(copied.split(sizes), self.asked, strict=True)
        ]

    def add_copies(self, rows: Tensor, copied: Tensor) -> None:
        """Add the sums over copies to the rows that they are copies of, in place."""
        for part, n, sums in zip(
            rows.split(list(self.sizes)), self.asked, self.sum_of_copies(copied), strict=True
        ):
            part[:n] += sums


@lru_cache(maxsize=64)
def rows_of(asked: tuple[Shape, ...], others: tuple[Shape, ...], copies: int, device: torch.device) -> Rows:
    """Return the orders for molecules that are asked for derivatives, and others that are not."""
    shapes = (*asked, *others)
    elements = tuple(sorted({number for numbers, _ in shapes for number in numbers}))
    places = _places(shapes, 1)
    copied = _places(asked, copies)
    n_asked = len(asked)
    order, copied_order, sizes, n_rows = [], [], [], []
    for element in elements:
        own = [_of_element(one[0], shape, element) for one, shape in zip(places, shapes, strict=True)]
        sizes.append(sum(map(len, own)))
        n_rows.append(sum(map(len, own[:n_asked])))
        order += own
        copied_order += [
            _of_element(one[copy], shape, element)
            for copy in range(copies)
            for one, shape in zip(copied, asked, strict=True)
        ]
    by_element, by_copy = _joined(order), _joined(copied_order)
    source, start = [], 0
    for size, n in zip(sizes, n_rows, strict=True):
        source.append(torch.arange(start, start + n).repeat(copies))
        start += size
    return Rows(
        elements,
        tuple(sizes),
        tuple(n_rows),
        by_element.to(device),
        _inverse(by_element, places, device),
        by_copy.to(device),
        _inverse(by_copy, copied, device),
        _joined(source).to(device),
        copies,
    )


def _places(shapes: Sequence[Shape], copies: int) -> list[Int[Tensor, "copy frame atom"]]:
    """Return for each molecule the numbers of its rows in the order by frame."""
    result, start = [], 0
    for numbers, n_frames in shapes:
        n = copies * n_frames * len(numbers)
        result.append(torch.arange(start, start + n).reshape(copies, n_frames, len(numbers)))
        start += n
    return result


def _of_element(places: Int[Tensor, "frame atom"], shape: Shape, element: int) -> Int[Tensor, "row"]:
    own = dict(element_slices(shape[0])).get(element, slice(0, 0))
    return places[:, own].flatten()


def _inverse(
    order: Int[Tensor, "row"], places: list[Tensor], device: torch.device
) -> tuple[Int[Tensor, "_"], ...]:
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return tuple(one.to(device) for one in inverse.split([place.numel() for place in places]))


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(0, dtype=torch.long), *parts])
