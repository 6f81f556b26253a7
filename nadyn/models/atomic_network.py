"""The part that all learned models share: encoder, one network per element, sums over atoms."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.features import Features
from nadyn.models.encoders.kind import EncoderSettings, HasLayers
from nadyn.models.encoders.table import build_encoder
from nadyn.models.nearest_neighbours import intervals_of, is_covered, no_bound
from nadyn.models.shared_network import NETWORKS
from nadyn.models.surroundings import Surroundings

# Beyond it a geometry is outside of the training. Measured on ammonia, see docs/methods/fssh.md: of such
# geometries, five in six are wrong by 0.1 eV and more.
MOST_NOVELTY = 0.03
# Of a descriptor in single precision, relative to its size.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class NetworkSettings:
    """Hyperparameters of `AtomicNetwork`; `networks` is a name of `NETWORKS`."""

    encoder: EncoderSettings
    hidden: tuple[int, ...] = (128, 128, 64)
    activation: str = "silu"
    networks: str = "per_element"


class AtomicNetwork(nn.Module):
    """Descriptors of each atom through the network of its element, to `n_outputs` numbers an atom."""

    def __init__(self, settings: NetworkSettings, n_outputs: int):
        super().__init__()
        self.settings = settings
        self.elements = settings.encoder.elements
        self.cutoff = settings.encoder.cutoff
        self.reach = settings.encoder.reach
        self.encoder = build_encoder(settings.encoder)
        self.networks = NETWORKS[settings.networks](
            self.elements, self.encoder.n_invariants, settings.hidden, n_outputs, settings.activation
        )
        shape = (len(self.elements), self.encoder.n_invariants)
        self.register_buffer("lowest", torch.full(shape, -torch.inf))
        self.register_buffer("highest", torch.full(shape, torch.inf))
        # Distances of an atom's nearest neighbour in training: intervals for each element.
        self.register_buffer("nearest", no_bound(len(self.elements)))

    def forward(self, surroundings: Surroundings) -> tuple[Float[Tensor, "atom traj output"], Features]:
        """Return each atom's outputs and features."""
        features = self.encoder(surroundings)
        return self.networks(features.invariants, surroundings.atoms), features

    @torch.no_grad()
    def novelty(self, features: Features, surroundings: Surroundings) -> Float[Tensor, "structure"]:
        """Return the fraction of an atom's descriptors beyond the bounds of `set_range`, of the worst atom.

        It is 1 where the nearest neighbour of an atom is at a distance that training has not covered, see
        `nearest_neighbours`.
        """
        of_atoms = []
        for element, part in surroundings.atoms:
            index = self.elements.index(element)
            values = features.invariants[part]
            outside = (values < self.lowest[index]) | (values > self.highest[index])
            fraction = outside.sum(dim=2).to(torch.float64) / values.shape[2]
            nearest = surroundings.distances[part].amin(dim=2)
            covered = is_covered(nearest, self.nearest[index], self.cutoff)
            of_atoms.append(torch.where(covered, fraction, 1.0))
        return surroundings.largest(torch.cat(of_atoms))

    @torch.no_grad()
    def standardise(self, frames: list[Surroundings]) -> None:
        """Set the mean and spread by which descriptors are scaled, from frames of the training set."""
        if isinstance(self.encoder, HasLayers):
            self.encoder.standardise(frames)
        mean, spread, _, _ = self._statistics(frames)
        self.networks.standardise(mean, spread)

    @torch.no_grad()
    def set_range(self, frames: list[Surroundings]) -> None:
        """Store the extremes of the descriptors in the training set, widened by one standard deviation."""
        _, spread, lowest, highest = self._statistics(frames)
        # Rounding of descriptors that hardly vary, or not at all, is not news.
        rounding = _ROUNDING * torch.maximum(lowest.abs(), highest.abs()).nan_to_num(posinf=0.0)
        self.lowest.copy_(lowest - spread - rounding)
        self.highest.copy_(highest + spread + rounding)
        self.set_nearest(frames)

    @torch.no_grad()
    def set_nearest(self, frames: list[Surroundings]) -> None:
        """Store which distances to a nearest neighbour the training set covers."""
        found: list[list[Tensor]] = [[] for _ in self.elements]
        for surroundings in frames:
            for element, part in surroundings.atoms:
                nearest = surroundings.distances[part].amin(dim=2).flatten()
                found[self.elements.index(element)].append(nearest)
        distances = [torch.cat(rows) if rows else torch.zeros(0) for rows in found]
        self.nearest.copy_(intervals_of(distances, self.cutoff))

    def _statistics(self, frames: list[Surroundings]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mean, standard deviation, minimum and maximum, each (element, feature).

        An element that does not occur has mean 0, spread 1, and an empty range: all of it is novel.
        """
        shape = (len(self.elements), self.encoder.n_invariants)
        count = torch.zeros(len(self.elements), dtype=torch.float64)
        total, square = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
        lowest, highest = torch.full(shape, torch.inf), torch.full(shape, -torch.inf)
        for surroundings in frames:
            invariants = self.encoder(surroundings).invariants
            for element, part in surroundings.atoms:
                index = self.elements.index(element)
                rows = invariants[part].flatten(0, 1).to(torch.float64)
                count[index] += len(rows)
                total[index] += rows.sum(0)
                square[index] += (rows**2).sum(0)
                lowest[index] = torch.minimum(lowest[index], rows.amin(0).to(torch.float32))
                highest[index] = torch.maximum(highest[index], rows.amax(0).to(torch.float32))
        present = count[:, None] > 0
        mean = total / count[:, None].clamp(min=1.0)
        spread = torch.sqrt((square / count[:, None].clamp(min=1.0) - mean**2).clamp(min=0.0))
        spread = torch.where(present, spread, 1.0)
        return mean, spread, lowest, highest
