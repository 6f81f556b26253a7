"""Density moments: neighbour sums of spherical tensors, mixed into learned channels and contracted.

The neighbour density of atom i is expanded as A_i,ekc = Σ_{j of element e} g_k(r_ij) f_c(r_ij) Y_c(r̂_ij)
up to rank 3. For each element of the centre a learned matrix mixes (e, k) into a few channels per rank.
Products of equal rank give two- and three-body invariants; v·T·v and tr T T T give four-body ones. The cost
is linear in the number of neighbours: no loop over triples.

Sources: A. V. Shapeev, Multiscale Model. Simul. 14, 1153 (2016); R. Drautz, Phys. Rev. B 99, 014104 (2019).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from nadyn.models.encoders.angular import outer, rank_two_matrices, unit_harmonics
from nadyn.models.encoders.element_channels import ElementChannels, NumberOfMixtures, elements_in
from nadyn.models.encoders.features import Features
from nadyn.models.encoders.kind import CommonEncoderSection, EncoderKind
from nadyn.models.encoders.pairs_of_elements import mixed_by_pair
from nadyn.models.encoders.radial import cutoff_function, exponential_basis, exponential_grid
from nadyn.models.surroundings import Surroundings, split_elements


class MomentsSection(CommonEncoderSection):
    """The section `encoder: {name: moments}` of a training file."""

    name: Literal["moments"] = "moments"
    n_channels: Annotated[int, Field(ge=2, le=256)] = 12
    element_channels: NumberOfMixtures = None


@dataclass(frozen=True)
class MomentsSettings:
    """Hyperparameters of `DensityMoments`; lengths in bohr.

    Attributes:
        element_channels: See `ElementChannels`.
    """

    elements: tuple[int, ...]
    cutoff: float
    shortest: float
    n_radial: int = 12
    n_channels: int = 12
    cutoff_function: str = "polynomial"
    element_channels: int | None = None

    @property
    def reach(self) -> float:
        return self.cutoff


class DensityMoments(nn.Module):
    """Encoder with learned channels; build it from `MomentsSettings`."""

    def __init__(self, settings: MomentsSettings):
        super().__init__()
        self.settings = settings
        self.cutoff = settings.cutoff
        n_radial, n_channels = settings.n_radial, settings.n_channels
        self.channels = ElementChannels(settings.elements, settings.element_channels)
        n_sources = self.channels.n_channels
        centres, self.inverse_width = exponential_grid(n_radial, settings.shortest, settings.cutoff)
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32))
        matrices = rank_two_matrices()
        squares = torch.einsum("cxy,dyz,ezx->cde", matrices, matrices, matrices)
        self.register_buffer("vector_square", matrices.reshape(5, 9), persistent=False)
        self.register_buffer("tensor_square", squares.reshape(25, 5).T.contiguous(), persistent=False)
        upper = torch.triu_indices(n_channels, n_channels)
        # The distinct elements of a Gram matrix.
        self.register_buffer("upper_triangle", upper[0] * n_channels + upper[1], persistent=False)
        n_inputs = n_sources * n_radial
        mixing = torch.randn(n_sources, 3, n_inputs, n_channels) / n_radial**0.5
        self.mixing = nn.Parameter(mixing)
        self.n_vectors = n_channels
        self.n_invariants = n_inputs + 3 * upper.shape[1] + 2 * n_channels**2

    def forward(self, surroundings: Surroundings) -> Features:
        """Return invariants, and the mixed vectors and tensors."""
        distances = surroundings.distances
        weight = cutoff_function(self.settings.cutoff_function, distances, self.cutoff)
        # (atom, slot, traj): one small matrix product a pair of elements, with all trajectories as rows.
        by_pair = distances.transpose(1, 2)
        radial = exponential_basis(by_pair, self.centres, self.inverse_width, self.cutoff)
        radial = radial * weight.transpose(1, 2).unsqueeze(-1)
        unit = surroundings.vectors.movedim(-1, 0) / distances
        # Mixtures of elements are weights of pairs: there is nothing to sum before them.
        if distances.shape[1] == 1 and self.settings.element_channels is None:
            scalars, first, second, third = self._summed_first(radial[:, :, 0], unit[:, :, 0], surroundings)
            invariants = self._contract(scalars, first, second, third)
            return Features(invariants, first.transpose(-1, -2), second.transpose(-1, -2))
        scalars = self._scalars(radial, surroundings)
        mixed = self._mix(radial, surroundings).transpose(1, 2)
        channels = torch.split(mixed, self.settings.n_channels, dim=-1)
        first, second, third = (
            rank.movedim(0, 2) @ own for rank, own in zip(unit_harmonics(unit), channels, strict=True)
        )
        invariants = self._contract(scalars, first, second, third)
        return Features(invariants, first.transpose(-1, -2), second.transpose(-1, -2))

    def _summed_first(
        self,
        radial: Float[Tensor, "atom slot radial"],
        unit: Float[Tensor, "3 atom slot"],
        surroundings: Surroundings,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the sums of scalars and, mixed into channels, of vectors and tensors, of one structure.

        Over the neighbours of each element sums are taken of every radial function, and mixed afterwards: a
        product an atom, and nothing that is as long as the pairs has channels.
        """
        second, third = unit_harmonics(unit)[1:]
        harmonics = torch.cat([torch.ones_like(unit[:1]), unit, second, third]).movedim(0, 1)
        parts = split_elements(radial, surroundings.slots, 1)
        angular = split_elements(harmonics, surroundings.slots, 2)
        missing = radial.new_zeros((len(radial), harmonics.shape[1], radial.shape[2]))
        elements = self.settings.elements
        sums = torch.cat([angular[e] @ parts[e] if e in parts else missing for e in elements], dim=-1)
        ranks = torch.split(sums, (1, 3, 5, 7), dim=1)
        scalars, mixed = ranks[0], []
        for rank, one in enumerate(ranks[1:]):
            of_elements = split_elements(one, surroundings.atoms, 0)
            rows = [own @ self.mixing[elements.index(e), rank] for e, own in of_elements.items()]
            mixed.append(torch.cat(rows).unsqueeze(1))
        return scalars, *mixed

    def _scalars(
        self, radial: Float[Tensor, "atom slot traj radial"], surroundings: Surroundings
    ) -> Float[Tensor, "atom traj input"]:
        """Return Σ_j g_k(r_ij) f_c(r_ij) for each element of the neighbours, or each mixture of elements."""
        parts = split_elements(radial, surroundings.slots, 1)
        missing = radial.new_zeros((radial.shape[0], radial.shape[2], radial.shape[3]))
        sums = {element: part.sum(dim=1) for element, part in parts.items()}
        return torch.cat(self.channels.merge(sums, missing), dim=-1)

    def _mix(
        self, radial: Float[Tensor, "atom slot traj radial"], surroundings: Surroundings
    ) -> Float[Tensor, "atom slot traj channel"]:
        """Return the learned radial functions of each pair, the channels of ranks 1 to 3 side by side."""
        elements, n_radial = self.settings.elements, self.settings.n_radial
        n_sources = self.channels.n_channels
        shape = (n_sources, 3, n_sources, n_radial, self.settings.n_channels)
        weights = self.mixing.reshape(shape).permute(0, 2, 3, 1, 4)
        if self.channels.embedding is None:
            weights = weights.reshape(n_sources**2, n_radial, -1)
        else:
            elements = elements_in(surroundings)
            weights = self.channels.of_pairs(weights.flatten(3), elements)
        return mixed_by_pair(radial, weights, surroundings, elements)

    def _contract(self, scalars: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        """Return the invariants; inputs are (atom, traj, component, channel)."""
        grams = torch.stack([m.transpose(-1, -2) @ m for m in (first, second, third)], dim=2)
        two_three_body = grams.flatten(-2).index_select(-1, self.upper_triangle)
        # v v and T T as rank-2 components again; their product with T_b gives v·T_b·v and tr T T T_b.
        v, t = (rank.movedim(2, 0).flatten(1) for rank in (first, second))
        squares = torch.stack(
            [self.vector_square.to(v.dtype) @ outer(v, v), self.tensor_square.to(v.dtype) @ outer(t, t)]
        )
        shape = (*first.shape[:2], first.shape[-1])
        left = squares.unflatten(-1, shape).permute(2, 3, 0, 4, 1).flatten(2, 3)
        # The factor 1 gives this product a dense gradient: cut out of longer rows, its matrices would be
        # aligned differently for each trajectory, and small matrix products round by alignment.
        four_body = (left @ second) * 1.0
        return torch.cat([scalars, two_three_body.flatten(-2), four_body.flatten(-2)], dim=-1)


def _choose(
    section: MomentsSection, elements: tuple[int, ...], cutoff: float, shortest: float
) -> MomentsSettings:
    return MomentsSettings(
        elements,
        cutoff,
        shortest,
        section.n_radial,
        section.n_channels,
        section.cutoff_function,
        section.element_channels,
    )


def _reduce(section: MomentsSection) -> MomentsSection:
    return section.model_copy(
        update={"n_radial": min(6, section.n_radial), "n_channels": min(4, section.n_channels)}
    )


MOMENTS = EncoderKind(MomentsSection, MomentsSettings, DensityMoments, _choose, _reduce)
