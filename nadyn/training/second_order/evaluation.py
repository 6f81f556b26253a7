"""Levels of frames, their derivatives in the positions, and the gradient of any loss of both in the weights.

Forward: W, its levels and eigenvectors, and for each pair of states the cotangent C = u_k u_lᵀ, symmetrised,
pulled back to the vectors between atoms: u_k·∂W/∂r·u_l. The gradient of a loss whose cotangents of these are
Q is that of Σ C·Ẇ with the change Ẇ of W along Q. So tangents are pushed forward once; cotangents of W come
from the levels and, through the eigenvectors, from Ẇ; and what was pulled back is used again as it is. No
product is made twice, and no graph is recorded.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.eigen import eigh, matrix_cotangent
from nadyn.models.encoders.density_moments import DensityMoments
from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.networks import ElementNetworks
from nadyn.models.potential import Potential
from nadyn.training.second_order import directions, encoding, layers
from nadyn.training.second_order import vectors as between_atoms
from nadyn.training.second_order.assembly import assembly_of
from nadyn.training.second_order.geometry import Frames, moments_of, sends_messages
from nadyn.training.second_order.layers import Layers, Pulled, Pushed
from nadyn.training.second_order.messages import Messages
from nadyn.training.second_order.numbered import Numbered
from nadyn.training.second_order.rows import Rows, rows_of


def fits(potential: Potential) -> bool:
    """Tell whether W of a potential is made of parts that are known here."""
    # W is learned without dispersion, and heads have no part in it.
    known = {"network", "matrix", "reference", "repulsion", "dispersion", "heads", "numbered"}
    return (
        type(potential) is Potential
        and type(potential.network.encoder) in (DensityMoments, EquivariantMessages)
        and potential.network.encoder.settings.element_channels is None
        and type(potential.network.networks) is ElementNetworks
        and {name for name, _ in potential.named_children()} <= known
        and layers.has_derivatives(potential.network.networks.networks)
    )


class Evaluation:
    """A potential at some frames, with all that the gradient of a loss needs.

    Attributes:
        levels: Eigenvalues of all frames [hartree], those of `others` last.
        slopes: For each molecule that is asked, derivatives in the vectors between its atoms, pair by pair.
        eigenvectors: Those of all frames.
        descriptors: What the networks read of all atoms, by element.
    """

    def __init__(
        self,
        potential: Potential,
        asked: Sequence[Frames],
        others: Sequence[Frames],
        pairs: Sequence[tuple[int, int]],
    ):
        """Evaluate.

        Args:
            potential: One for which `fits` is true.
            asked: Frames whose derivatives are wanted, if there are pairs of states.
            others: Frames whose levels alone are wanted.
            pairs: Pairs of states.
        """
        self.potential, self.asked, self.frames = potential, tuple(asked), (*asked, *others)
        self.pairs, self.copies = tuple(pairs), len(pairs)
        device = potential.reference.offsets.device
        self.assembly = assembly_of(potential.settings.basis, device)
        self.precision = next(potential.parameters()).dtype
        shapes = [(one.numbers, len(one)) for one in self.frames]
        n_asked = len(self.asked)
        self.rows: Rows = rows_of(tuple(shapes[:n_asked]), tuple(shapes[n_asked:]), self.copies, device)
        self.sizes = list(self.rows.sizes)
        self.copied_sizes = [self.copies * n for n in self.rows.asked]
        self.index = [potential.network.elements.index(element) for element in self.rows.elements]
        self.encoding = encoding.encoding_of(potential, self.index)
        self.slopes: list[Tensor] = []
        self._evaluate()
        if self.copies:
            self._pull_back()

    def _evaluate(self) -> None:
        rows, networks = self.rows, self.potential.network.networks
        self.moments = torch.cat([one.geometry.moments.flatten(0, 1) for one in self.frames])
        self.encoded = encoding.encode(self.encoding, self.moments, rows.by_element, self.sizes)
        self.messages, self.descriptors, self.vectors = None, self.encoded.descriptors, self.encoded.vectors
        if sends_messages(self.potential):
            self.messages = Messages(self.potential, self.index, self.frames, rows, self.encoded)
            self.descriptors = torch.cat([self.descriptors, self.messages.descriptors], dim=1)
            self.vectors = self.vectors + self.messages.vectors
        self.networks: list[Layers] = [
            layers.evaluate(networks.networks[i], networks.mean[i], networks.inverse_spread[i], own)
            for i, own in zip(self.index, self.descriptors.split(self.sizes), strict=True)
        ]
        outputs = torch.cat([network.outputs for network in self.networks])
        free, self.coefficients = self.assembly.coefficients(outputs)
        self.sources = directions.sources(self.assembly.kinds, self.vectors)
        sums = self.assembly.sums(free, self.coefficients @ self.sources.mT)
        in_plane = [one.geometry.in_plane for one in self.frames]
        matrix = self._matrix(self._per_frame(sums, self.frames, rows.by_frame, 1), in_plane)[0]
        self.numbered = None
        if self.potential.numbered is not None:
            self.numbered = Numbered(self.potential.numbered, self.frames, self.asked, self.copies)
            matrix = matrix + self.potential.reference.scale * self.numbered.matrix
        self.levels, self.eigenvectors = eigh(matrix + torch.diag_embed(self._reference()))

    def _pull_back(self) -> None:
        rows, kinds = self.rows, self.assembly.kinds
        n = sum(map(len, self.asked))
        own = self.eigenvectors[:n]
        outer = torch.stack([own[:, :, k].unsqueeze(2) * own[:, :, l].unsqueeze(1) for k, l in self.pairs])
        self.cotangents = 0.5 * (outer + outer.mT)
        free, self.of_products = self._of_sums(self.cotangents, self.asked, rows.copies_by_element)
        # What belongs to the rows that are copied, once a copy.
        self.copied_coefficients = self.coefficients.index_select(0, rows.source)
        self.copied_sources = self.sources.index_select(0, rows.source)
        self.copied_vectors = self.vectors.index_select(0, rows.source)
        self.of_sources = self.of_products.mT @ self.copied_coefficients
        self.of_vectors = directions.pull_back(kinds, self.copied_vectors, self.of_sources)
        of_coefficients = (self.of_products @ self.copied_sources).flatten(1)
        of_outputs = torch.cat([free, of_coefficients], dim=1)
        self.pulled: list[Pulled] = [
            layers.pull_back(network, part, self.copies)
            for network, part in zip(self.networks, of_outputs.split(self.copied_sizes), strict=True)
        ]
        self.of_descriptors = torch.cat([one.inputs for one in self.pulled])
        told, heard = None, None
        if self.messages is not None:
            n_seen = self.encoded.descriptors.shape[1]
            own, of_heard = self.of_descriptors[:, :n_seen], self.of_descriptors[:, n_seen:]
            told, heard = self.messages.pull_back(of_heard, self.of_vectors)
            self.of_descriptors = own + told.descriptors
        self.of_mixed, of_moments = encoding.pull_back(
            self.encoding,
            self.encoded,
            self.of_descriptors,
            self.of_vectors,
            rows.source,
            rows.copies_by_element,
            self.copied_sizes,
            directed=None if told is None else told.directed,
        )
        in_plane = self._of_in_plane(self.cotangents)
        of_distances = None
        if self.numbered is not None:
            of_distances = self.numbered.pull_back(self.potential.reference.scale * self.cotangents)
        shapes = [(self.copies, len(one), len(one.numbers)) for one in self.asked]
        parts = of_moments.split([math.prod(shape) for shape in shapes])
        for number, (one, part, shape) in enumerate(zip(self.asked, parts, shapes, strict=True)):
            of_tensor = None if in_plane is None else in_plane[number]
            slope = between_atoms.pull_back(one.geometry, part.unflatten(0, shape), of_tensor)
            if heard is not None:
                slope = slope + heard[number]
            if of_distances is not None:
                slope = slope + of_distances[number]
            if one.geometry.repulsion_slope is not None:
                same = torch.tensor([float(k == l) for k, l in self.pairs]).to(slope)
                slope = slope + same[:, None, None, None, None] * one.geometry.repulsion_slope
            self.slopes.append(slope)

    @property
    def directed(self) -> Float[Tensor, "row 8 channel"]:
        """Vectors and tensors that directions are made of, of all atoms, by element."""
        seen = self.encoded.mixed[:, :8]
        return seen if self.messages is None else torch.cat([seen, self.messages.mixed[:, 1:]], dim=2)

    def gradients(
        self,
        of_levels: Float[Tensor, "frame basis"] | None,
        moved: Sequence[Tensor] | None,
        of_eigenvectors: Float[Tensor, "frame basis basis"] | None = None,
        of_descriptors: Float[Tensor, "row feature"] | None = None,
        of_directed: Float[Tensor, "row 8 channel"] | None = None,
    ) -> dict[Tensor, Tensor]:
        """Return the gradient in each parameter that has one; None is a cotangent of zero.

        Args:
            of_levels: Cotangents of the levels.
            moved: Cotangents of `slopes`, which are tangents of the vectors between atoms.
            of_eigenvectors: Cotangents of the eigenvectors, but for what slopes have in them.
            of_descriptors: Cotangents of `descriptors`.
            of_directed: Cotangents of `directed`.
        """
        if of_levels is None:
            of_levels = torch.zeros_like(self.levels)
        of_vectors = (
            torch.zeros_like(self.eigenvectors) if of_eigenvectors is None else of_eigenvectors.clone()
        )
        if moved is not None:
            change = self._push_forward(moved)
            n = sum(map(len, self.asked))
            for number, (k, l) in enumerate(self.pairs):
                of_vectors[:n, :, k] += (change[number] @ self.eigenvectors[:n, :, l, None])[..., 0]
                of_vectors[:n, :, l] += (change[number] @ self.eigenvectors[:n, :, k, None])[..., 0]
        of_matrix = matrix_cotangent(self.levels, self.eigenvectors, of_levels, of_vectors)
        return self._of_parameters(of_matrix, of_descriptors, of_directed, moved is not None)

    def _push_forward(self, moved: Sequence[Tensor]) -> Float[Tensor, "pair frame basis basis"]:
        """Return the change of W along the tangents of each pair."""
        rows = self.rows
        found = [
            between_atoms.push_forward(one.geometry, own) for one, own in zip(self.asked, moved, strict=True)
        ]
        self.moved_moments = torch.cat([own.flatten(0, 2) for own, _ in found])
        self.moved, self.bend = encoding.push_forward(
            self.encoding,
            self.encoded,
            self.moved_moments,
            self.of_descriptors,
            rows.source,
            rows.copies_by_element,
            self.copied_sizes,
        )
        descriptors, self.moved_vectors = self.moved.descriptors, self.moved.vectors
        if self.messages is not None:
            more, vectors = self.messages.push_forward(self.moved, moved)
            descriptors = torch.cat([descriptors, more], dim=1)
            self.moved_vectors = self.moved_vectors + vectors
        self.pushed: list[Pushed] = [
            layers.push_forward(network, part, self.copies)
            for network, part in zip(self.networks, descriptors.split(self.copied_sizes), strict=True)
        ]
        outputs = torch.cat([one.outputs for one in self.pushed])
        free, self.moved_coefficients = self.assembly.coefficients(outputs)
        self.moved_sources = directions.push_forward(
            self.assembly.kinds, self.copied_vectors, self.moved_vectors
        )
        products = self.moved_coefficients @ self.copied_sources.mT
        products += self.copied_coefficients @ self.moved_sources.mT
        sums = self.assembly.sums(free, products)
        self.moved_in_plane = [tensor for _, tensor in found]
        of_frames = self._per_frame(sums, self.asked, rows.copies_by_frame, self.copies)
        change = self._matrix(of_frames, self.moved_in_plane)
        if self.numbered is not None:
            change = change + self.potential.reference.scale * self.numbered.push_forward(moved)
        return change

    def _of_parameters(
        self, of_matrix: Tensor, of_others: Tensor | None, of_directed: Tensor | None, has_slopes: bool
    ) -> dict[Tensor, Tensor]:
        rows, matrix = self.rows, self.potential.matrix
        free, of_products = self._of_sums(of_matrix.unsqueeze(0), self.frames, rows.by_element)
        of_coefficients, of_sources = of_products @ self.sources, of_products.mT @ self.coefficients
        bend = None
        if has_slopes:
            rows.add_copies(of_coefficients, self.of_products @ self.moved_sources)
            rows.add_copies(of_sources, self.of_products.mT @ self.moved_coefficients)
            bend = directions.bend(
                self.assembly.kinds, self.copied_vectors, self.moved_vectors, self.of_sources
            )
        of_vectors = directions.pull_back(self.assembly.kinds, self.vectors, of_sources)
        if bend is not None:
            rows.add_copies(of_vectors[:, :3], bend)
        of_outputs = torch.cat([free, of_coefficients.flatten(1)], dim=1)
        found: dict[Tensor, Tensor] = {}
        parts = []
        for number, (network, own) in enumerate(
            zip(self.networks, of_outputs.split(self.sizes), strict=True)
        ):
            pulled, pushed = (self.pulled[number], self.pushed[number]) if has_slopes else (None, None)
            of_layers, of_inputs = layers.gradients(network, pulled, pushed, own, self.copies)
            parts.append(of_inputs)
            module = self.potential.network.networks.networks[self.index[number]]
            found |= dict(zip(layers.parameters_of(module), of_layers, strict=True))
        of_descriptors, heard = torch.cat(parts), None
        if of_others is not None:
            of_descriptors += of_others
        seen, more = (
            (None, None) if of_directed is None else _parted(of_directed, self.encoded.mixed.shape[2])
        )
        if self.messages is not None:
            n_seen = self.encoded.descriptors.shape[1]
            of_heard = of_descriptors[:, n_seen:]
            heard = self.messages.gradients(of_heard, of_vectors, more, has_slopes=has_slopes)
            found |= heard.weights
            of_descriptors = of_descriptors[:, :n_seen] + heard.backward.descriptors
        of_mixed = encoding.pull_back_to_channels(
            self.encoding, self.encoded, of_descriptors, of_vectors, self.sizes
        )
        if heard is not None:
            of_mixed[:, :8] += heard.backward.directed
        if seen is not None:
            of_mixed[:, :8] += seen
        if has_slopes:
            rows.add_copies(of_mixed, self.bend)
        of_heard_directions = None if heard is None else heard.directions
        found |= self._of_encoding(of_mixed, of_vectors, of_heard_directions, has_slopes)
        if matrix.first_vectors:
            found[matrix.in_plane] = self._of_strength(of_matrix, has_slopes)
        if self.numbered is not None:
            scaled = self.potential.reference.scale * of_matrix
            found |= self.numbered.gradients(scaled, has_slopes=has_slopes)
        return found

    def _of_encoding(
        self, of_mixed: Tensor, of_vectors: Tensor, of_heard: list[Tensor] | None, has_slopes: bool
    ) -> dict[Tensor, Tensor]:
        """Return the gradient in the weights of channels and directions."""
        rows, matrix, mixing = self.rows, self.potential.matrix, moments_of(self.potential).mixing
        of_mixing = torch.zeros_like(mixing)
        of_elements = [of_mixing[i] for i in self.index]
        add = encoding.add_of_mixing
        add(self.encoding, of_elements, self.moments, of_mixed, rows.by_element, self.sizes)
        if has_slopes:
            order = rows.copies_by_element
            add(self.encoding, of_elements, self.moved_moments, self.of_mixed, order, self.copied_sizes)
        if not matrix.directional:
            return {mixing: of_mixing}
        of_directions = encoding.of_directions(self.encoded.mixed, of_vectors, self.sizes)
        if has_slopes:
            more = encoding.of_directions(self.moved.mixed, self.of_vectors, self.copied_sizes)
            of_directions = [one + two for one, two in zip(of_directions, more, strict=True)]
        if of_heard is not None:
            both = zip(of_directions, of_heard, strict=True)
            of_directions = [torch.cat([seen, heard], dim=1) for seen, heard in both]
        result = [torch.zeros_like(matrix.vector_mixing), torch.zeros_like(matrix.tensor_mixing)]
        for i, (vectors, tensors) in zip(self.index, of_directions, strict=True):
            result[0][i] = vectors * matrix.vector_scale[i].unsqueeze(-1)
            result[1][i] = tensors * matrix.tensor_scale[i].unsqueeze(-1)
        return {mixing: of_mixing, matrix.vector_mixing: result[0], matrix.tensor_mixing: result[1]}

    def _per_frame(
        self, rows: Float[Tensor, "row sum"], frames: Sequence[Frames], places: Sequence[Tensor], copies: int
    ) -> Float[Tensor, "copy frame sum"]:
        """Return sums over the atoms of each frame, copy by copy, in double precision."""
        parts = []
        for place, one in zip(places, frames, strict=True):
            own = rows.index_select(0, place).unflatten(0, (copies, len(one), len(one.numbers)))
            parts.append(own.to(torch.float64).sum(dim=2))
        return torch.cat(parts, dim=1)

    def _of_sums(
        self, of_matrix: Float[Tensor, "copy frame basis basis"], frames: Sequence[Frames], order: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the cotangents of an atom's invariants and products, by element."""
        scaled = self.potential.reference.scale * of_matrix.flatten(2)
        of_sums = (scaled @ self.assembly.matrix.mT).to(self.precision)
        parts = [
            own.unsqueeze(2).expand(-1, -1, len(one.numbers), -1).flatten(0, 2)
            for own, one in zip(of_sums.split([len(one) for one in frames], dim=1), frames, strict=True)
        ]
        return self.assembly.parts(torch.cat(parts).index_select(0, order))

    def _matrix(self, sums: Float[Tensor, "copy frame sum"], in_plane: Sequence[Tensor | None]) -> Tensor:
        """Return W without what is constant."""
        size, matrix = self.potential.n_basis, self.potential.matrix
        result = (sums @ self.assembly.matrix).unflatten(2, (size, size))
        if matrix.first_vectors:
            block = self._block
            tensors = torch.cat([one if one.ndim == 4 else one.unsqueeze(0) for one in in_plane], dim=1)
            result[:, :, block, block] += matrix.in_plane * tensors
        return result * self.potential.reference.scale

    @property
    def _block(self) -> slice:
        start = self.potential.matrix.first_vectors[0][0]
        return slice(start, start + 3)

    def _of_in_plane(self, of_matrix: Float[Tensor, "copy frame basis basis"]) -> list[Tensor] | None:
        if not self.potential.matrix.first_vectors:
            return None
        scale = self.potential.reference.scale * self.potential.matrix.in_plane
        block = of_matrix[:, :, self._block, self._block] * scale
        return list(block.split([len(one) for one in self.asked], dim=1))

    def _of_strength(self, of_matrix: Tensor, has_slopes: bool) -> Tensor:
        """Return the gradient in the strength of the in-plane term."""
        block, scale = self._block, self.potential.reference.scale
        tensors = torch.cat([one.geometry.in_plane for one in self.frames])
        total = (of_matrix[:, block, block] * tensors).sum()
        if has_slopes:
            moved = torch.cat(self.moved_in_plane, dim=1)
            total = total + (self.cotangents[:, :, block, block] * moved).sum()
        return (total * scale).to(self.precision)

    def _reference(self) -> Float[Tensor, "frame basis"]:
        """Return what is added to the diagonal: reference energies and repulsion."""
        reference = self.potential.reference
        parts = []
        for one in self.frames:
            counts = [one.numbers.count(element) for element in reference.elements]
            energies = reference.per_element @ torch.tensor(counts).to(reference.per_element)
            own = (reference.offsets + energies).expand(len(one), -1)
            if one.geometry.repulsion is not None:
                own = own + one.geometry.repulsion[:, None]
            parts.append(own)
        return torch.cat(parts)


def _parted(directed: Float[Tensor, "row 8 channel"], n_seen: int) -> list[Tensor]:
    """Return what belongs to the first channels, which are seen, and to those that are heard."""
    return [directed[:, :, :n_seen], directed[:, :, n_seen:]]
