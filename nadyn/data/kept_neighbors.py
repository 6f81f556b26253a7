"""Neighbour lists that are kept while atoms move: found rarely, with a skin, and checked before each use.

A list of all pairs within the cutoff plus a skin holds all neighbours as long as no two atoms can have come
closer by more than the skin. Each use measures the pairs of the list and takes those within the cutoff, in
the one order that a list just made has. So what is returned, and every number that follows from it, does
not depend on when the list was made, for whom, or how thick its skin is.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.data.neighbors import pairs_within

# Of the skin [bohr]: 1 Å. A thicker one is made anew more rarely, and holds more pairs to measure.
SKIN = 1.8897261
# Pairs in all lists that are kept together: about 200 MB of them.
_MOST_PAIRS = 16_000_000
_MOST_LISTS = 64
# What rounding may do to a distance, as a part of it.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of one structure closer than a reach, sorted by centre, element, neighbour and cell offset.

    Attributes:
        positions: Where the list was made [bohr].
        cell: Cell vectors as rows [bohr], or None.
        reach: Largest distance [bohr].
        centre, other: The atoms of each pair.
        shift: Which of `offsets` moves the neighbour.
        offsets: Integer multiples of the cell vectors.
        first: Where the pairs of each atom with each element begin, and where the last end.
    """

    positions: Float[Tensor, "atom 3"]
    cell: Float[Tensor, "3 3"] | None
    reach: float
    centre: Int[Tensor, "pair"]
    other: Int[Tensor, "pair"]
    shift: Int[Tensor, "pair"]
    offsets: Int[Tensor, "offset 3"]
    first: Int[Tensor, "_"]

    @cached_property
    def n_most(self) -> int:
        """Most pairs of an atom, counting of each element those of the atom that has most."""
        if not len(self.positions) or len(self.first) < 2:
            return 0
        counts = (self.first[1:] - self.first[:-1]).reshape(len(self.positions), -1)
        return int(counts.amax(dim=0).sum())

    def holds(
        self, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"] | None, cutoff: float
    ) -> bool:
        """Tell whether all pairs within a cutoff at other positions, in another cell, are in the list.

        With x the positions that the old ones have in the new cell, and u what is left of the way to the new
        ones, a pair that was at a distance d is not nearer than s d - |u_i| - |u_j|, s the smallest factor
        by which the change of the cell stretches a vector.
        """
        stretched, least = self.positions, 1.0
        if cell is not None and not torch.equal(cell, self.cell):
            if float(torch.linalg.det(self.cell).abs()) < 1e-6:
                return False
            change = torch.linalg.solve(self.cell, cell)
            stretched = self.positions @ change
            least = float(torch.linalg.svdvals(change)[-1])
        way = positions - stretched
        # All atoms may have gone the same way.
        way = way - way.mean(dim=0)
        farthest = float((way * way).sum(dim=1).amax()) ** 0.5
        return least * self.reach * (1.0 - _ROUNDING) - 2.0 * farthest > cutoff

    def squared_distances(
        self, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"] | None
    ) -> Float[Tensor, "pair"]:
        """Return r² of each pair; to the last bit it depends on its two atoms and the cell alone."""
        squared = None
        for x in range(3):
            column = positions[:, x].contiguous()
            way = column.index_select(0, self.other) - column.index_select(0, self.centre)
            if cell is not None:
                n = self.offsets.to(cell.dtype)
                moved = n[:, 0] * cell[0, x] + n[:, 1] * cell[1, x] + n[:, 2] * cell[2, x]
                way = way + moved.index_select(0, self.shift)
            squared = way * way if squared is None else squared + way * way
        return squared


