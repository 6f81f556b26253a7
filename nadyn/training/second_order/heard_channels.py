"""From Clebsch-Gordan products to the channels that an atom hears, and to directions, with derivatives.

Both are linear, with weights of their own for each element. Channels have nine components, of ranks 0, 1
and 2; directions the eight of a vector and a tensor. Rows are in the order by element.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.encoders.equivariant import PATHS
from nadyn.models.matrix.directions import N_DIRECTIONS
from nadyn.models.potential import Potential

# Components of each rank; results of Clebsch-Gordan products have all paths of a component side by side.
_COMPONENTS = [2 * rank + 1 for rank in PATHS]
_RESULTS = [(2 * rank + 1) * len(paths) for rank, paths in PATHS.items()]

Results = Float[Tensor, "row result channel"]
Channels = Float[Tensor, "row 9 channel"]
Directions = Float[Tensor, "row 8 direction"]


@dataclass(frozen=True)
class ChannelWeights:
    """The weights of the elements that occur.

    Attributes:
        paths: Of each rank.
        directions: Of vectors and of tensors; None where there are no directions.
    """

    paths: list[list[Float[Tensor, "_ channel"]]]
    directions: list[Float[Tensor, "2 channel direction"]] | None


def channel_weights(potential: Potential, index: Sequence[int]) -> ChannelWeights:
    """Return the weights of some of the elements of a potential whose encoder sends messages."""
    encoder, matrix = potential.network.encoder, potential.matrix
    paths = [[rank[i] for rank in encoder.paths] for i in index]
    if not matrix.directional:
        return ChannelWeights(paths, None)
    # Directions that are seen come first.
    first = encoder.settings.n_channels
    both = [
        (mixing * scale.unsqueeze(-1))[:, first:]
        for mixing, scale in (
            (matrix.vector_mixing, matrix.vector_scale),
            (matrix.tensor_mixing, matrix.tensor_scale),
        )
    ]
    scaled = torch.stack(both, dim=1)
    return ChannelWeights(paths, [scaled[i] for i in index])


def mix(weights: ChannelWeights, results: Results, sizes: list[int]) -> Channels:
    """Return the channels."""
    parts = []
    for paths, own in zip(weights.paths, results.split(sizes), strict=True):
        ranks = zip(paths, _ranks(own), strict=True)
        parts.append(torch.cat([rank @ matrix for matrix, rank in ranks], dim=1))
    return torch.cat(parts)


def unmix(weights: ChannelWeights, of_channels: Channels, sizes: list[int]) -> Results:
    """Return the cotangents of the results for those of the channels."""
    parts = []
    for paths, own in zip(weights.paths, of_channels.split(sizes), strict=True):
        for matrix, rank in zip(paths, own.split(_COMPONENTS, dim=1), strict=True):
            n_channels = matrix.shape[1]
            parts.append((rank @ matrix.mT).unflatten(2, (-1, n_channels)).flatten(1, 2))
    by_element = [torch.cat(parts[i : i + len(PATHS)], dim=1) for i in range(0, len(parts), len(PATHS))]
    return torch.cat(by_element)


def of_paths(results: Results, of_channels: Channels, sizes: list[int]) -> list[list[Tensor]]:
    """Return for each element and rank the gradient in the weights of its paths."""
    return [
        [
            rank.flatten(0, 1).mT @ of_rank.flatten(0, 1)
            for rank, of_rank in zip(_ranks(own), cotangents.split(_COMPONENTS, dim=1), strict=True)
        ]
        for own, cotangents in zip(results.split(sizes), of_channels.split(sizes), strict=True)
    ]


def direct(weights: ChannelWeights, channels: Channels, sizes: list[int]) -> Directions:
    """Return the directions, zero where there are none."""
    if weights.directions is None:
        return channels.new_zeros((len(channels), 8, N_DIRECTIONS))
    parts = []
    for both, own in zip(weights.directions, channels.split(sizes), strict=True):
        ranks = zip(both, own.split(_COMPONENTS, dim=1)[1:], strict=True)
        parts.append(torch.cat([rank @ matrix for matrix, rank in ranks], dim=1))
    return torch.cat(parts)


def undirect(
    weights: ChannelWeights, of_directions: Directions, sizes: list[int]
) -> Float[Tensor, "row 8 channel"] | float:
    """Return the cotangents of vectors and tensors for those of the directions, 0 where there are none."""
    if weights.directions is None:
        return 0.0
    parts = []
    for both, own in zip(weights.directions, of_directions.split(sizes), strict=True):
        ranks = zip(both, own.split(_COMPONENTS[1:], dim=1), strict=True)
        parts.append(torch.cat([rank @ matrix.mT for matrix, rank in ranks], dim=1))
    return torch.cat(parts)


def of_direction_weights(
    channels: Channels, of_directions: Directions, sizes: list[int]
) -> list[Float[Tensor, "2 channel direction"]]:
    """Return for each element the gradient in the weights of its directions."""
    found = []
    for own, cotangents in zip(channels.split(sizes), of_directions.split(sizes), strict=True):
        ranks = zip(own.split(_COMPONENTS, dim=1)[1:], cotangents.split(_COMPONENTS[1:], dim=1), strict=True)
        found.append(torch.stack([a.flatten(0, 1).mT @ b.flatten(0, 1) for a, b in ranks]))
    return found


def _ranks(results: Results) -> list[Float[Tensor, "row _ path"]]:
    parts = results.split(_RESULTS, dim=1)
    return [own.unflatten(1, (n, -1)).flatten(2) for n, own in zip(_COMPONENTS, parts, strict=True)]
