"""The atoms around each atom, laid out for dense arithmetic.

Arrays are atom-first: (atom, traj, slot, …). Atoms and neighbour slots are sorted by element, so that
everything that depends on an element is a contiguous slice and needs no gather.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data.neighbors import Neighbors

ElementSlices = tuple[tuple[int, slice], ...]


@dataclass(frozen=True)
class Environment:
    """Vectors from each atom to its neighbours.

    Attributes:
        vectors: From atom to neighbour [bohr]; an empty slot holds a vector longer than the cutoff and
            different from those of all other slots of its atom, so that no distance or angle between two
            slots is without a derivative.
        distances: Their lengths [bohr].
        atoms: Element and slice of the atom axis, in order.
        slots: Element and slice of the slot axis, in order.
    """

    vectors: Float[Tensor, "atom traj slot 3"]
    distances: Float[Tensor, "atom traj slot"]
    atoms: ElementSlices
    slots: ElementSlices


def element_slices(sorted_numbers: tuple[int, ...]) -> ElementSlices:
    """Return (element, slice) for each run of equal numbers."""
    result, start = [], 0
    for stop in range(1, len(sorted_numbers) + 1):
        if stop == len(sorted_numbers) or sorted_numbers[stop] != sorted_numbers[start]:
            result.append((sorted_numbers[start], slice(start, stop)))
            start = stop
    return tuple(result)


def split_elements(array: Tensor, slices: ElementSlices, dim: int) -> dict[int, Tensor]:
    """Return the part of each element along an axis that the slices cover completely.

    One split instead of several slices: its derivative joins the parts, where the derivative of each
    slice would fill an array of zeros.
    """
    sizes = [part.stop - part.start for _, part in slices]
    parts = torch.split(array, sizes, dim=dim)
    return {element: part for (element, _), part in zip(slices, parts, strict=True)}


def all_pairs(
    positions: Float[Tensor, "traj atom 3"], numbers: tuple[int, ...], cutoff: float, dtype: torch.dtype
) -> Environment:
    """Return the environment in which every other atom has a slot; for isolated, small molecules.

    Differences are taken in the precision of `positions` and only then rounded to `dtype`. The slot of
    an atom itself holds a vector beyond the cutoff, which adds nothing to any sum or gradient. Along x it
    reaches farther than any atom, so that it is the vector of none.

    Args:
        positions: Positions [bohr], atoms sorted by element.
        numbers: Atomic numbers in the same order.
        cutoff: Cutoff radius [bohr].
        dtype: Precision of the result.
    """
    atom_first = positions.transpose(0, 1)
    difference = atom_first.unsqueeze(0) - atom_first.unsqueeze(1)  # (i, j, traj, 3)
    own = torch.zeros((len(numbers), len(numbers), 1, 3), dtype=dtype)
    own[range(len(numbers)), range(len(numbers)), 0, 0] = 1.0
    beyond = 2.0 * cutoff + difference.detach()[..., 0].abs().amax(dim=1).to(dtype)  # (i, traj)
    vectors = (difference.to(dtype) + own * beyond[:, None, :, None]).transpose(1, 2)
    slices = element_slices(numbers)
    return Environment(vectors, _norm(vectors), slices, slices)


def listed_pairs(
    positions: Float[Tensor, "traj atom 3"],
    cell: Float[Tensor, "traj 3 3"] | None,
    neighbors: Neighbors,
    numbers: tuple[int, ...],
    cutoff: float,
    dtype: torch.dtype,
) -> Environment:
    """Return the environment of a neighbor list; for periodic or large systems.

    Each padded slot holds a vector of its own beyond the cutoff, so that no two of them coincide.

    Args:
        positions: Positions [bohr], atoms sorted by element.
        cell: Cell vectors as rows [bohr], or None.
        neighbors: List made for these positions.
        numbers: Atomic numbers in the order of `positions`.
        cutoff: Cutoff radius [bohr].
        dtype: Precision of the result.
    """
    far = torch.zeros((neighbors.n_slots, 3), dtype=dtype)
    far[:, 0] = cutoff * (2.0 + torch.arange(neighbors.n_slots, dtype=dtype))
    difference = neighbors.vectors(positions, cell).to(dtype)
    vectors = torch.where(neighbors.mask.unsqueeze(-1), difference, far).transpose(0, 1)
    return Environment(vectors, _norm(vectors), element_slices(numbers), neighbors.element_slices)


def _norm(vectors: Tensor) -> Tensor:
    return torch.sqrt((vectors * vectors).sum(-1))
