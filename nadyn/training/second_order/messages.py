"""Descriptors and directions of what atoms hear from their neighbours, with derivatives.

What is told (`told`) is summed over neighbours (`hearing`) and mixed into channels of ranks 0, 1 and 2
(`heard_channels`), of which scalars and products are descriptors, and some combinations of vectors and
tensors are directions. Rows are in the order by element. Which derivatives there are is said in `evaluation`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.encoders.equivariant import PATHS, RANK_OF_COMPONENT, EquivariantMessages
from nadyn.models.potential import Potential
from nadyn.models.surroundings import ElementSlices, element_slices
from nadyn.training.second_order import heard_channels as channels
from nadyn.training.second_order import hearing, invariants, told
from nadyn.training.second_order.encoding import Encoded
from nadyn.training.second_order.geometry import Frames
from nadyn.training.second_order.heard_channels import Channels, Directions
from nadyn.training.second_order.rows import Rows


@dataclass(frozen=True)
class Backward:
    """Cotangents, or gradients, that messages have in what they are made of.

    Attributes:
        descriptors: Of what the atoms have found before they tell.
        directed: Of the vectors and tensors among their moments.
    """

    descriptors: Float[Tensor, "row feature"]
    directed: Float[Tensor, "row 8 channel"]


@dataclass(frozen=True)
class Gradients:
    """Gradients in weights, in those of directions of each element, and in what messages are made of."""

    weights: dict[Tensor, Tensor]
    directions: list[Float[Tensor, "2 channel direction"]] | None
    backward: Backward


class Messages:
    """Messages at some frames, with all that the gradient of a loss needs.

    Attributes:
        descriptors: Of what is heard.
        vectors: Directions of what is heard; the eight components are those of a vector and a tensor.
    """

    def __init__(
        self,
        potential: Potential,
        index: Sequence[int],
        frames: Sequence[Frames],
        rows: Rows,
        encoded: Encoded,
    ):
        """Evaluate.

        Args:
            potential: One whose encoder sends messages.
            index: Numbers of the elements that occur.
            frames: All frames, those first that are asked for derivatives.
            rows: Their rows.
            encoded: What the atoms have found before they tell.
        """
        encoder: EquivariantMessages = potential.network.encoder
        self.encoder, self.index, self.frames, self.rows = encoder, list(index), tuple(frames), rows
        self.sizes, self.copied_sizes = list(rows.sizes), [rows.copies * n for n in rows.asked]
        self.n_channels = encoder.settings.n_channels
        weight = encoder.radial
        self.tables = invariants.products(self.n_channels, weight.dtype, weight.device, heard=True)
        self.ears, self.teller = _ears(encoder, self.frames), told.teller(encoder, self.index)
        self.weights = channels.channel_weights(potential, self.index)
        self.told = told.tell(self.teller, encoded.descriptors, encoded.mixed, self.sizes)
        by_frame = self._by_frame(self.told.rows, rows.by_frame, 1)
        self.heard = [
            hearing.hear(ears, one.geometry.pairs, own.flatten(3))
            for ears, one, own in zip(self.ears, self.frames, by_frame, strict=True)
        ]
        self.results = _by_element([one.results for one in self.heard], rows.by_element)
        self.mixed = channels.mix(self.weights, self.results, self.sizes)
        self.descriptors = invariants.invariants(self.tables, self.mixed[:, 1:], self.mixed[:, 0])
        self.vectors = channels.direct(self.weights, self.mixed, self.sizes)

    def pull_back(
        self, of_descriptors: Float[Tensor, "copied feature"], of_vectors: Directions
    ) -> tuple[Backward, list[Float[Tensor, "copy _ _ 3 _"]]]:
        """Return the cotangents of all copies, and for each molecule those of the vectors between atoms."""
        rows, sizes = self.rows, self.copied_sizes
        self.of_descriptors, self.of_vectors = of_descriptors, of_vectors
        self.copied_mixed = self.mixed.index_select(0, rows.source)
        self.of_mixed = self._of_mixed(self.copied_mixed, of_descriptors, of_vectors, sizes)
        of_results = channels.unmix(self.weights, self.of_mixed, sizes)
        by_frame = self._by_frame(of_results, rows.copies_by_frame, rows.copies)
        self.pulled = [
            hearing.pull_back(ears, one.geometry.pairs, heard, own)
            for ears, one, heard, own in zip(self.ears, self.frames, self.heard, by_frame, strict=False)
        ]
        of_told = self._told([one.told for one in self.pulled], rows.copies_by_element)
        self.slopes, self.of_scalars = self.told.slopes.index_select(0, rows.source), of_told[:, 0]
        self.of_before, *inputs = told.pull_back(self.teller, self.slopes, of_told, sizes)
        return Backward(*inputs), [one.vectors for one in self.pulled]

    def push_forward(
        self, moved: Encoded, vectors: Sequence[Float[Tensor, "copy _ _ 3 _"]]
    ) -> tuple[Float[Tensor, "copied feature"], Directions]:
        """Return the tangents of descriptors and directions of all copies.

        Args:
            moved: Tangents of what the atoms have found before they tell.
            vectors: Those of the vectors between atoms.
        """
        rows, sizes = self.rows, self.copied_sizes
        self.moved_descriptors = moved.descriptors
        self.moved_before, moved_told = told.push_forward(
            self.teller, self.slopes, moved.descriptors, moved.mixed, sizes
        )
        by_frame = self._by_frame(moved_told, rows.copies_by_frame, rows.copies)
        parts = zip(self.ears, self.frames, self.heard, vectors, by_frame, strict=False)
        self.pushed = [
            hearing.push_forward(ears, one.geometry.pairs, heard, own, tangents.flatten(3))
            for ears, one, heard, own, tangents in parts
        ]
        self.moved_results = _by_element([one.results for one in self.pushed], rows.copies_by_element)
        self.moved = channels.mix(self.weights, self.moved_results, sizes)
        descriptors, self.bend = invariants.push_forward(
            self.tables, self.copied_mixed[:, 1:], self.moved[:, 1:], self.moved[:, 0], self.of_descriptors
        )
        return descriptors, channels.direct(self.weights, self.moved, sizes)

    def gradients(
        self,
        of_descriptors: Float[Tensor, "row feature"],
        of_vectors: Directions,
        of_directed: Float[Tensor, "row 8 channel"] | None = None,
        *,
        has_slopes: bool,
    ) -> Gradients:
        """Return the gradients for those in descriptors and directions.

        Args:
            of_descriptors: Gradient in the descriptors.
            of_vectors: That in the directions.
            of_directed: What more there is in the vectors and tensors among the channels.
            has_slopes: Whether there are tangents, and so more of each.
        """
        rows, sizes = self.rows, self.sizes
        of_mixed = self._of_mixed(self.mixed, of_descriptors, of_vectors, sizes)
        if of_directed is not None:
            of_mixed[:, 1:] += of_directed
        if has_slopes:
            rows.add_copies(of_mixed[:, 1:], self.bend)
        found = self._of_paths(of_mixed, has_slopes=has_slopes)
        of_told = self._of_told(channels.unmix(self.weights, of_mixed, sizes), found, has_slopes=has_slopes)
        bend = rows.sum_of_copies(self.moved_before * self.of_scalars) if has_slopes else None
        of_scalars, *inputs = told.gradients(self.teller, self.told, of_told, bend, sizes)
        if has_slopes:
            more = told.of_scalars(self.teller, self.moved_descriptors, self.of_before, self.copied_sizes)
            of_scalars = [one + two for one, two in zip(of_scalars, more, strict=True)]
        found |= dict(zip([self.encoder.scalars[i] for i in self.index], of_scalars, strict=True))
        return Gradients(found, self._of_directions(of_vectors, has_slopes=has_slopes), Backward(*inputs))

    def _of_told(
        self, of_results: Tensor, found: dict[Tensor, Tensor], *, has_slopes: bool
    ) -> Float[Tensor, "row 9 channel"]:
        """Return the gradient in what is told, and set that in the radial weights."""
        rows, of_told = self.rows, []
        n_asked = len(rows.copies_by_frame) if has_slopes else 0
        of_radial = torch.zeros_like(self.ears[0].weights)
        by_frame = self._by_frame(of_results, rows.by_frame, 1)
        parts = zip(self.ears, self.frames, self.heard, by_frame, strict=True)
        for number, (ears, one, heard, own) in enumerate(parts):
            both = (self.pulled[number], self.pushed[number]) if number < n_asked else (None, None)
            of_told.append(hearing.gradients(ears, one.geometry.pairs, heard, own, *both, of_radial))
        found[self.encoder.radial] = _of_ranks(of_radial, self.n_channels)
        return self._told(of_told, rows.by_element)

    def _of_paths(self, of_mixed: Channels, *, has_slopes: bool) -> dict[Tensor, Tensor]:
        found = channels.of_paths(self.results, of_mixed, self.sizes)
        if has_slopes:
            more = channels.of_paths(self.moved_results, self.of_mixed, self.copied_sizes)
            found = [[a + b for a, b in zip(*both, strict=True)] for both in zip(found, more, strict=True)]
        return {
            parameter: gradient
            for paths, own in zip(self.weights.paths, found, strict=True)
            for parameter, gradient in zip(paths, own, strict=True)
        }

    def _of_directions(
        self, of_vectors: Directions, *, has_slopes: bool
    ) -> list[Float[Tensor, "2 channel direction"]] | None:
        if self.weights.directions is None:
            return None
        found = channels.of_direction_weights(self.mixed, of_vectors, self.sizes)
        if has_slopes:
            more = channels.of_direction_weights(self.moved, self.of_vectors, self.copied_sizes)
            found = [one + two for one, two in zip(found, more, strict=True)]
        return found

    def _of_mixed(
        self, mixed: Channels, of_descriptors: Tensor, of_vectors: Directions, sizes: list[int]
    ) -> Channels:
        directed = invariants.pull_back(self.tables, mixed[:, 1:], of_descriptors)
        directed = directed + channels.undirect(self.weights, of_vectors, sizes)
        return torch.cat([of_descriptors[:, None, : self.n_channels], directed], dim=1)

    def _by_frame(self, rows: Tensor, places: Sequence[Tensor], copies: int) -> list[Tensor]:
        """Return the rows of each molecule with axes of copies, frames and atoms."""
        found = []
        for place, one in zip(places, self.frames, strict=False):
            shape = (copies, len(one), len(one.numbers))
            found.append(rows.index_select(0, place).unflatten(0, shape))
        return found

    def _told(self, parts: list[Tensor], order: Tensor) -> Float[Tensor, "row 9 channel"]:
        return _by_element(parts, order).unflatten(1, (9, self.n_channels))


def _by_element(parts: list[Tensor], order: Tensor) -> Tensor:
    return torch.cat([one.flatten(0, 2) for one in parts]).index_select(0, order)


def _ears(encoder: EquivariantMessages, frames: Sequence[Frames]) -> list[hearing.Ears]:
    elements = encoder.settings.elements
    n_channels, n_elements = encoder.settings.n_channels, len(elements)
    ranks = torch.tensor(RANK_OF_COMPONENT, device=encoder.radial.device)
    by_component = encoder.radial.unflatten(2, (3, n_channels)).index_select(2, ranks).flatten(2)
    weights = by_component.unflatten(0, (n_elements, n_elements))
    # The map of the encoder has all components of a path side by side, here it is all paths of a component.
    order, first = [], 0
    for rank, paths in PATHS.items():
        size = 2 * rank + 1
        order += [first + path * size + component for component in range(size) for path in range(len(paths))]
        first += size * len(paths)
    products = encoder.clebsch_gordan[order].to(encoder.radial.dtype)
    return [
        hearing.Ears(products, weights, *(_numbered(part, elements) for part in (own, one.geometry.slots)))
        for one in frames
        for own in (element_slices(one.numbers),)
    ]


def _numbered(slices: ElementSlices, elements: tuple[int, ...]) -> ElementSlices:
    return tuple((elements.index(element), part) for element, part in slices)


def _of_ranks(
    gradient: Float[Tensor, "element element radial told"], n_channels: int
) -> Float[Tensor, "pair radial channel"]:
    """Return the gradient in weights that all components of a rank have in common."""
    by_component = gradient.flatten(0, 1).unflatten(2, (9, n_channels)).split([1, 3, 5], dim=2)
    return torch.cat([rank.sum(dim=2) for rank in by_component], dim=2)
