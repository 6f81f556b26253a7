"""Equivariant messages: each atom hears from its neighbours what they see.

The first layer are density moments. What atom j has found there is put into learned channels h_j of rank 0, 1
and 2; atom i sums R_c(r_ij) Y(r̂_ij) ⊗ h_jc over its neighbours, and Clebsch-Gordan products of rank up to 2
turn that sum into new scalars, vectors and tensors, mixed into learned channels. Their products of equal rank
are further invariants: what an atom knows of its neighbours is more than where they are.

Sources: S. Batzner et al., Nature Communications 13, 2453 (2022); I. Batatia et al., Advances in Neural
Information Processing Systems 35, 11423 (2022).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from nadyn.models.encoders.angular import rank_two_matrices, unit_harmonics
from nadyn.models.encoders.density_moments import DensityMoments, MomentsSettings
from nadyn.models.encoders.element_channels import NumberOfMixtures, elements_in
from nadyn.models.encoders.features import Features
from nadyn.models.encoders.kind import CommonEncoderSection, EncoderKind
from nadyn.models.encoders.pairs_of_elements import mixed_by_pair
from nadyn.models.encoders.radial import cutoff_function, exponential_basis
from nadyn.models.surroundings import Surroundings, split_elements

# Components of ranks 0, 1 and 2, and the rank of each of the nine.
_RANKS = {0: slice(0, 1), 1: slice(1, 4), 2: slice(4, 9)}
RANK_OF_COMPONENT = (0, 1, 1, 1, 2, 2, 2, 2, 2)
# Products of a rank of the direction with a rank of what is heard, for each rank of the result.
PATHS = {
    0: ((0, 0), (1, 1), (2, 2)),
    1: ((0, 1), (1, 0), (1, 2), (2, 1)),
    2: ((0, 2), (2, 0), (1, 1), (2, 2)),
}


class EquivariantSection(CommonEncoderSection):
    """The section `encoder: {name: equivariant}` of a training file."""

    name: Literal["equivariant"] = "equivariant"
    n_channels: Annotated[int, Field(ge=2, le=256)] = 12
    element_channels: NumberOfMixtures = None


@dataclass(frozen=True)
class EquivariantSettings:
    """Hyperparameters of `EquivariantMessages`; lengths in bohr.

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
        return 2.0 * self.cutoff


def clebsch_gordan_map() -> Float[Tensor, "35 81"]:
    """Return the map from products of nine components with nine to 3 scalars, 4 vectors, 4 tensors.

    The results come in the order of `PATHS`; products of the other parity, like r̂ × v, are left out. Each
    path is scaled so that the mean of the squared norms of its components is 1.
    """
    rank_two = rank_two_matrices()
    unit = {rank: torch.eye(2 * rank + 1, dtype=torch.float64) for rank in (0, 1, 2)}
    # (result, first, second): T_c v is Σ_y (M_c)_xy v_y, and likewise from the other side.
    couplings = {
        (1, 1, 2): rank_two,
        (2, 2, 2): torch.einsum("cxy,dyz,ezx->cde", rank_two, rank_two, rank_two),
        (1, 2, 1): rank_two.permute(1, 2, 0),
        (2, 1, 1): rank_two.permute(1, 0, 2),
    }
    for rank, same in unit.items():
        couplings[rank, rank, 0] = same.unsqueeze(0)
        couplings[0, rank, rank] = same.unsqueeze(1)
        couplings[rank, 0, rank] = same.unsqueeze(2)
    blocks = []
    for rank, paths in PATHS.items():
        for first, second in paths:
            block = torch.zeros(2 * rank + 1, 9, 9, dtype=torch.float64)
            block[:, _RANKS[first], _RANKS[second]] = couplings[first, second, rank]
            blocks.append(block / block.square().sum(dim=(1, 2)).mean().sqrt())
    return torch.cat(blocks).flatten(1)


