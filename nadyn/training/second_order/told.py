"""What atoms tell their neighbours, of one element after the other, with derivatives.

Scalars f(s(D) S) of the descriptors D that an atom has found, scaled, and its vectors and tensors A as they
are but for a factor: nine components, see `nadyn.models.encoders.equivariant`. Rows are in the order by
element.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.training.second_order.activations import DERIVATIVES

_SCALARS = DERIVATIVES[nn.SiLU]
# Vectors and tensors among the moments of an atom.
_DIRECTED = slice(0, 8)


@dataclass(frozen=True)
class Teller:
    """The weights of the elements that occur.

    Attributes:
        scalars: S.
        mean, scale: Of the descriptors.
        factors: Of each component of vectors and tensors.
    """

    scalars: list[Float[Tensor, "feature channel"]]
    mean: list[Float[Tensor, "feature"]]
    scale: list[Float[Tensor, "feature"]]
    factors: list[Float[Tensor, "8 1"]]


@dataclass(frozen=True)
class Told:
    """What is told.

    Attributes:
        scaled: Descriptors of each element.
        before, slopes: What f is taken of, and f'.
        rows: The nine components.
    """

    scaled: list[Float[Tensor, "_ feature"]]
    before: Float[Tensor, "row channel"]
    slopes: Float[Tensor, "row channel"]
    rows: Float[Tensor, "row 9 channel"]


def teller(encoder: EquivariantMessages, index: Sequence[int]) -> Teller:
    """Return the weights of some of the elements of an encoder."""
    sizes = torch.tensor([3, 5], device=encoder.direction_scales.device)
    return Teller(
        [encoder.scalars[i] for i in index],
        [encoder.mean[i] for i in index],
        [encoder.inverse_spread[i] for i in index],
        [encoder.direction_scales[i].repeat_interleave(sizes, output_size=8).unsqueeze(1) for i in index],
    )


def tell(
    own: Teller,
    descriptors: Float[Tensor, "row feature"],
    mixed: Float[Tensor, "row 15 channel"],
    sizes: Sequence[int],
) -> Told:
    """Return what atoms tell who have found these descriptors and moments."""
    parts = zip(own.mean, own.scale, descriptors.split(sizes), strict=True)
    scaled = [(part - mean) * scale for mean, scale, part in parts]
    before = torch.cat([part @ weights for part, weights in zip(scaled, own.scalars, strict=True)])
    values, slopes = _SCALARS.value_and_slope(before)
    return Told(scaled, before, slopes, _joined(own, values, mixed, sizes))


def pull_back(
    own: Teller,
    slopes: Float[Tensor, "row channel"],
    of_told: Float[Tensor, "row 9 channel"],
    sizes: Sequence[int],
) -> tuple[Tensor, Float[Tensor, "row feature"], Float[Tensor, "row 8 channel"]]:
    """Return the cotangents of what f is taken of, of the descriptors, and of vectors and tensors."""
    of_before = of_told[:, 0] * slopes
    return of_before, *_to_inputs(own, of_before, of_told, sizes)


def push_forward(
    own: Teller,
    slopes: Float[Tensor, "row channel"],
    descriptors: Float[Tensor, "row feature"],
    mixed: Float[Tensor, "row 15 channel"],
    sizes: Sequence[int],
) -> tuple[Tensor, Float[Tensor, "row 9 channel"]]:
    """Return the tangents of what f is taken of, and of what is told."""
    parts = zip(own.scale, own.scalars, descriptors.split(sizes), strict=True)
    before = torch.cat([part @ (weights * scale.unsqueeze(1)) for scale, weights, part in parts])
    return before, _joined(own, before * slopes, mixed, sizes)


def gradients(
    own: Teller,
    told: Told,
    of_told: Float[Tensor, "row 9 channel"],
    bend: list[Float[Tensor, "_ channel"]] | None,
    sizes: Sequence[int],
) -> tuple[list[Tensor], Float[Tensor, "row feature"], Float[Tensor, "row 8 channel"]]:
    """Return the gradients in S, in the descriptors, and in vectors and tensors.

    Args:
        own: The weights.
        told: What is told.
        of_told: Its cotangents.
        bend: For each element sums over copies of (tangent) × (cotangent of the scalars), of the first rows.
        sizes: How many rows each element has.
    """
    of_before = of_told[:, 0] * told.slopes
    if bend is not None:
        parts = zip(of_before.split(sizes), told.before.split(sizes), bend, strict=True)
        for part, before, own_bend in parts:
            n = len(own_bend)
            part[:n] += own_bend * _SCALARS.curvature(before[:n])
    of_scalars = [scaled.mT @ part for scaled, part in zip(told.scaled, of_before.split(sizes), strict=True)]
    return of_scalars, *_to_inputs(own, of_before, of_told, sizes)


def of_scalars(
    own: Teller,
    moved: Float[Tensor, "copied feature"],
    of_before: Float[Tensor, "copied channel"],
    sizes: Sequence[int],
) -> list[Float[Tensor, "feature channel"]]:
    """Return the gradients in S that tangents of the descriptors have."""
    parts = zip(own.scale, moved.split(sizes), of_before.split(sizes), strict=True)
    return [scale.unsqueeze(1) * (tangents.mT @ part) for scale, tangents, part in parts]


def _joined(own: Teller, scalars: Tensor, mixed: Tensor, sizes: Sequence[int]) -> Tensor:
    parts = zip(own.factors, mixed[:, _DIRECTED].split(sizes), strict=True)
    directed = torch.cat([part * factors for factors, part in parts])
    return torch.cat([scalars.unsqueeze(1), directed], dim=1)


def _to_inputs(
    own: Teller, of_before: Tensor, of_told: Tensor, sizes: Sequence[int]
) -> tuple[Float[Tensor, "row feature"], Float[Tensor, "row 8 channel"]]:
    parts = zip(own.scale, own.scalars, of_before.split(sizes), strict=True)
    of_descriptors = [part @ (weights * scale.unsqueeze(1)).mT for scale, weights, part in parts]
    directed = zip(own.factors, of_told[:, 1:].split(sizes), strict=True)
    return torch.cat(of_descriptors), torch.cat([part * factors for factors, part in directed])
