"""Levels of frames, their derivatives in the positions, and the gradient of any loss of both in the weights.

Forward: W, its levels and eigenvectors, and for each pair of states the cotangent C = u_k u_lᵀ, symmetrised,
pulled back to the vectors between atoms: u_k·∂W/∂r·u_l. The gradient of a loss whose cotangents of these are
Q is that of Σ C·Ẇ with the change Ẇ of W along Q. So tangents are pushed forward once; cotangents of W come
from the levels and, through the eigenvectors, from Ẇ; and what was pulled back is used again as it is. No
product is made twice, and no graph is recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.eigen import eigh, matrix_cotangent
from nadyn.models.encoders.density_moments import DensityMoments
from nadyn.models.networks import ElementNetworks
from nadyn.models.potential import Potential
from nadyn.training.second_order import directions, invariants, layers
from nadyn.training.second_order import geometry as geometries
from nadyn.training.second_order.assembly import assembly_of
from nadyn.training.second_order.geometry import Geometry
from nadyn.training.second_order.layers import Layers, Pulled
from nadyn.training.second_order.rows import Rows, rows_of

# Ranks of the moments among the 16 harmonics; the first is the scalar one.
_RANKS = (slice(1, 4), slice(4, 9), slice(9, 16))


@dataclass(frozen=True)
class Frames:
    """Frames of one molecule: composition, ascending, and what their geometry gives."""

    numbers: tuple[int, ...]
    geometry: Geometry

    def __len__(self) -> int:
        return len(self.geometry.moments)


def fits(potential: Potential) -> bool:
    """Tell whether a potential is made of parts that are known here."""
    # W is learned without dispersion.
    known = {"network", "matrix", "reference", "repulsion", "dispersion", "heads"}
    return (
        type(potential) is Potential
        and type(potential.network.encoder) is DensityMoments
        and potential.network.encoder.settings.element_channels is None
        and type(potential.network.networks) is ElementNetworks
        and {name for name, _ in potential.named_children()} <= known
        and not potential.settings.heads
        and layers.has_derivatives(potential.network.networks.networks)
    )


class Evaluation:
    """A potential at some frames, with all that the gradient of a loss needs.

    Attributes:
        levels: Eigenvalues of all frames [hartree], those of `others` last.
        slopes: For each molecule that is asked, derivatives in the vectors between its atoms, pair by pair.
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
        self.has_directions = bool(self.assembly.kinds)
        self.precision = next(potential.parameters()).dtype
        shapes = [(one.numbers, len(one)) for one in self.frames]
        n_asked = len(self.asked)
        self.rows: Rows = rows_of(tuple(shapes[:n_asked]), tuple(shapes[n_asked:]), self.copies, device)
        self.sizes = list(self.rows.sizes)
        self.copied_sizes = [self.copies * n for n in self.rows.asked]
        self.index = [potential.network.elements.index(element) for element in self.rows.elements]
        encoder = potential.network.encoder
        self.tables = invariants.products(encoder.settings.n_channels, self.precision, device)
        self._evaluate()
        if self.copies:
            self._pull_back()

    def _evaluate(self) -> None:
        potential, rows = self.potential, self.rows
        moments = torch.cat([one.geometry.moments.flatten(0, 1) for one in self.frames])
        self.moments = moments.index_select(0, rows.by_element)
        self.mixed = self._mix(self.moments, self.sizes)
        descriptors = invariants.invariants(self.tables, self.mixed, self.moments[:, 0])
        networks = potential.network.networks
        self.networks: list[Layers] = [
            layers.evaluate(networks.networks[i], networks.mean[i], networks.inverse_spread[i], own)
            for i, own in zip(self.index, descriptors.split(self.sizes), strict=True)
        ]
        outputs = torch.cat([network.outputs for network in self.networks])
        free, self.coefficients = self.assembly.coefficients(outputs)
        if self.has_directions:
            self.vectors, tensors = self._directions(self.mixed, self.sizes)
            self.sources = directions.sources(self.assembly.kinds, self.vectors, tensors)
            products = self.coefficients @ self.sources.mT
        else:
            products = self.coefficients.new_zeros((len(free), 0, 0))
        sums = self._per_frame(self.assembly.sums(free, products), 1)
        self.hamiltonian = self._matrix(sums, [one.geometry.in_plane for one in self.frames])[0]
        self.hamiltonian += torch.diag_embed(self._reference())
        self.levels, self.eigenvectors = eigh(self.hamiltonian)
        self.slopes: list[Tensor] = []

    def _pull_back(self) -> None:
        rows, kinds = self.rows, self.assembly.kinds
        n = sum(map(len, self.asked))
        own = self.eigenvectors[:n]
        outer = torch.stack([own[:, :, k].unsqueeze(2) * own[:, :, l].unsqueeze(1) for k, l in self.pairs])
        self.cotangents = 0.5 * (outer + outer.mT)
        free, self.of_products = self._of_sums(self.cotangents, self.asked, rows.copies_by_element)
        of_coefficients = self.coefficients.new_zeros((len(free), 0))
        if self.has_directions:
            sources = self.sources.index_select(0, rows.source)
            coefficients = self.coefficients.index_select(0, rows.source)
            of_coefficients = (self.of_products @ sources).flatten(1)
            self.of_sources = self.of_products.mT @ coefficients
            self.copied_vectors = self.vectors.index_select(0, rows.source)
            of_vectors, of_tensors = directions.pull_back(kinds, self.copied_vectors, self.of_sources)
        of_outputs = torch.cat([free, of_coefficients], dim=1)
        self.pulled: list[Pulled] = [
            layers.pull_back(network, part, self.copies)
            for network, part in zip(self.networks, of_outputs.split(self.copied_sizes), strict=True)
        ]
        self.of_descriptors = torch.cat([one.inputs for one in self.pulled])
        self.copied = self.mixed.index_select(0, rows.source)
        self.of_mixed = invariants.pull_back(self.tables, self.copied, self.of_descriptors)
        if self.has_directions:
            self._add_of_directions(self.of_mixed, of_vectors, of_tensors, self.copied_sizes)
            self.of_vectors, self.of_tensors = of_vectors, of_tensors
        of_moments = self._unmix(self.of_mixed, self.of_descriptors, self.copied_sizes)
        in_plane = self._of_in_plane(self.cotangents)
        for number, (place, one) in enumerate(zip(rows.copies_by_frame, self.asked, strict=True)):
            shape = (self.copies, len(one), len(one.numbers))
            own = of_moments.index_select(0, place).unflatten(0, shape)
            of_tensor = None if in_plane is None else in_plane[number]
            slope = geometries.pull_back(one.geometry, own, of_tensor)
            if one.geometry.repulsion_slope is not None:
                same = torch.tensor([float(k == l) for k, l in self.pairs]).to(slope)
                slope = slope + same[:, None, None, None, None] * one.geometry.repulsion_slope
            self.slopes.append(slope)

    def gradients(
        self, of_levels: Float[Tensor, "frame basis"] | None, moved: Sequence[Tensor] | None
    ) -> dict[Tensor, Tensor]:
        """Return the gradient in each parameter that has one.

        Args:
            of_levels: Cotangents of the levels.
            moved: Cotangents of `slopes`, which are tangents of the vectors between atoms; None for zero.
        """
        if of_levels is None:
            of_levels = torch.zeros_like(self.levels)
        of_vectors = torch.zeros_like(self.eigenvectors)
        change = None if moved is None else self._push_forward(moved)
        if change is not None:
            n = sum(map(len, self.asked))
            for number, (k, l) in enumerate(self.pairs):
                of_vectors[:n, :, k] += (change[number] @ self.eigenvectors[:n, :, l, None])[..., 0]
                of_vectors[:n, :, l] += (change[number] @ self.eigenvectors[:n, :, k, None])[..., 0]
        of_matrix = matrix_cotangent(self.levels, self.eigenvectors, of_levels, of_vectors)
        return self._of_parameters(of_matrix, moved is not None)

    def _push_forward(self, moved: Sequence[Tensor]) -> Float[Tensor, "pair frame basis basis"]:
        """Return the change of W along the tangents of each pair."""
        rows, kinds = self.rows, self.assembly.kinds
        found = [
            geometries.push_forward(one.geometry, own) for one, own in zip(self.asked, moved, strict=True)
        ]
        moments = torch.cat([own.flatten(0, 2) for own, _ in found])
        self.moved_moments = moments.index_select(0, rows.copies_by_element)
        self.moved_mixed = self._mix(self.moved_moments, self.copied_sizes)
        descriptors = invariants.push_forward(
            self.tables, self.copied, self.moved_mixed, self.moved_moments[:, 0]
        )
        self.pushed = [
            layers.push_forward(network, part, self.copies)
            for network, part in zip(self.networks, descriptors.split(self.copied_sizes), strict=True)
        ]
        free, self.moved_coefficients = self.assembly.coefficients(
            torch.cat([one.outputs for one in self.pushed])
        )
        products = self.moved_coefficients.new_zeros((len(free), 0, 0))
        if self.has_directions:
            self.moved_vectors, tensors = self._directions(self.moved_mixed, self.copied_sizes)
            self.moved_sources = directions.push_forward(
                kinds, self.copied_vectors, self.moved_vectors, tensors
            )
            coefficients = self.coefficients.index_select(0, rows.source)
            sources = self.sources.index_select(0, rows.source)
            products = self.moved_coefficients @ sources.mT + coefficients @ self.moved_sources.mT
        sums = self._per_frame(self.assembly.sums(free, products), self.copies)
        self.moved_in_plane = [tensor for _, tensor in found]
        return self._matrix(sums, self.moved_in_plane)

    def _of_parameters(self, of_matrix: Tensor, has_slopes: bool) -> dict[Tensor, Tensor]:
        rows, kinds, matrix = self.rows, self.assembly.kinds, self.potential.matrix
        found: dict[Tensor, Tensor] = {}
        free, of_products = self._of_sums(of_matrix.unsqueeze(0), self.frames, rows.by_element)
        of_coefficients = self.coefficients.new_zeros((len(free), 0, 0))
        if self.has_directions:
            of_coefficients = of_products @ self.sources
            of_sources = of_products.mT @ self.coefficients
            if has_slopes:
                rows.add_copies(of_coefficients, self.of_products @ self.moved_sources)
                rows.add_copies(of_sources, self.of_products.mT @ self.moved_coefficients)
            of_vectors, of_tensors = directions.pull_back(kinds, self.vectors, of_sources)
            bend = None
            if has_slopes:
                bend = directions.bend(kinds, self.copied_vectors, self.moved_vectors, self.of_sources)
            if bend is not None:
                of_vectors = of_vectors.clone()
                rows.add_copies(of_vectors, bend)
        of_outputs = torch.cat([free, of_coefficients.flatten(1)], dim=1)
        parts = []
        for number, (network, own) in enumerate(
            zip(self.networks, of_outputs.split(self.sizes), strict=True)
        ):
            pulled, pushed = (self.pulled[number], self.pushed[number]) if has_slopes else (None, None)
            of_layers, of_inputs = layers.gradients(network, pulled, pushed, own, self.copies)
            parts.append(of_inputs)
            module = self.potential.network.networks.networks[self.index[number]]
            found |= dict(zip(layers.parameters_of(module), of_layers, strict=True))
        of_descriptors = torch.cat(parts)
        of_mixed = invariants.pull_back(self.tables, self.mixed, of_descriptors)
        if has_slopes:
            change = invariants.bend(self.tables, self.copied, self.moved_mixed, self.of_descriptors)
            rows.add_copies(of_mixed, change)
        if self.has_directions:
            self._add_of_directions(of_mixed, of_vectors, of_tensors, self.sizes)
            of_mixing = self._of_direction_mixing(self.mixed, of_vectors, of_tensors, self.sizes)
            if has_slopes:
                more = self._of_direction_mixing(
                    self.moved_mixed, self.of_vectors, self.of_tensors, self.copied_sizes
                )
                of_mixing = [one + two for one, two in zip(of_mixing, more, strict=True)]
            found[matrix.vector_mixing], found[matrix.tensor_mixing] = of_mixing
        of_mixing = self._of_mixing(self.moments, of_mixed, self.sizes)
        if has_slopes:
            of_mixing += self._of_mixing(self.moved_moments, self.of_mixed, self.copied_sizes)
        found[self.potential.network.encoder.mixing] = of_mixing
        if matrix.first_vectors:
            found[matrix.in_plane] = self._of_strength(of_matrix, has_slopes)
        return found

    def _mix(self, moments: Float[Tensor, "row 16 input"], sizes: list[int]) -> Tensor:
        """Return learned channels of the moments of ranks 1 to 3."""
        mixing = self.potential.network.encoder.mixing
        parts = []
        for i, own in zip(self.index, moments.split(sizes), strict=True):
            ranks = [own[:, rank] @ mixing[i, number] for number, rank in enumerate(_RANKS)]
            parts.append(torch.cat(ranks, dim=1))
        return torch.cat(parts)

    def _unmix(self, of_mixed: Tensor, of_descriptors: Tensor, sizes: list[int]) -> Tensor:
        """Return the cotangents of the moments; those of the scalars are descriptors."""
        mixing = self.potential.network.encoder.mixing
        scalars = of_descriptors[:, None, : mixing.shape[2]]
        parts = []
        for i, own, scalar in zip(self.index, of_mixed.split(sizes), scalars.split(sizes), strict=True):
            ranks = [own[:, rank] @ mixing[i, number].mT for number, rank in enumerate(invariants.RANKS)]
            parts.append(torch.cat([scalar, *ranks], dim=1))
        return torch.cat(parts)

    def _of_mixing(self, moments: Tensor, of_mixed: Tensor, sizes: list[int]) -> Tensor:
        result = torch.zeros_like(self.potential.network.encoder.mixing)
        parts = zip(self.index, moments.split(sizes), of_mixed.split(sizes), strict=True)
        for i, own, cotangents in parts:
            for number, (rank, mixed) in enumerate(zip(_RANKS, invariants.RANKS, strict=True)):
                result[i, number] = own[:, rank].flatten(0, 1).mT @ cotangents[:, mixed].flatten(0, 1)
        return result

    def _direction_weights(self, i: int) -> tuple[Tensor, Tensor]:
        matrix = self.potential.matrix
        return (
            matrix.vector_mixing[i] * matrix.vector_scale[i].unsqueeze(-1),
            matrix.tensor_mixing[i] * matrix.tensor_scale[i].unsqueeze(-1),
        )

    def _directions(self, mixed: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        """Return the learned combinations of vectors and of tensors."""
        vectors, tensors = [], []
        for i, own in zip(self.index, mixed.split(sizes), strict=True):
            of_vectors, of_tensors = self._direction_weights(i)
            vectors.append(own[:, invariants.RANKS[0]] @ of_vectors)
            tensors.append(own[:, invariants.RANKS[1]] @ of_tensors)
        return torch.cat(vectors), torch.cat(tensors)

    def _add_of_directions(
        self, of_mixed: Tensor, of_vectors: Tensor, of_tensors: Tensor, sizes: list[int]
    ) -> None:
        """Add what comes back from vectors and tensors to the cotangents of the channels, in place."""
        parts = zip(
            self.index, *(array.split(sizes) for array in (of_mixed, of_vectors, of_tensors)), strict=True
        )
        for i, own, vectors, tensors in parts:
            vector_weights, tensor_weights = self._direction_weights(i)
            own[:, invariants.RANKS[0]] += vectors @ vector_weights.mT
            own[:, invariants.RANKS[1]] += tensors @ tensor_weights.mT

    def _of_direction_mixing(
        self, mixed: Tensor, of_vectors: Tensor, of_tensors: Tensor, sizes: list[int]
    ) -> list[Tensor]:
        matrix = self.potential.matrix
        result = [torch.zeros_like(matrix.vector_mixing), torch.zeros_like(matrix.tensor_mixing)]
        scales = (matrix.vector_scale, matrix.tensor_scale)
        for number, cotangents in enumerate((of_vectors, of_tensors)):
            parts = zip(self.index, mixed.split(sizes), cotangents.split(sizes), strict=True)
            for i, own, part in parts:
                channels = own[:, invariants.RANKS[number]].flatten(0, 1)
                product = channels.mT @ part.flatten(0, 1)
                result[number][i] = product * scales[number][i].unsqueeze(-1)
        return result

    def _per_frame(self, rows: Tensor, copies: int) -> Float[Tensor, "copy frame sum"]:
        """Return sums over the atoms of each frame, copy by copy, in double precision."""
        frames = self.frames if rows.shape[0] == sum(self.sizes) and copies == 1 else self.asked
        places = self.rows.by_frame if frames is self.frames else self.rows.copies_by_frame
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
