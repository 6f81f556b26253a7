"""Structures of any size and composition as one batch."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.placement import Placement
from nadyn.models.surroundings import ElementSlices, Surroundings, far_vectors, lengths


def joined(parts: Sequence[Surroundings], cutoff: float) -> Surroundings:
    """Return the surroundings of structures of any size and composition as those of one batch.

    Their order is that of `parts`, and within each that of its trajectories.

    Args:
        parts: Surroundings of molecules, of one element list each, made with the same cutoff.
        cutoff: Cutoff radius [bohr].
    """
    widths: dict[int, int] = {}
    for part in parts:
        for element, own in part.slots:
            widths[element] = max(widths.get(element, 0), own.stop - own.start)
    slots, start = [], 0
    for element in sorted(widths):
        slots.append((element, slice(start, start + widths[element])))
        start += widths[element]
    elements = sorted({element for part in parts for element, _ in part.atoms})
    rows_of, atoms, first = _rows_of_joined(parts, elements)
    device, dtype = parts[0].vectors.device, parts[0].vectors.dtype
    # The empty slots of the parts lie along +x, and no two slots may coincide.
    far = -far_vectors(start, cutoff, device, dtype)
    vectors: dict[int, list[Tensor]] = {element: [] for element in elements}
    neighbours: dict[int, list[Tensor]] = {element: [] for element in elements}
    structure: dict[int, list[Tensor]] = {element: [] for element in elements}
    places: dict[int, list[Tensor]] = {element: [] for element in elements}
    placed = all(part.positions is not None for part in parts)
    for part, rows, offset in zip(parts, rows_of, first, strict=True):
        wide, index = _in_wider_slots(part, rows, slots, far)
        whose = (offset + torch.arange(part.vectors.shape[1], device=device)).expand(len(rows), -1)
        for element, own in part.atoms:
            vectors[element].append(wide[own].flatten(0, 1))
            neighbours[element].append(index[own].flatten(0, 1))
            structure[element].append(whose[own].flatten())
            if placed:
                places[element].append(part.positions[own].flatten(0, 1))
    together = [
        torch.cat([one for element in elements for one in lists[element]])
        for lists in (vectors, neighbours, structure, *([places] if placed else []))
    ]
    all_vectors = together[0].unsqueeze(1)
    n_joined = sum(part.vectors.shape[1] for part in parts)
    distances, rows = lengths(all_vectors), together[1].unsqueeze(1)
    positions = together[3].unsqueeze(1) if placed else None
    placements = _placements_of_joined(parts, rows_of)
    return Surroundings(
        all_vectors, distances, atoms, tuple(slots), rows, together[2], n_joined, positions, placements
    )


def _rows_of_joined(
    parts: Sequence[Surroundings], elements: Sequence[int]
) -> tuple[list[Int[Tensor, "_ _"]], ElementSlices, list[int]]:
    """Return for each part the row of each (atom, trajectory), the slices, and its first structure."""
    rows_of = [
        torch.empty(part.vectors.shape[:2], dtype=torch.long, device=part.vectors.device) for part in parts
    ]
    atoms, row = [], 0
    for element in elements:
        begin = row
        for part, rows in zip(parts, rows_of, strict=True):
            for own in (own for other, own in part.atoms if other == element):
                n = (own.stop - own.start) * rows.shape[1]
                rows[own] = torch.arange(row, row + n, device=rows.device).reshape(-1, rows.shape[1])
                row += n
        atoms.append((element, slice(begin, row)))
    first = [sum(part.vectors.shape[1] for part in parts[:number]) for number in range(len(parts))]
    return rows_of, tuple(atoms), first


def _placements_of_joined(
    parts: Sequence[Surroundings], rows_of: Sequence[Int[Tensor, "_ _"]]
) -> tuple[Placement, ...]:
    """Return where the atoms of parts are, each of which has the structures of one placement."""
    return tuple(
        replace(placement, rows=rows)
        for part, rows in zip(parts, rows_of, strict=True)
        for placement in part.placements
    )


def _in_wider_slots(
    part: Surroundings, rows: Int[Tensor, "atom traj"], slots: Sequence[tuple[int, slice]], far: Tensor
) -> tuple[Float[Tensor, "atom traj wide 3"], Int[Tensor, "atom traj wide"]]:
    """Return vectors and rows of neighbours with as many slots of each element as `slots` has."""
    n_atoms, n_traj = rows.shape
    index = part.gather(rows).expand(n_atoms, -1, -1)
    own_slots = dict(part.slots)
    vectors, neighbours = [], []
    # Any atom but that of the row itself would do in an empty slot.
    other = rows.roll(1, dims=0).unsqueeze(-1)
    for element, wide in slots:
        own = own_slots.get(element, slice(0, 0))
        empty = wide.stop - wide.start - (own.stop - own.start)
        beyond = far[wide.stop - empty : wide.stop].expand(n_atoms, n_traj, -1, -1)
        vectors += [part.vectors[:, :, own], beyond]
        neighbours += [index[:, :, own], other.expand(-1, -1, empty)]
    return torch.cat(vectors, dim=2), torch.cat(neighbours, dim=2)
