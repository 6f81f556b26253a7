"""Mean absolute errors on held-out frames, during the training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.learned import Network
from nadyn.training.losses import coupling_signs
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
            energy.append((prediction.energies.detach() - batch.energies).abs())
            if batch.forces is not None:
                force.append((gradients[:, diagonal] + batch.forces).abs().mean(dim=(2, 3)))
            if batch.couplings is not None:
                labelled = tuple(pairs[i] for i in others)
                signs = coupling_signs(gradients[:, others], batch.couplings, labelled)
                difference = gradients[:, others] - signs[:, :, None, None] * batch.couplings
                coupling.append(difference.abs().mean(dim=(2, 3)))
    lists = [_means(energy), _means(force), _means(coupling)]
    logarithms = [torch.tensor(values).mean().log() for values in lists if values]
    return Errors(*lists, score=float(torch.stack(logarithms).mean()))


def _means(parts: list[Float[Tensor, "frame column"]]) -> list[float]:
    return torch.nanmean(torch.cat(parts), dim=0).tolist() if parts else []
