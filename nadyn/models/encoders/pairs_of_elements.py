"""Learned functions of distance, other ones for each pair of elements."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.surroundings import ElementSlices, Surroundings, split_elements


def mixed_by_pair(
    radial: Float[Tensor, "atom slot traj radial"],
    weights: Float[Tensor, "pair radial channel"],
    surroundings: Surroundings,
    elements: Sequence[int],
) -> Float[Tensor, "atom slot traj channel"]:
    """Return for each pair the products with the weights of its two elements.

    Args:
        radial: Basis functions of the distance.
        weights: For each element of the centre and, running faster, of the neighbour.
        surroundings: Whose pairs.
        elements: Atomic numbers in the order of the weights.
    """
    if radial.shape[2] == 1:
        return _by_slices(radial, weights, surroundings, elements)
    index = _pair_index(surroundings, elements)
    n_atoms, n_slots = index.shape
    # One small product a pair of atoms, with all trajectories as rows.
    products = radial.flatten(0, 1) @ weights.index_select(0, index.flatten())
    return products.unflatten(0, (n_atoms, n_slots))


def _by_slices(
    radial: Tensor, weights: Tensor, surroundings: Surroundings, elements: Sequence[int]
) -> Float[Tensor, "atom slot traj channel"]:
    """Return the same with one product a pair of elements: copies of weights would outgrow single rows."""
    rows = []
    for centre, of_centre in split_elements(radial, surroundings.atoms, 0).items():
        first = elements.index(centre) * len(elements)
        by_slot = split_elements(of_centre, surroundings.slots, 1)
        mixed = [part @ weights[first + elements.index(other)] for other, part in by_slot.items()]
        rows.append(torch.cat(mixed, dim=1))
    return torch.cat(rows)


def _pair_index(surroundings: Surroundings, elements: Sequence[int]) -> Int[Tensor, "atom slot"]:
    device = surroundings.vectors.device
    atoms = _element_indices(surroundings.atoms, elements, device)
    slots = _element_indices(surroundings.slots, elements, device)
    return atoms[:, None] * len(elements) + slots[None, :]


def _element_indices(
    slices: ElementSlices, elements: Sequence[int], device: torch.device
) -> Int[Tensor, "row"]:
    rows = [elements.index(e) for e, part in slices for _ in range(part.stop - part.start)]
    return torch.tensor(rows, device=device)