def candidates(
    numbers: Int[np.ndarray, "atom"],
    positions: Float[Tensor, "atom 3"],
    cell: Float[Tensor, "3 3"] | None,
    pbc: tuple[bool, bool, bool],
    reach: float,
) -> Candidates:
    """Return all pairs closer than `reach` [bohr].

    Raises:
        InputError: A position or the cell is not finite.
    """
    box = np.zeros((3, 3)) if cell is None else cell.cpu().numpy()
    centre, other, offsets = pairs_within(reach, positions.cpu().numpy(), box, pbc)
    n_atoms, elements = len(numbers), np.unique(numbers)
    known, code = _numbered(offsets)
    # The place of each atom where atoms are sorted by element, and by number among their likes.
    place = np.empty(n_atoms, dtype=np.int64)
    place[np.argsort(numbers, kind="stable")] = np.arange(n_atoms)
    order = np.argsort((centre * n_atoms + place[other]) * len(known) + code)
    centre, other, code = centre[order], other[order], code[order]
    run = centre * len(elements) + np.searchsorted(elements, numbers[other])
    first = np.searchsorted(run, np.arange(n_atoms * len(elements) + 1))
    device = positions.device
    small = (torch.from_numpy(array.astype(np.int32)).to(device) for array in (centre, other, code))
    return Candidates(
        positions.clone(),
        None if cell is None else cell.clone(),
        reach,
        *small,
        torch.from_numpy(known).to(device),
        torch.from_numpy(first).to(device),
    )


@dataclass(frozen=True, eq=False)
class NearPairs:
    """The neighbours of the atoms of one structure in slots, laid out as in `Neighbors`.

    Attributes:
        index: Atom in each slot.
        shift: Which of `offsets` moves it; None without a cell.
        offsets: Integer multiples of the cell vectors; None without a cell.
        mask: False where a slot is padding.
        element_slices: (atomic number, slots of that element), ascending, without gaps.
    """

    index: Int[Tensor, "atom slot"]
    shift: Int[Tensor, "atom slot"] | None
    offsets: Int[Tensor, "offset 3"] | None
    mask: Bool[Tensor, "atom slot"]
    element_slices: tuple[tuple[int, slice], ...]

    def vectors(
        self, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"] | None
    ) -> Float[Tensor, "atom slot 3"]:
        """Return r_ij = R_j + offset · cell - R_i for each slot, differentiable in positions and cell."""
        n_atoms, n_slots = self.index.shape
        # Selecting rows has a deterministic and quick backward pass, unlike general indexing.
        neighbors = positions.index_select(0, self.index.reshape(-1)).reshape(n_atoms, n_slots, 3)
        vectors = neighbors - positions[:, None]
        if self.shift is None:
            return vectors
        n = self.offsets.to(cell.dtype)
        moved = n[:, :1] * cell[0] + n[:, 1:2] * cell[1] + n[:, 2:] * cell[2]
        return vectors + moved.index_select(0, self.shift.reshape(-1)).reshape(n_atoms, n_slots, 3)


