"""Mean absolute errors on held-out frames, during the training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.signs import coupling_signs
from nadyn.models.learned import Network
from nadyn.training.predictions import Pairs, predict
from nadyn.training.samples import Samples

_CHUNK = 64


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors, one entry a state or pair, in atomic units; empty where there are no labels.

    Attributes:
        score: Mean logarithm of the mean errors of energies, forces and couplings; the lower the better.
    """

    energy_mae: list[float]
    force_mae: list[float]
    coupling_mae: list[float]
    score: float

    @classmethod
    def of(cls, energy: list[float], force: list[float], coupling: list[float]) -> "Errors":
        """Return mean absolute errors with their score."""
        means = [
            torch.tensor(values, dtype=torch.float64).nanmean()
            for values in (energy, force, coupling)
            if values
        ]
        # A quantity that no frame here has a label of says nothing.
        logarithms = torch.stack([mean.log() for mean in means if not torch.isnan(mean)])
        return cls(energy, force, coupling, float(logarithms.mean()))


def validate(network: Network, samples: tuple[Samples, ...], pairs: Pairs) -> Errors:
    """Return the errors of a network over all frames of all samples."""
    energy, force, coupling = [], [], []
    diagonal = [i for i, (k, l) in enumerate(pairs) if k == l]
    others = [i for i, (k, l) in enumerate(pairs) if k != l]
    for group in samples:
        for start in range(0, len(group), _CHUNK):
            batch = group.take(torch.arange(start, min(start + _CHUNK, len(group))))
            prediction = predict(network, batch, pairs)
            gradients = prediction.gradients.detach()
            energy.append(_errors(prediction.energies.detach(), batch.energies))
            if batch.forces is not None:
                force.append(_errors(gradients[:, diagonal], -batch.forces))
            if batch.couplings is not None:
                labelled = tuple(pairs[i] for i in others)
                signs = coupling_signs(gradients[:, others], batch.couplings, labelled)
                coupling.append(_errors(gradients[:, others], signs[:, :, None, None] * batch.couplings))
    return Errors.of(_means(energy), _means(force), _means(coupling))


def _errors(
    predicted: Float[Tensor, "frame column ..."], label: Float[Tensor, "frame column ..."]
) -> Float[Tensor, "frame column"]:
    """Return mean absolute errors: NaN without a label, infinite where the prediction is NaN."""
    difference = (predicted - label).abs()
    broken = torch.isnan(difference) & ~torch.isnan(label)
    return torch.where(broken, torch.inf, difference).reshape(*label.shape[:2], -1).mean(dim=2)


def _means(parts: list[Float[Tensor, "frame column"]]) -> list[float]:
    return torch.nanmean(torch.cat(parts), dim=0).tolist() if parts else []
