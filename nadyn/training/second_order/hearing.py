"""Sums over neighbours of what they tell, for frames of one molecule, with derivatives.

P_i = Σ_j Y(r̂_ij) ⊗ (w(r_ij) t_j) of the nine components of what neighbour j tells, t_j, with learned weights
w = g(r) R of each rank; a constant map takes P to what Clebsch-Gordan products give, see
`nadyn.models.encoders.equivariant`. Everything is bilinear. Arrays have the axes (copy, frame, atom, slot),
and nine components with all channels side by side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.surroundings import ElementSlices
from nadyn.training.second_order.geometry import PairFunctions

# Harmonics of ranks 0, 1 and 2.
_N_HARMONICS = 9


@dataclass(frozen=True)
class Ears:
    """What does not depend on the frames.

    Attributes:
        products: From P to Clebsch-Gordan products, all paths of a component side by side.
        weights: R of each pair of elements, with columns for each component and channel.
        atoms, slots: Numbers of the elements that `weights` goes by, and where they are.
    """

    products: Float[Tensor, "result 81"]
    weights: Float[Tensor, "element element radial told"]
    atoms: ElementSlices
    slots: ElementSlices


@dataclass(frozen=True)
class Heard:
    """What is heard.

    Attributes:
        told: t of the neighbours.
        weights: w.
        weighed: w t.
        results: Clebsch-Gordan products of the sums.
    """

    told: Float[Tensor, "1 frame _ slot told"]
    weights: Float[Tensor, "1 frame atom slot told"]
    weighed: Float[Tensor, "1 frame atom slot told"]
    results: Float[Tensor, "1 frame atom result channel"]


@dataclass(frozen=True)
class Pulled:
    """Cotangents of copies: of the sums, of w t, of w, of what is told, and of r_ij."""

    sums: Float[Tensor, "copy frame atom 9 told"]
    weighed: Float[Tensor, "copy frame atom slot told"]
    weights: Float[Tensor, "copy frame atom slot told"]
    told: Float[Tensor, "copy frame atom told"]
    vectors: Float[Tensor, "copy frame atom 3 slot"]


@dataclass(frozen=True)
class Pushed:
    """Tangents of copies: of Y, g, w, what is told in each slot, and of the Clebsch-Gordan products."""

    harmonics: Float[Tensor, "copy frame atom slot 9"]
    radial: Float[Tensor, "copy frame atom slot radial"]
    weights: Float[Tensor, "copy frame atom slot told"]
    told: Float[Tensor, "copy frame _ slot told"]
    results: Float[Tensor, "copy frame atom result channel"]


def hear(ears: Ears, pairs: PairFunctions, told: Float[Tensor, "1 frame atom told"]) -> Heard:
    """Return what atoms hear."""
    in_slots = _in_slots(pairs, told)
    weights = _by_pair(ears, pairs.radial.unsqueeze(0))
    weighed = weights * in_slots
    return Heard(in_slots, weights, weighed, _results(ears, _harmonics(pairs).mT @ weighed))


def pull_back(
    ears: Ears,
    pairs: PairFunctions,
    heard: Heard,
    of_results: Float[Tensor, "copy frame atom result channel"],
) -> Pulled:
    """Return the cotangents for those of the products."""
    harmonics = _harmonics(pairs)
    of_sums = _of_sums(ears, of_results)
    of_weighed = harmonics @ of_sums
    of_weights = of_weighed * heard.told
    of_told = _to_atoms(pairs, of_weighed * heard.weights)
    of_harmonics = heard.weighed @ of_sums.mT
    turned = (of_harmonics.unsqueeze(3) * pairs.gradient[..., :_N_HARMONICS]).sum(dim=-1)
    along = (_by_pair(ears, of_weights, back=True) * pairs.slope).sum(dim=-1)
    vectors = torch.addcmul(turned, pairs.unit, along.unsqueeze(3))
    return Pulled(of_sums, of_weighed, of_weights, of_told, vectors)


def push_forward(
    ears: Ears,
    pairs: PairFunctions,
    heard: Heard,
    moved: Float[Tensor, "copy frame atom 3 slot"],
    told: Float[Tensor, "copy frame atom told"],
) -> Pushed:
    """Return the tangents for those of the vectors between atoms and of what is told."""
    harmonics = (pairs.gradient[..., :_N_HARMONICS] * moved.unsqueeze(-1)).sum(dim=3)
    radial = pairs.slope * (pairs.unit * moved).sum(dim=3).unsqueeze(-1)
    weights, in_slots = _by_pair(ears, radial), _in_slots(pairs, told)
    weighed = torch.addcmul(weights * heard.told, heard.weights, in_slots)
    sums = harmonics.mT @ heard.weighed + _harmonics(pairs).mT @ weighed
    return Pushed(harmonics, radial, weights, in_slots, _results(ears, sums))


def gradients(
    ears: Ears,
    pairs: PairFunctions,
    heard: Heard,
    of_results: Float[Tensor, "1 frame atom result channel"],
    pulled: Pulled | None,
    pushed: Pushed | None,
    result: Float[Tensor, "element element radial told"],
) -> Float[Tensor, "1 frame atom told"]:
    """Return the cotangents of what is told, and add the gradient in R.

    Args:
        ears: The weights.
        pairs: The geometry.
        heard: What is heard.
        of_results: Cotangents of the products.
        pulled: Cotangents of the tangents of the products; None where no derivative was asked for.
        pushed: Tangents.
        result: Where the gradient in R is added.
    """
    of_weighed = _harmonics(pairs) @ _of_sums(ears, of_results)
    if pulled is not None:
        # A sum over copies and harmonics is one product.
        turned = pushed.harmonics.permute(1, 2, 3, 0, 4).flatten(3)
        of_weighed = of_weighed + turned @ pulled.sums.permute(1, 2, 0, 3, 4).flatten(2, 3)
    of_weights, of_told = of_weighed * heard.told, of_weighed * heard.weights
    if pulled is not None:
        of_weights = of_weights + (pulled.weighed * pushed.told).sum(dim=0)
        of_told = of_told + (pulled.weighed * pushed.weights).sum(dim=0)
        _add_products(ears, pushed.radial, pulled.weights, result)
    _add_products(ears, pairs.radial.unsqueeze(0), of_weights, result)
    return _to_atoms(pairs, of_told)


def _harmonics(pairs: PairFunctions) -> Float[Tensor, "frame atom slot 9"]:
    return pairs.harmonics[..., :_N_HARMONICS]


def _results(
    ears: Ears, sums: Float[Tensor, "copy frame atom 9 told"]
) -> Float[Tensor, "copy frame atom result channel"]:
    n_channels = sums.shape[-1] // _N_HARMONICS
    return ears.products @ sums.unflatten(-1, (_N_HARMONICS, n_channels)).flatten(3, 4)


def _of_sums(
    ears: Ears, results: Float[Tensor, "copy frame atom result channel"]
) -> Float[Tensor, "copy frame atom 9 told"]:
    return (ears.products.mT @ results).unflatten(3, (_N_HARMONICS, _N_HARMONICS)).flatten(4)


def _in_slots(
    pairs: PairFunctions, told: Float[Tensor, "copy frame atom told"]
) -> Float[Tensor, "copy frame _ slot told"]:
    if pairs.neighbours is None:
        return told.unsqueeze(2)
    rows = told.flatten(1, 2).index_select(1, _rows(pairs.neighbours))
    return rows.unflatten(1, pairs.neighbours.shape)


def _to_atoms(
    pairs: PairFunctions, of_told: Float[Tensor, "copy frame atom slot told"]
) -> Float[Tensor, "copy frame atom told"]:
    if pairs.neighbours is None:
        return of_told.sum(dim=2)
    n_copies, n_frames, n_atoms = of_told.shape[:3]
    sums = of_told.new_zeros((n_copies, n_frames * n_atoms, of_told.shape[-1]))
    sums.index_add_(1, _rows(pairs.neighbours), of_told.flatten(1, 3))
    return sums.unflatten(1, (n_frames, n_atoms))


def _rows(neighbours: Int[Tensor, "frame atom slot"]) -> Int[Tensor, "_"]:
    n_frames, n_atoms, _ = neighbours.shape
    first = n_atoms * torch.arange(n_frames, device=neighbours.device)
    return (neighbours + first[:, None, None]).flatten()


def _by_pair(
    ears: Ears, values: Float[Tensor, "copy frame atom slot _"], *, back: bool = False
) -> Float[Tensor, "copy frame atom slot _"]:
    """Return products with R of each pair of elements, or with its transpose."""
    n_results = ears.weights.shape[2 if back else 3]
    result = values.new_empty((*values.shape[:-1], n_results))
    for (i, own), (j, others) in _blocks(ears):
        weights = ears.weights[i, j].mT if back else ears.weights[i, j]
        result[:, :, own, others] = values[:, :, own, others] @ weights
    return result


def _add_products(ears: Ears, left: Tensor, right: Tensor, result: Tensor) -> None:
    for (i, own), (j, others) in _blocks(ears):
        one, two = (array[:, :, own, others].flatten(0, 3) for array in (left, right))
        result[i, j].addmm_(one.mT, two)


def _blocks(ears: Ears) -> Iterator[Sequence[tuple[int, slice]]]:
    for atoms in ears.atoms:
        for slots in ears.slots:
            yield atoms, slots
