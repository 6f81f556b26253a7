"""From slopes in sums over neighbours to slopes in vectors between atoms and in positions, and back."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.training.second_order import compiled_geometry
from nadyn.training.second_order.compiled_geometry import Arrays
from nadyn.training.second_order.geometry import Geometry, PairFunctions
from nadyn.training.second_order.machine_code import can_compile


def pull_back(
    geometry: Geometry,
    moments: Float[Tensor, "copy frame atom 16 input"],
    in_plane: Float[Tensor, "copy frame 3 3"] | None,
) -> Float[Tensor, "copy frame atom 3 slot"]:
    """Return the cotangents of the vectors between atoms for those of the moments and the in-plane tensor."""
    pairs = geometry.pairs
    if can_compile(moments.device, moments.dtype):
        result = compiled_geometry.pull_back(_arrays(geometry), moments)
    else:
        result = _of_moments(geometry, moments)
    if in_plane is not None:
        # Of Σ w² r rᵀ: B = (P̄ + P̄ᵀ) r w gives w B and w' (r·B) along r̂.
        both = (in_plane + in_plane.mT).to(pairs.vectors)
        turned = (both.unsqueeze(2) @ pairs.vectors) * pairs.pull.unsqueeze(2)
        along = (turned * pairs.vectors).sum(dim=3) * pairs.pull_slope
        result = result + turned * pairs.pull.unsqueeze(2) + pairs.unit * along.unsqueeze(3)
    return result


def push_forward(
    geometry: Geometry, moved: Float[Tensor, "copy frame atom 3 slot"]
) -> tuple[Float[Tensor, "copy frame atom 16 input"], Float[Tensor, "copy frame 3 3"] | None]:
    """Return the tangents of moments and in-plane tensor for those of the vectors between atoms."""
    pairs = geometry.pairs
    if can_compile(moved.device, moved.dtype):
        moments = compiled_geometry.push_forward(_arrays(geometry), moved, geometry.moments.shape[-1])
    else:
        moments = _of_vectors(geometry, moved)
    tensor = None
    if pairs.pull is not None:
        along = (pairs.unit * moved).sum(dim=3) * pairs.pull_slope
        change = moved * pairs.pull.unsqueeze(2) + pairs.vectors * along.unsqueeze(3)
        pulled = (pairs.vectors * pairs.pull.unsqueeze(2)).transpose(1, 2).flatten(2)
        half = (change.transpose(2, 3).flatten(3) @ pulled.mT).to(torch.float64)
        tensor = half + half.mT
    return moments, tensor


def slopes_of_positions(
    pairs: PairFunctions, slopes: Float[Tensor, "copy frame atom 3 slot"]
) -> Float[Tensor, "frame copy atom 3"]:
    """Return derivatives in the positions from those in the vectors between atoms, in double precision."""
    slopes = slopes.to(torch.float64)
    if pairs.neighbours is None:
        arriving = slopes.sum(dim=2).mT
    else:
        n_copies, n_frames, n_atoms = slopes.shape[:3]
        index = pairs.neighbours.flatten(1)[None, :, :, None].expand(n_copies, -1, -1, 3)
        arriving = slopes.new_zeros((n_copies, n_frames, n_atoms, 3))
        arriving = arriving.scatter_add(2, index, slopes.mT.reshape(n_copies, n_frames, -1, 3))
    return (arriving - slopes.sum(dim=4)).transpose(0, 1)


def slopes_of_strain(
    pairs: PairFunctions, slopes: Float[Tensor, "copy frame atom 3 slot"]
) -> Float[Tensor, "frame copy 3 3"]:
    """Return derivatives in a strain that moves all vectors r to r + r ε."""
    vectors = pairs.vectors.to(torch.float64)
    return torch.einsum("fays,kfaxs->fkyx", vectors, slopes.to(torch.float64))


def _of_moments(geometry: Geometry, moments: Tensor) -> Float[Tensor, "copy frame atom 3 slot"]:
    pairs = geometry.pairs
    n_radial = pairs.radial.shape[-1]
    values, slopes = [], []
    for element, slots in geometry.slots:
        first = geometry.elements.index(element) * n_radial
        own = moments[..., first : first + n_radial].mT
        values.append(pairs.radial[:, :, slots] @ own)
        slopes.append(pairs.slope[:, :, slots] @ own)
    along = (torch.cat(slopes, dim=3) * pairs.harmonics).sum(dim=-1)
    turned = (torch.cat(values, dim=3).unsqueeze(3) * pairs.gradient).sum(dim=-1)
    return torch.addcmul(turned, pairs.unit, along.unsqueeze(3))


def _of_vectors(geometry: Geometry, moved: Tensor) -> Float[Tensor, "copy frame atom 16 input"]:
    pairs = geometry.pairs
    stretching = pairs.harmonics * (pairs.unit * moved).sum(dim=3).unsqueeze(-1)
    turning = (pairs.gradient * moved.unsqueeze(-1)).sum(dim=3)
    slots, by_element = dict(geometry.slots), []
    for element in geometry.elements:
        own = slots.get(element, slice(0, 0))
        sums = turning[:, :, :, own].mT @ pairs.radial[:, :, own]
        by_element.append(sums + stretching[:, :, :, own].mT @ pairs.slope[:, :, own])
    return torch.cat(by_element, dim=-1)


def _arrays(geometry: Geometry) -> Arrays:
    pairs = geometry.pairs
    return Arrays(
        pairs.radial, pairs.slope, pairs.harmonics, pairs.unit, pairs.gradient, _first_inputs(geometry)
    )


def _first_inputs(geometry: Geometry) -> Int[Tensor, "slot"]:
    n_radial = geometry.pairs.radial.shape[-1]
    return torch.tensor(
        [
            geometry.elements.index(element) * n_radial
            for element, slots in geometry.slots
            for _ in range(slots.start, slots.stop)
        ],
        dtype=torch.long,
    )