class KeptNeighbors:
    """Lists of one kind of structure, one for each of several that are asked about in turn.

    It is no part of what a model says: without it every number is the same, and takes longer.
    """

    def __init__(
        self,
        numbers: tuple[int, ...],
        cutoff: float,
        pbc: tuple[bool, bool, bool] = (False, False, False),
        *,
        skin: float = SKIN,
    ) -> None:
        """Begin without a list.

        Args:
            numbers: Atomic numbers.
            cutoff: Largest distance of a neighbour [bohr].
            pbc: Which directions are periodic.
            skin: By how much a list reaches farther [bohr].
        """
        self._numbers = np.array(numbers, dtype=np.int64)
        self.cutoff, self._pbc, self._skin = cutoff, pbc, skin
        self._lists: deque[Candidates] = deque()
        # Which list was asked for after which: trajectories are taken in turn.
        self._next: dict[int, Candidates] = {}
        self._last: Candidates | None = None
        self.n_made = 0

    def __deepcopy__(self, memo: dict) -> "KeptNeighbors":
        return KeptNeighbors(tuple(self._numbers), self.cutoff, self._pbc, skin=self._skin)

    def near(self, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"] | None) -> NearPairs:
        """Return the neighbours of each atom, those that `listed_neighbors` finds in its order."""
        pairs = self.candidates(positions, cell)
        near = pairs.squared_distances(positions, cell) < self.cutoff**2
        return _in_slots(self._numbers, self._pbc, pairs, near)

    def candidates(self, positions: Float[Tensor, "atom 3"], cell: Float[Tensor, "3 3"] | None) -> Candidates:
        """Return a list that holds all neighbours, a kept one if there is one."""
        expected = self._next.get(id(self._last))
        tried = [expected] if expected is not None else []
        for known in (*tried, *self._lists):
            if known.positions.device == positions.device and known.holds(positions, cell, self.cutoff):
                return self._used(known)
        made = candidates(self._numbers, positions, cell, self._pbc, self.cutoff + self._skin)
        self.n_made += 1
        self._lists.append(made)
        while len(self._lists) > 1 and (
            len(self._lists) > _MOST_LISTS or sum(len(one.centre) for one in self._lists) > _MOST_PAIRS
        ):
            gone = self._lists.popleft()
            self._next = {key: one for key, one in self._next.items() if one is not gone and key != id(gone)}
            self._last = None if self._last is gone else self._last
        return self._used(made)

    def _used(self, pairs: Candidates) -> Candidates:
        if self._last is not None:
            self._next[id(self._last)] = pairs
        self._last = pairs
        if self._lists[-1] is not pairs:
            # The list that was not used for longest goes first.
            self._lists = deque([one for one in self._lists if one is not pairs] + [pairs])
        return pairs


def _in_slots(
    numbers: Int[np.ndarray, "atom"],
    pbc: tuple[bool, bool, bool],
    pairs: Candidates,
    near: Bool[Tensor, "pair"],
) -> NearPairs:
    """Return the near pairs of a list in slots, as `Neighbors` has them."""
    device, n_atoms, elements = near.device, len(numbers), np.unique(numbers)
    before = torch.zeros(len(near) + 1, dtype=torch.int64, device=device)
    torch.cumsum(near, 0, out=before[1:])
    starts = before.index_select(0, pairs.first)
    counts = (starts[1:] - starts[:-1]).reshape(n_atoms, len(elements))
    slices, masks, n_slots = [], [], 0
    for column, (element, width) in enumerate(zip(elements.tolist(), counts.amax(0).tolist(), strict=True)):
        if width:
            slices.append((element, slice(n_slots, n_slots + width)))
            masks.append(torch.arange(width, device=device) < counts[:, column, None])
            n_slots += width
    if not slices:
        # Nobody sees anybody; what reads the slots wants one.
        slices = [(int(numbers[0]), slice(0, 1))]
        masks = [torch.zeros(n_atoms, 1, dtype=torch.bool, device=device)]
    mask = torch.cat(masks, dim=1)
    padding = (torch.arange(n_atoms, device=device) + 1) % max(n_atoms, 1)
    index = padding[:, None].repeat(1, mask.shape[1])
    # Pairs are sorted as slots are: those that are near fill the slots of one atom after the other.
    index.masked_scatter_(mask, pairs.other[near].long())
    if not any(pbc):
        return NearPairs(index, None, None, mask, tuple(slices))
    own = torch.zeros(1, 3, dtype=torch.int64, device=device)
    if n_atoms == 1:
        # A lone atom looks at its own image.
        own[0, pbc.index(True)] = 1
    shift = torch.full_like(index, len(pairs.offsets))
    shift.masked_scatter_(mask, pairs.shift[near].long())
    return NearPairs(index, shift, torch.cat([pairs.offsets, own]), mask, tuple(slices))


def _numbered(offsets: Int[np.ndarray, "pair 3"]) -> tuple[Int[np.ndarray, "offset 3"], np.ndarray]:
    """Return the different offsets, in the order of their components, and the number of each pair's."""
    if not len(offsets):
        return np.zeros((1, 3), dtype=np.int64), np.zeros(0, dtype=np.int64)
    lowest, highest = offsets.min(axis=0), offsets.max(axis=0)
    size = highest - lowest + 1
    code = ((offsets[:, 0] - lowest[0]) * size[1] + offsets[:, 1] - lowest[1]) * size[2]
    code = code + offsets[:, 2] - lowest[2]
    if size.prod() > 1_000_000:
        # Atoms that have gone far in different directions.
        return np.unique(offsets, axis=0, return_inverse=True)
    known = np.stack(np.unravel_index(np.arange(size.prod()), size), axis=1) + lowest
    return known.astype(np.int64), code
