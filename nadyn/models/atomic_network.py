"""The part that all learned models share: encoder, one network per element, sums over atoms."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.features import Features
from nadyn.models.encoders.kind import EncoderSettings
from nadyn.models.encoders.table import build_encoder
from nadyn.models.environment import Environment
from nadyn.models.networks import ElementNetworks

# A nearest neighbour this many times farther away than any in training is none.
_ALONE = 1.15


@dataclass(frozen=True)
class NetworkSettings:
    """Hyperparameters of `AtomicNetwork`."""

    encoder: EncoderSettings
    hidden: tuple[int, ...] = (128, 128, 64)
    activation: str = "silu"


class AtomicNetwork(nn.Module):
    """Descriptors of each atom through the network of its element, to `n_outputs` numbers an atom."""

    def __init__(self, settings: NetworkSettings, n_outputs: int):
        super().__init__()
        self.settings = settings
        self.elements = settings.encoder.elements
        self.cutoff = settings.encoder.cutoff
        self.encoder = build_encoder(settings.encoder)
        self.networks = ElementNetworks(
            self.elements, self.encoder.n_invariants, settings.hidden, n_outputs, settings.activation
        )
        shape = (len(self.elements), self.encoder.n_invariants)
        self.register_buffer("lowest", torch.full(shape, -torch.inf))
        self.register_buffer("highest", torch.full(shape, torch.inf))
        # Distance of an atom's nearest neighbour: the longest in training for each element.
        self.register_buffer("farthest", torch.full((len(self.elements),), torch.inf))

    def forward(self, environment: Environment) -> tuple[Float[Tensor, "atom traj output"], Features]:
        """Return each atom's outputs and features."""
        features = self.encoder(environment)
        return self.networks(features.invariants, environment.atoms), features

    @torch.no_grad()
    def novelty(self, features: Features, environment: Environment) -> Float[Tensor, "traj"]:
        """Return the fraction of descriptors beyond the bounds that `set_range` stored.

        It is 1 where an atom is alone: its nearest neighbour is farther than 1.15 times the farthest in
        training. Descriptors fade with distance, so a bond that breaks does not leave their range.
        """
        count = features.invariants.new_zeros(features.invariants.shape[1], dtype=torch.float64)
        alone = torch.zeros_like(count, dtype=torch.bool)
        for element, part in environment.atoms:
            index = self.elements.index(element)
            values = features.invariants[part]
            outside = (values < self.lowest[index]) | (values > self.highest[index])
            count = count + outside.sum(dim=(0, 2))
            nearest = environment.distances[part].amin(dim=2)
            alone = alone | (nearest > _ALONE * self.farthest[index]).any(dim=0)
        fraction = count / (features.invariants.shape[0] * features.invariants.shape[2])
        return torch.where(alone, 1.0, fraction)

    @torch.no_grad()
    def standardise(self, environments: list[Environment]) -> None:
        """Set the mean and spread by which descriptors are scaled, from frames of the training set."""
        mean, spread, _, _ = self._statistics(environments)
        self.networks.standardise(mean, spread)

    @torch.no_grad()
    def set_range(self, environments: list[Environment]) -> None:
        """Store the extremes of the descriptors in the training set, widened by one standard deviation."""
        _, spread, lowest, highest = self._statistics(environments)
        self.lowest.copy_(lowest - spread)
        self.highest.copy_(highest + spread)
        self.set_farthest(environments)

    @torch.no_grad()
    def set_farthest(self, environments: list[Environment]) -> None:
        """Store the longest distance to a nearest neighbour in the training set."""
        farthest = torch.zeros_like(self.farthest)
        for environment in environments:
            for element, part in environment.atoms:
                index = self.elements.index(element)
                nearest = environment.distances[part].amin(dim=2).max()
                farthest[index] = torch.maximum(farthest[index], nearest)
        # An element that does not occur has no bound; nothing is known of a single atom.
        self.farthest.copy_(torch.where(farthest > 0, farthest, torch.inf))

    def _statistics(self, environments: list[Environment]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mean, standard deviation, minimum and maximum, each (element, feature).

        An element that does not occur has mean 0, spread 1, and an empty range: all of it is novel.
        """
        shape = (len(self.elements), self.encoder.n_invariants)
        count = torch.zeros(len(self.elements), dtype=torch.float64)
        total, square = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
        lowest, highest = torch.full(shape, torch.inf), torch.full(shape, -torch.inf)
        for environment in environments:
            invariants = self.encoder(environment).invariants
            for element, part in environment.atoms:
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
