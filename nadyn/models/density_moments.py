"""Density moments: neighbour sums of spherical tensors, mixed into learned channels and contracted.

The neighbour density of atom i is expanded as A_i,ekc = Σ_{j of element e} g_k(r_ij) f_c(r_ij) Y_c(r̂_ij) up to
rank 3. For each element of the centre a learned matrix mixes (e, k) into a few channels per rank. Products
of equal rank give two- and three-body invariants; v·T·v and tr T T T give four-body ones. The cost is
linear in the number of neighbours: no loop over triples.

Sources: A. V. Shapeev, Multiscale Model. Simul. 14, 1153 (2016); R. Drautz, Phys. Rev. B 99, 014104 (2019).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.angular import RANKS, rank_two_matrices, unit_harmonics
from nadyn.models.environment import Environment, split_elements
from nadyn.models.features import Features
from nadyn.models.radial import cutoff_function, exponential_basis, exponential_grid


@dataclass(frozen=True)
class MomentsSettings:
    """Hyperparameters of `DensityMoments`; lengths in bohr."""

    elements: tuple[int, ...]
    cutoff: float
    shortest: float
    n_radial: int = 12
    n_channels: int = 12
    cutoff_function: str = "polynomial"


class DensityMoments(nn.Module):
    """Encoder with learned channels; build it from `MomentsSettings`."""

    def __init__(self, settings: MomentsSettings):
        super().__init__()
        self.settings = settings
        self.cutoff = settings.cutoff
        n_elements, n_radial, n_channels = len(settings.elements), settings.n_radial, settings.n_channels
        centres, self.inverse_width = exponential_grid(n_radial, settings.shortest, settings.cutoff)
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32))
        matrices = rank_two_matrices()
        squares = torch.einsum("cxy,dyz,ezx->cde", matrices, matrices, matrices)
        self.register_buffer("vector_square", matrices.reshape(5, 9).T.contiguous(), persistent=False)
        self.register_buffer("tensor_square", squares.reshape(25, 5), persistent=False)
        upper = torch.triu_indices(n_channels, n_channels)
        self.register_buffer("pairs", upper[0] * n_channels + upper[1], persistent=False)
        n_inputs = n_elements * n_radial
        mixing = torch.randn(n_elements, 3, n_inputs, n_channels) / n_radial**0.5
        self.mixing = nn.Parameter(mixing)
        self.n_vectors = n_channels
        self.n_invariants = n_inputs + 3 * upper.shape[1] + 2 * n_channels**2

    def forward(self, environment: Environment) -> Features:
        """Return invariants, and the mixed vectors and tensors."""
        moments = self._moments(environment)
        mixed: list[list[Tensor]] = [[], [], []]
        scalars, *ranks = torch.split(moments, [rank.stop - rank.start for rank in RANKS], dim=2)
        for moment, results, number in zip(ranks, mixed, (0, 1, 2), strict=True):
            for element, own in split_elements(moment, environment.atoms, 0).items():
                results.append(own @ self.mixing[self.settings.elements.index(element), number])
        first, second, third = (torch.cat(results) for results in mixed)
        invariants = self._contract(scalars.squeeze(2), first, second, third)
        return Features(invariants, first.transpose(-1, -2), second.transpose(-1, -2))

    def _moments(self, environment: Environment) -> Float[Tensor, "atom traj 16 input"]:
        distances = environment.distances
        unit = environment.vectors / distances.unsqueeze(-1)
        weight = cutoff_function(self.settings.cutoff_function, distances, self.cutoff)
        harmonics = unit_harmonics(unit) * weight.unsqueeze(-1)
        radial = exponential_basis(distances, self.centres, self.inverse_width, self.cutoff)
        angular = split_elements(harmonics, environment.slots, 2)
        radial_parts = split_elements(radial, environment.slots, 2)
        parts = []
        for element in self.settings.elements:
            if element in angular:
                parts.append(angular[element].transpose(-1, -2) @ radial_parts[element])
            else:
                parts.append(radial.new_zeros((*distances.shape[:2], 16, self.settings.n_radial)))
        return torch.cat(parts, dim=-1)

    def _contract(self, scalars: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        """Return the invariants; inputs are (atom, traj, component, channel)."""
        grams = [(m.transpose(-1, -2) @ m).flatten(-2)[..., self.pairs] for m in (first, second, third)]
        # v v and T T as rank-2 components again; their product with T_b gives v·T_b·v and tr T T T_b.
        v, t = first.transpose(-1, -2), second.transpose(-1, -2)
        from_vectors = (v.unsqueeze(-1) * v.unsqueeze(-2)).flatten(-2) @ self.vector_square.to(v.dtype)
        from_tensors = (t.unsqueeze(-1) * t.unsqueeze(-2)).flatten(-2) @ self.tensor_square.to(v.dtype)
        four_body = torch.cat([from_vectors, from_tensors], dim=-2) @ second
        return torch.cat([scalars, *grams, four_body.flatten(-2)], dim=-1)