class EquivariantMessages(nn.Module):
    """Encoder with one layer of messages over density moments; build it from `EquivariantSettings`."""

    def __init__(self, settings: EquivariantSettings):
        super().__init__()
        self.settings = settings
        self.cutoff = settings.cutoff
        n_elements, n_channels = len(settings.elements), settings.n_channels
        self.moments = DensityMoments(
            MomentsSettings(
                settings.elements,
                settings.cutoff,
                settings.shortest,
                settings.n_radial,
                n_channels,
                settings.cutoff_function,
                settings.element_channels,
            )
        )
        n_seen = self.moments.n_invariants
        self.register_buffer("mean", torch.zeros(n_elements, n_seen))
        self.register_buffer("inverse_spread", torch.ones(n_elements, n_seen))
        self.register_buffer("direction_scales", torch.ones(n_elements, 2))
        self.register_buffer("clebsch_gordan", clebsch_gordan_map(), persistent=False)
        self.scalars = nn.ParameterList(_matrices(n_elements, n_seen, n_channels))
        n_mixtures = settings.element_channels
        pairs = (n_elements**2,) if n_mixtures is None else (n_mixtures, n_mixtures)
        radial = torch.randn(*pairs, settings.n_radial, 3 * n_channels) / settings.n_radial**0.5
        self.radial = nn.Parameter(radial)
        self.paths = nn.ModuleList(
            nn.ParameterList(_matrices(n_elements, len(paths) * n_channels, n_channels))
            for paths in PATHS.values()
        )
        self.n_vectors = 2 * n_channels
        n_gram = self.moments.upper_triangle.shape[0]
        self.n_invariants = n_seen + n_channels + 2 * n_gram + n_channels**2

    def forward(self, surroundings: Surroundings) -> Features:
        """Return the invariants of both layers, and the vectors and tensors of both."""
        seen = self.moments(surroundings)
        scalars, vectors, tensors = self._hear(self._tell(seen, surroundings), surroundings)
        upper = self.moments.upper_triangle
        grams = [
            (rank.transpose(-1, -2) @ rank).flatten(-2).index_select(-1, upper) for rank in (vectors, tensors)
        ]
        squares = (vectors.unsqueeze(-2) * vectors.unsqueeze(-3)).flatten(-3, -2)
        squares = self.moments.vector_square.to(vectors.dtype) @ squares
        three = ((squares.transpose(-1, -2) @ tensors) * 1.0).flatten(-2)
        invariants = torch.cat([seen.invariants, scalars, *grams, three], dim=-1)
        return Features(
            invariants,
            torch.cat([seen.vectors, vectors.transpose(-1, -2)], dim=-2),
            torch.cat([seen.tensors, tensors.transpose(-1, -2)], dim=-2),
        )

    @torch.no_grad()
    def standardise(self, frames: list[Surroundings]) -> None:
        """Scale what the atoms tell by its spread in frames of the training set."""
        for index, element in enumerate(self.settings.elements):
            found = [
                (features.invariants[part], features.vectors[part], features.tensors[part])
                for surroundings in frames
                for features in (self.moments(surroundings),)
                for other, part in surroundings.atoms
                if other == element
            ]
            if not found:
                continue
            rows = torch.cat([invariants.flatten(0, 1) for invariants, _, _ in found]).to(torch.float64)
            spread = rows.std(dim=0, correction=0)
            floor = 1e-3 * spread.max().clamp(min=1e-6)
            self.mean[index] = rows.mean(dim=0)
            self.inverse_spread[index] = 1.0 / torch.maximum(spread, floor)
            for rank in (1, 2):
                squares = torch.cat([one[rank].flatten() for one in found]).to(torch.float64).square()
                self.direction_scales[index, rank - 1] = 1.0 / squares.mean().sqrt().clamp(min=1e-6)

    def _tell(self, seen: Features, surroundings: Surroundings) -> Float[Tensor, "atom traj component"]:
        """Return what each atom tells: nine components of ranks 0, 1, 2, each with all channels."""
        parts = [
            split_elements(array, surroundings.atoms, 0)
            for array in (seen.invariants, seen.vectors, seen.tensors)
        ]
        rows = []
        for element in parts[0]:
            index = self.settings.elements.index(element)
            invariants, vectors, tensors = (part[element] for part in parts)
            scaled = (invariants - self.mean[index]) * self.inverse_spread[index]
            scalars = nn.functional.silu(scaled @ self.scalars[index])
            first, second = self.direction_scales[index]
            directions = torch.cat([vectors * first, tensors * second], dim=-1).transpose(-1, -2)
            rows.append(torch.cat([scalars.unsqueeze(-2), directions], dim=-2))
        return torch.cat(rows).flatten(-2)

    def _hear(
        self, told: Float[Tensor, "atom traj component"], surroundings: Surroundings
    ) -> list[Float[Tensor, "atom traj *rank channel"]]:
        """Return the sums over neighbours: scalars (atom, traj, channel), vectors and tensors."""
        n_channels = self.settings.n_channels
        distances = surroundings.distances
        cutoff = cutoff_function(self.settings.cutoff_function, distances, self.cutoff).transpose(1, 2)
        radial = exponential_basis(
            distances.transpose(1, 2), self.moments.centres, self.moments.inverse_width, self.cutoff
        )
        radial = radial * cutoff.unsqueeze(-1)
        elements, of_pairs = self.settings.elements, self.radial
        if self.settings.element_channels is not None:
            elements = elements_in(surroundings)
            of_pairs = self.moments.channels.of_pairs(self.radial, elements)
        weights = mixed_by_pair(radial, of_pairs, surroundings, elements).transpose(1, 2)
        by_rank = torch.split(weights, n_channels, dim=-1)
        weights = torch.cat([by_rank[rank] for rank in RANK_OF_COMPONENT], dim=-1)
        heard = weights * surroundings.gather(told)
        unit = surroundings.vectors.movedim(-1, 0) / distances
        first, second, _ = unit_harmonics(unit)
        directions = torch.cat([torch.ones_like(first[:1]), first, second]).movedim(0, 2)
        # (atom, traj, direction × told, channel)
        products = (directions @ heard).unflatten(-1, (9, n_channels)).flatten(2, 3)
        results = self.clebsch_gordan.to(products.dtype) @ products
        sizes = [len(paths) * (2 * rank + 1) for rank, paths in PATHS.items()]
        sums = []
        for rank, own in enumerate(torch.split(results, sizes, dim=2)):
            by_path = own.unflatten(2, (len(PATHS[rank]), 2 * rank + 1)).transpose(2, 3).flatten(3)
            mixed = [
                part @ self.paths[rank][self.settings.elements.index(element)]
                for element, part in split_elements(by_path, surroundings.atoms, 0).items()
            ]
            sums.append(torch.cat(mixed))
        return [sums[0].squeeze(2), *sums[1:]]


def _matrices(n: int, n_inputs: int, n_outputs: int) -> list[nn.Parameter]:
    return [nn.Parameter(torch.randn(n_inputs, n_outputs) / n_inputs**0.5) for _ in range(n)]


def _choose(
    section: EquivariantSection, elements: tuple[int, ...], cutoff: float, shortest: float
) -> EquivariantSettings:
    return EquivariantSettings(
        elements,
        cutoff,
        shortest,
        section.n_radial,
        section.n_channels,
        section.cutoff_function,
        section.element_channels,
    )


def _reduce(section: EquivariantSection) -> EquivariantSection:
    return section.model_copy(
        update={"n_radial": min(6, section.n_radial), "n_channels": min(4, section.n_channels)}
    )


EQUIVARIANT = EncoderKind(EquivariantSection, EquivariantSettings, EquivariantMessages, _choose, _reduce)
