"""The atoms around each atom, laid out for dense arithmetic.

Arrays are atom-first: (atom, traj, slot, …). Atoms and neighbour slots are sorted by element, so that
everything that depends on an element is a contiguous slice and needs no gather. There are two layouts.
Frames of one molecule have the axes of atoms and trajectories. Structures of any size and composition are
joined: all their atoms are rows of the first axis, the second has length 1, and `structure` says whose each
row is. What reads them asks `gather` and `per_structure` and does not know which it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nadyn.data.kept_neighbors import NearPairs
from nadyn.data.neighbors import Neighbors
from nadyn.models.placement import Placement

ElementSlices = tuple[tuple[int, slice], ...]


@dataclass(frozen=True)
class Surroundings:
    """Vectors from each atom to its neighbours.

    Attributes:
        vectors: From atom to neighbour [bohr]; an empty slot holds a vector longer than the cutoff and
            different from those of all other slots of its atom, so that no distance or angle between two
            slots is without a derivative.
        distances: Their lengths [bohr].
        atoms: Element and slice of the atom axis, in order.
        slots: Element and slice of the slot axis, in order.
        neighbours: Row of the atom axis that stands in each slot; None where slot k is atom k. In an empty
            slot it is any other atom.
        structure: Of joined structures the number of that which each row belongs to, otherwise None.
        n_joined: Number of joined structures, otherwise 0.
        positions: Of each atom [bohr], in the precision that they were given in, or None where only what is
            around an atom is known.
        placements: Where all atoms are, for what acts beyond the cutoff; structures in their order.
    """

    vectors: Float[Tensor, "atom traj slot 3"]
    distances: Float[Tensor, "atom traj slot"]
    atoms: ElementSlices
    slots: ElementSlices
    neighbours: Int[Tensor, "atom traj slot"] | None = None
    structure: Int[Tensor, "atom"] | None = None
    n_joined: int = 0
    positions: Float[Tensor, "atom traj 3"] | None = None
    placements: tuple[Placement, ...] = ()

    @property
    def n_structures(self) -> int:
        """Trajectories of one molecule, or structures that were joined."""
        return self.vectors.shape[1] if self.structure is None else self.n_joined

    def parts(self, size: int) -> list["Surroundings"]:
        """Return the surroundings of `size` atoms after the other; `gather` is for all of them only.

        One split instead of slices, as in `split_elements`: time is linear in the number of atoms.
        """
        result, first = [], 0
        pieces = zip(self.vectors.split(size), self.distances.split(size), strict=True)
        for vectors, distances in pieces:
            last, atoms = first + len(vectors), []
            for element, own in self.atoms:
                start, stop = max(own.start, first), min(own.stop, last)
                if start < stop:
                    atoms.append((element, slice(start - first, stop - first)))
            structure = None if self.structure is None else self.structure[first:last]
            result.append(
                Surroundings(vectors, distances, tuple(atoms), self.slots, None, structure, self.n_joined)
            )
            first = last
        return result

    def gather(self, values: Shaped[Tensor, "atom traj *rest"]) -> Shaped[Tensor, "_ traj slot *rest"]:
        """Return values of the neighbour in each slot; of length 1 along atoms where all see all."""
        if self.neighbours is None:
            return values.transpose(0, 1).unsqueeze(0)
        n_atoms, n_traj = values.shape[:2]
        rows = self.neighbours * n_traj + torch.arange(n_traj, device=values.device)[:, None]
        # Selecting rows has a deterministic and quick backward pass, unlike general indexing.
        chosen = values.flatten(0, 1).index_select(0, rows.flatten())
        return chosen.unflatten(0, (n_atoms, n_traj, -1))

    def per_structure(self, values: Float[Tensor, "atom traj *rest"]) -> Float[Tensor, "structure *rest"]:
        """Return sums over the atoms of each structure."""
        if self.structure is None:
            return values.sum(dim=0)
        total = values.new_zeros((self.n_joined, *values.shape[2:]))
        return total.index_add(0, self.structure, values[:, 0])

    def per_structure_of_pairs(
        self, values: Float[Tensor, "atom slot traj *rest"]
    ) -> Float[Tensor, "structure *rest"]:
        """Return sums over the atoms and slots of each structure."""
        if self.structure is None:
            return values.flatten(0, 1).sum(dim=0)
        return self.per_structure(values.sum(dim=1))

    def largest(self, values: Float[Tensor, "atom traj"]) -> Float[Tensor, "structure"]:
        """Return the largest value among the atoms of each structure."""
        if self.structure is None:
            return values.amax(dim=0)
        lowest = values.new_full((self.n_joined,), -torch.inf)
        return lowest.scatter_reduce(0, self.structure, values[:, 0], "amax")

    def composition(self, elements: Sequence[int]) -> Float[Tensor, "_ element"]:
        """Return the number of atoms of each element; one row where all structures have the same."""
        shape = (max(1, self.n_joined), len(elements))
        counts = torch.zeros(shape, dtype=torch.float64, device=self.vectors.device)
        for element, part in self.atoms:
            column = counts[:, elements.index(element)]
            if self.structure is None:
                column.fill_(part.stop - part.start)
            else:
                column.index_add_(0, self.structure[part], counts.new_ones(part.stop - part.start))
        return counts


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
) -> Surroundings:
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
    own = torch.zeros((len(numbers), len(numbers), 1, 3), dtype=dtype, device=positions.device)
    own[range(len(numbers)), range(len(numbers)), 0, 0] = 1.0
    beyond = 2.0 * cutoff + difference.detach()[..., 0].abs().amax(dim=1).to(dtype)  # (i, traj)
    vectors = (difference.to(dtype) + own * beyond[:, None, :, None]).transpose(1, 2)
    slices = element_slices(numbers)
    return Surroundings(
        vectors,
        lengths(vectors),
        slices,
        slices,
        positions=atom_first,
        placements=(Placement(positions, numbers),),
    )


def listed_pairs(
    positions: Float[Tensor, "traj atom 3"],
    cell: Float[Tensor, "traj 3 3"] | None,
    neighbors: Neighbors,
    numbers: tuple[int, ...],
    cutoff: float,
    dtype: torch.dtype,
    pbc: tuple[bool, bool, bool] = (False, False, False),
) -> Surroundings:
    """Return the environment of a neighbor list; for periodic or large systems.

    Each padded slot holds a vector of its own beyond the cutoff, so that no two of them coincide.

    Args:
        positions: Positions [bohr], atoms sorted by element.
        cell: Cell vectors as rows [bohr], or None.
        neighbors: List made for these positions.
        numbers: Atomic numbers in the order of `positions`.
        cutoff: Cutoff radius [bohr].
        dtype: Precision of the result.
        pbc: Which directions are periodic.
    """
    far = far_vectors(neighbors.n_slots, cutoff, positions.device, dtype)
    difference = neighbors.vectors(positions, cell).to(dtype)
    vectors = torch.where(neighbors.mask.unsqueeze(-1), difference, far).transpose(0, 1)
    return Surroundings(
        vectors,
        lengths(vectors),
        element_slices(numbers),
        neighbors.element_slices,
        neighbors.index.transpose(0, 1),
        positions=positions.transpose(0, 1),
        placements=(Placement(positions, numbers, cell, pbc),),
    )


def near_pairs(
    positions: Float[Tensor, "1 atom 3"],
    cell: Float[Tensor, "1 3 3"] | None,
    near: NearPairs,
    numbers: tuple[int, ...],
    cutoff: float,
    dtype: torch.dtype,
    pbc: tuple[bool, bool, bool] = (False, False, False),
) -> Surroundings:
    """Return the same as `listed_pairs` for one structure, whose list may have been kept.

    Args:
        positions: Positions [bohr], atoms sorted by element.
        cell: Cell vectors as rows [bohr], or None.
        near: Neighbours at these positions.
        numbers: Atomic numbers in the order of `positions`.
        cutoff: Cutoff radius [bohr].
        dtype: Precision of the result.
        pbc: Which directions are periodic.
    """
    far = far_vectors(near.mask.shape[1], cutoff, positions.device, dtype)
    difference = near.vectors(positions[0], None if cell is None else cell[0]).to(dtype)
    vectors = torch.where(near.mask.unsqueeze(-1), difference, far).unsqueeze(1)
    return Surroundings(
        vectors,
        lengths(vectors),
        element_slices(numbers),
        near.element_slices,
        near.index.unsqueeze(1),
        positions=positions.transpose(0, 1),
        placements=(Placement(positions, numbers, cell, pbc),),
    )


def far_vectors(
    n_slots: int, cutoff: float, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "slot 3"]:
    """Return vectors beyond the cutoff, of which no two coincide: those of empty slots."""
    far = torch.zeros((n_slots, 3), dtype=dtype, device=device)
    far[:, 0] = cutoff * (2.0 + torch.arange(n_slots, dtype=dtype, device=device))
    return far


def lengths(vectors: Float[Tensor, "*rest 3"]) -> Float[Tensor, "*rest"]:
    """Return the lengths of vectors that are not zero."""
    return torch.sqrt((vectors * vectors).sum(-1))
