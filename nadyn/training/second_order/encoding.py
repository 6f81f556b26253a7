"""From sums over neighbours to descriptors and directions of each atom, with derivatives.

Moments M of an element's atoms are mixed into channels A, whose products are invariants; the first components
of M are invariants as they are. Of A of ranks 1 and 2 some combinations are directions. Rows are in the order
by element; moments in that by frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.models.matrix.directions import N_DIRECTIONS
from nadyn.models.potential import Potential
from nadyn.training.second_order import compiled_encoding, invariants
from nadyn.training.second_order.geometry import moments_of
from nadyn.training.second_order.invariants import RANKS, Products
from nadyn.training.second_order.machine_code import can_compile

# Ranks of the moments among the 16 harmonics; the first is the scalar one.
_OF_MOMENTS = (slice(1, 4), slice(4, 9), slice(9, 16))


@dataclass(frozen=True)
class Encoding:
    """The weights of the elements that occur.

    Attributes:
        tables: Of the products.
        mixing: Of each element.
        directions: Of each element, those of vectors and of tensors; None where there are no directions.
        compiled: Whether there is machine code.
    """

    tables: Products
    mixing: list[Float[Tensor, "3 input channel"]]
    directions: list[Float[Tensor, "2 channel direction"]] | None
    compiled: bool


@dataclass(frozen=True)
class Encoded:
    """Channels, descriptors and directions; the eight components are those of a vector and a tensor."""

    mixed: Float[Tensor, "row 15 channel"]
    descriptors: Float[Tensor, "row feature"]
    vectors: Float[Tensor, "row 8 direction"]


def encoding_of(potential: Potential, index: Sequence[int]) -> Encoding:
    """Return the weights of some of the elements of a potential."""
    mixing, matrix = moments_of(potential).mixing, potential.matrix
    directions = None
    if matrix.directional:
        scaled = torch.stack(
            [
                matrix.vector_mixing * matrix.vector_scale.unsqueeze(-1),
                matrix.tensor_mixing * matrix.tensor_scale.unsqueeze(-1),
            ],
            dim=1,
        )
        # What is heard from neighbours has directions too; those here come first.
        directions = [scaled[i, :, : mixing.shape[3]].contiguous() for i in index]
    tables = invariants.products(mixing.shape[3], mixing.dtype, mixing.device)
    return Encoding(tables, [mixing[i] for i in index], directions, can_compile(mixing.device, mixing.dtype))


def encode(
    encoding: Encoding,
    moments: Float[Tensor, "row 16 input"],
    order: Int[Tensor, "row"],
    sizes: Sequence[int],
) -> Encoded:
    """Return channels, descriptors and directions."""
    if encoding.compiled:
        found = _empty(encoding, moments, len(order))
        rows = {
            "place": order,
            "mixed": found.mixed,
            "descriptors": found.descriptors,
            "vectors": found.vectors,
        }
        _call("encode", encoding, sizes, {"moments": moments}, rows)
        return found
    own = moments.index_select(0, order)
    mixed = _mixed(encoding, own, sizes)
    descriptors = invariants.invariants(encoding.tables, mixed, own[:, 0])
    return Encoded(mixed, descriptors, _directed(encoding, mixed, sizes))


def pull_back(
    encoding: Encoding,
    encoded: Encoded,
    of_descriptors: Float[Tensor, "copied feature"],
    of_vectors: Float[Tensor, "copied 8 direction"],
    source: Int[Tensor, "copied"],
    order: Int[Tensor, "copied"],
    sizes: Sequence[int],
    *,
    directed: Float[Tensor, "copied 8 channel"] | None = None,
) -> tuple[Float[Tensor, "copied 15 channel"], Float[Tensor, "copied 16 input"]]:
    """Return the cotangents of channels and, in the order by frame, of the moments.

    Vectors and tensors among the channels may have further cotangents, `directed`.
    """
    if encoding.compiled:
        result = _pulled_back(encoding, encoded, of_descriptors, of_vectors, source, sizes)
        _add(result, directed)
        of_moments = result.new_empty((len(source), 16, encoding.mixing[0].shape[1]))
        rows = {"place": order, "descriptors": of_descriptors, "other_mixed": result}
        _call("unmix", encoding, sizes, {"moments": of_moments}, rows)
        return result, of_moments
    mixed = encoded.mixed.index_select(0, source)
    result = invariants.pull_back(encoding.tables, mixed, of_descriptors)
    _add_directed(encoding, result, of_vectors, sizes)
    _add(result, directed)
    own = _unmixed(encoding, result, of_descriptors, sizes)
    return result, torch.empty_like(own).index_copy_(0, order, own)


def pull_back_to_channels(
    encoding: Encoding,
    encoded: Encoded,
    of_descriptors: Float[Tensor, "row feature"],
    of_vectors: Float[Tensor, "row 8 direction"],
    sizes: Sequence[int],
) -> Float[Tensor, "row 15 channel"]:
    """Return the cotangents of channels alone."""
    if encoding.compiled:
        own = torch.arange(len(encoded.mixed))
        return _pulled_back(encoding, encoded, of_descriptors, of_vectors, own, sizes)
    result = invariants.pull_back(encoding.tables, encoded.mixed, of_descriptors)
    _add_directed(encoding, result, of_vectors, sizes)
    return result


def push_forward(
    encoding: Encoding,
    encoded: Encoded,
    moved: Float[Tensor, "copied 16 input"],
    of_descriptors: Float[Tensor, "copied feature"],
    source: Int[Tensor, "copied"],
    order: Int[Tensor, "copied"],
    sizes: Sequence[int],
) -> tuple[Encoded, Float[Tensor, "copied 15 channel"]]:
    """Return tangents for those of the moments, and how the cotangents of channels change along them."""
    if encoding.compiled:
        found = _empty(encoding, moved, len(order))
        bend = torch.empty_like(found.mixed)
        rows = {
            "place": order,
            "source": source,
            "descriptors": of_descriptors,
            "other_mixed": found.mixed,
            "other_descriptors": found.descriptors,
            "other_vectors": found.vectors,
            "bend": bend,
        }
        _call("second", encoding, sizes, {"moments": moved, "mixed": encoded.mixed}, rows)
        return found, bend
    own = moved.index_select(0, order)
    mixed, moved_mixed = encoded.mixed.index_select(0, source), _mixed(encoding, own, sizes)
    tangents, bend = invariants.push_forward(encoding.tables, mixed, moved_mixed, own[:, 0], of_descriptors)
    return Encoded(moved_mixed, tangents, _directed(encoding, moved_mixed, sizes)), bend


def add_of_mixing(
    encoding: Encoding,
    result: Sequence[Float[Tensor, "3 input channel"]],
    moments: Float[Tensor, "row 16 input"],
    of_mixed: Float[Tensor, "row 15 channel"],
    order: Int[Tensor, "row"],
    sizes: Sequence[int],
) -> None:
    """Add the gradient in the weights of each element, in place."""
    if encoding.compiled:
        rows = {"place": order, "other_mixed": of_mixed}
        compiled_encoding.call("mixing", sizes, result, None, {"moments": moments}, rows)
        return
    parts = zip(result, moments.index_select(0, order).split(sizes), of_mixed.split(sizes), strict=True)
    for target, own, cotangents in parts:
        for number, (rank, mixed) in enumerate(zip(_OF_MOMENTS, RANKS, strict=True)):
            target[number] += own[:, rank].flatten(0, 1).mT @ cotangents[:, mixed].flatten(0, 1)


def of_directions(
    mixed: Float[Tensor, "row 15 channel"], of_vectors: Float[Tensor, "row 8 direction"], sizes: Sequence[int]
) -> list[Float[Tensor, "2 channel direction"]]:
    """Return the gradient in the weights of the directions of each element."""
    found = []
    for own, cotangents in zip(mixed.split(sizes), of_vectors.split(sizes), strict=True):
        ranks = [own[:, rank].flatten(0, 1).mT @ cotangents[:, rank].flatten(0, 1) for rank in RANKS[:2]]
        found.append(torch.stack(ranks))
    return found


def _pulled_back(
    encoding: Encoding,
    encoded: Encoded,
    of_descriptors: Tensor,
    of_vectors: Tensor,
    source: Int[Tensor, "copied"],
    sizes: Sequence[int],
) -> Float[Tensor, "copied 15 channel"]:
    result = encoded.mixed.new_empty((len(source), *encoded.mixed.shape[1:]))
    rows = {
        "source": source,
        "descriptors": of_descriptors,
        "vectors": of_vectors,
        "other_mixed": result,
    }
    _call("back", encoding, sizes, {"mixed": encoded.mixed}, rows)
    return result


def _add(of_mixed: Float[Tensor, "row 15 channel"], directed: Tensor | None) -> None:
    if directed is not None:
        of_mixed[:, : directed.shape[1]] += directed


def _call(
    name: str, encoding: Encoding, sizes: Sequence[int], whole: dict[str, Tensor], rows: dict[str, Tensor]
) -> None:
    compiled_encoding.call(name, sizes, encoding.mixing, encoding.directions, whole, rows)


def _empty(encoding: Encoding, like: Tensor, n_rows: int) -> Encoded:
    _, n_inputs, n_channels = encoding.mixing[0].shape
    n_products = 3 * len(encoding.tables.upper) + 2 * n_channels**2
    return Encoded(
        like.new_empty((n_rows, 15, n_channels)),
        like.new_empty((n_rows, n_inputs + n_products)),
        # Without weights of directions they stay zero.
        like.new_zeros((n_rows, 8, N_DIRECTIONS)),
    )


def _mixed(encoding: Encoding, moments: Tensor, sizes: Sequence[int]) -> Float[Tensor, "row 15 channel"]:
    parts = []
    for weights, own in zip(encoding.mixing, moments.split(sizes), strict=True):
        ranks = [own[:, rank] @ weights[number] for number, rank in enumerate(_OF_MOMENTS)]
        parts.append(torch.cat(ranks, dim=1))
    return torch.cat(parts)


def _unmixed(
    encoding: Encoding, of_mixed: Tensor, of_descriptors: Tensor, sizes: Sequence[int]
) -> Float[Tensor, "row 16 input"]:
    scalars = of_descriptors[:, None, : encoding.mixing[0].shape[1]]
    parts = []
    for weights, own, scalar in zip(
        encoding.mixing, of_mixed.split(sizes), scalars.split(sizes), strict=True
    ):
        ranks = [own[:, rank] @ weights[number].mT for number, rank in enumerate(RANKS)]
        parts.append(torch.cat([scalar, *ranks], dim=1))
    return torch.cat(parts)


def _directed(encoding: Encoding, mixed: Tensor, sizes: Sequence[int]) -> Float[Tensor, "row 8 direction"]:
    if encoding.directions is None:
        return mixed.new_zeros((len(mixed), 8, N_DIRECTIONS))
    parts = [
        torch.cat([own[:, rank] @ weights[number] for number, rank in enumerate(RANKS[:2])], dim=1)
        for weights, own in zip(encoding.directions, mixed.split(sizes), strict=True)
    ]
    return torch.cat(parts)


def _add_directed(encoding: Encoding, of_mixed: Tensor, of_vectors: Tensor, sizes: Sequence[int]) -> None:
    if encoding.directions is None:
        return
    parts = zip(encoding.directions, of_mixed.split(sizes), of_vectors.split(sizes), strict=True)
    for weights, own, cotangents in parts:
        for number, rank in enumerate(RANKS[:2]):
            own[:, rank] += cotangents[:, rank] @ weights[number].mT
