"""Who sees whom: neighbor lists of fixed width, sorted by element, for the encoders."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import vesin
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError

# Up to here every atom sees every other one: cheaper than a list, and the same for all frames.
LARGEST_DENSE_MOLECULE = 64


@dataclass(frozen=True)
class Neighbors:
    """The neighbors of each atom in slots; slots are sorted by element, and padded ones are masked.

    A slot of an element belongs to that element for all atoms and frames, so that sums over one element are
    sums over one slice.
    A masked slot points to another atom, never to the centre itself: its distance is not zero, so that
    derivatives are finite before they are multiplied by the mask.

    Attributes:
        index: Atom in each slot.
        cell_offsets: Integer multiples of the cell vectors to add to the neighbor; None without a cell.
        mask: False where a slot is padding.
        element_slices: (atomic number, slots of that element), ascending, without gaps.
    """

    index: Int[Tensor, "frame atom slot"]
    cell_offsets: Int[Tensor, "frame atom slot 3"] | None
    mask: Bool[Tensor, "frame atom slot"]
    element_slices: tuple[tuple[int, slice], ...]

    @property
    def n_slots(self) -> int:
        return self.index.shape[-1]

    def vectors(
        self, positions: Float[Tensor, "frame atom 3"], cell: Float[Tensor, "frame 3 3"] | None = None
    ) -> Float[Tensor, "frame atom slot 3"]:
        """Return r_ij = R_j + offset · cell - R_i for each slot [unit of `positions`], differentiable.

        Args:
            positions: Nuclear positions of the frames that the list was made for.
            cell: Cell vectors as rows, in the unit of `positions`; needed if the list has offsets.
        """
        n_frames, n_atoms, _ = positions.shape
        first = torch.arange(n_frames, device=positions.device)[:, None, None] * n_atoms
        # Selecting rows has a deterministic and quick backward pass, unlike general indexing.
        flat = positions.reshape(-1, 3).index_select(0, (self.index + first).reshape(-1))
        neighbors = flat.reshape(n_frames, n_atoms, -1, 3)
        vectors = neighbors - positions[:, :, None]
        if self.cell_offsets is None:
            return vectors
        if cell is None:
            raise InputError(
                "`cell` must be given for periodic neighbors, but is None. Pass the frames' cells."
            )
        return vectors + torch.einsum("tnmc,tcx->tnmx", self.cell_offsets.to(cell.dtype), cell)


def listed_neighbors(
    atomic_numbers: Int[Tensor, "atom"],
    positions: Float[Tensor, "frame atom 3"],
    *,
    cutoff: float,
    cell: Float[Tensor, "frame 3 3"] | None = None,
    pbc: tuple[bool, bool, bool] = (False, False, False),
) -> Neighbors:
    """Return the atoms and periodic images closer than `cutoff`, frame by frame.

    Args:
        atomic_numbers: One number an atom.
        positions: Nuclear positions [bohr].
        cutoff: Largest distance [bohr].
        cell: Cell vectors as rows [bohr]; needed if any direction is periodic.
        pbc: Which directions are periodic.

    Raises:
        InputError: A direction is periodic and there is no cell, or something is not finite.
    """
    if any(pbc) and cell is None:
        raise InputError("`cell` must be given when `pbc` is set, but is None. A molecule has no `pbc`.")
    points = positions.detach().cpu().numpy().astype(np.float64)
    boxes = np.zeros((len(points), 3, 3)) if cell is None else cell.detach().cpu().numpy().astype(np.float64)
    frames, centres, others, offsets = [], [], [], []
    for frame, (point, box) in enumerate(zip(points, boxes, strict=True)):
        i, j, shift = pairs_within(cutoff, point, box, pbc)
        frames.append(np.full(len(i), frame))
        centres.append(i)
        others.append(j)
        offsets.append(shift)
    index, shifts, mask, slices = _in_slots(
        atomic_numbers.cpu().numpy(),
        len(points),
        np.concatenate(frames),
        np.concatenate(centres),
        np.concatenate(others),
        np.concatenate(offsets) if any(pbc) else None,
        pbc=pbc,
    )
    return _on_device(index, shifts, mask, slices, positions.device)


def pairs_within(
    distance: float, points: Float[np.ndarray, "atom 3"], box: Float[np.ndarray, "3 3"], pbc: Sequence[bool]
) -> tuple[Int[np.ndarray, "pair"], Int[np.ndarray, "pair"], Int[np.ndarray, "pair 3"]]:
    """Return centre, neighbour and cell offset of all pairs closer than a distance [bohr], each both ways.

    Raises:
        InputError: A position or the cell is not finite.
    """
    if not (np.isfinite(points).all() and np.isfinite(box).all()):
        # Not which one: atoms have been sorted by element on the way here.
        where = "the cell has others" if np.isfinite(points).all() else "an atom has others"
        raise InputError(
            f"neighbours must be looked for at positions and in a cell of finite numbers, but {where}. Look "
            "at the step before."
        )
    search = vesin.NeighborList(cutoff=distance, full_list=True, n_threads=1)
    centre, other, offsets = search.compute(points, box, list(pbc), "ijS")
    return centre.astype(np.int64), other.astype(np.int64), offsets.reshape(-1, 3).astype(np.int64)


def _on_device(
    index: np.ndarray,
    shifts: np.ndarray | None,
    mask: np.ndarray,
    slices: tuple[tuple[int, slice], ...],
    device: torch.device,
) -> Neighbors:
    offsets = None if shifts is None else torch.from_numpy(shifts).to(device)
    return Neighbors(torch.from_numpy(index).to(device), offsets, torch.from_numpy(mask).to(device), slices)


def _in_slots(
    numbers: np.ndarray,
    n_frames: int,
    frame: np.ndarray,
    centre: np.ndarray,
    other: np.ndarray,
    offsets: np.ndarray | None,
    pbc: tuple[bool, bool, bool] = (False, False, False),
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, tuple[tuple[int, slice], ...]]:
    """Sort pairs by (frame, centre, element, neighbor, offset) and write them into slots."""
    n_atoms = len(numbers)
    element = numbers[other]
    keys = [other, element, centre, frame]
    if offsets is not None:
        keys = [*offsets.T[::-1], *keys]
    order = np.lexsort(keys)
    frame, centre, other, element = frame[order], centre[order], other[order], element[order]
    row = frame * n_atoms + centre

    slices: list[tuple[int, slice]] = []
    n_slots = 0
    slot = np.empty(len(row), dtype=np.int64)
    for number in np.unique(element):
        chosen = np.flatnonzero(element == number)
        rows, count = np.unique(row[chosen], return_counts=True)
        first = np.repeat(np.cumsum(count) - count, count)
        slot[chosen] = n_slots + np.arange(len(chosen)) - first
        width = int(count.max()) if len(rows) else 0
        slices.append((int(number), slice(n_slots, n_slots + width)))
        n_slots += width
    if not n_slots and n_atoms:
        # Nobody sees anybody; what reads the slots wants one.
        slices, n_slots = [(int(numbers[0]), slice(0, 1))], 1

    # Padding looks at the next atom, or for a lone atom at its own image in a periodic direction.
    padding = (np.arange(n_atoms, dtype=np.int64) + 1) % max(n_atoms, 1)
    index = np.broadcast_to(padding[:, None], (n_frames, n_atoms, n_slots)).copy()
    mask = np.zeros((n_frames, n_atoms, n_slots), dtype=bool)
    index[frame, centre, slot] = other
    mask[frame, centre, slot] = True
    if offsets is None:
        return index, None, mask, tuple(slices)
    shifts = np.zeros((n_frames, n_atoms, n_slots, 3), dtype=np.int64)
    if n_atoms == 1:
        shifts[..., int(np.flatnonzero(pbc)[0])] = 1
    shifts[frame, centre, slot] = offsets[order]
    return index, shifts, mask, tuple(slices)
