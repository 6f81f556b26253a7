"""Mean absolute errors on held-out frames, during the training, and the score that chooses the best weights.

The score is the mean over energies, forces and couplings of ln(mean error / error of predicting nothing),
none of which is above zero: what is no better than nothing cannot be learnt yet, and does not decide. Without
the bound, couplings that are guessed wrong would outweigh energies that have become right, and weights from
before the first guess would win. Of weights that are worse than nothing in everything the least bad are
taken.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.signs import coupling_signs
from nadyn.models.potential import Potential
from nadyn.training.predictions import Pairs, predict
from nadyn.training.samples import Samples

_CHUNK = 64
_TINY = 1e-300


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors, one entry a state or pair, in atomic units; empty where there are no labels.

    Attributes:
        score: The lower the better; see the module.
    """

    energy_mae: list[float]
    force_mae: list[float]
    coupling_mae: list[float]
    score: float

    @classmethod
    def of(
        cls,
        energy: list[float],
        force: list[float],
        coupling: list[float],
        nothing: "Errors | None" = None,
    ) -> "Errors":
        """Return mean absolute errors with their score beside those of predicting nothing; without them the
        score is the mean logarithm of the errors."""
        found = (energy, force, coupling)
        zero = ([1.0],) * 3
        if nothing is not None:
            zero = nothing.energy_mae, nothing.force_mae, nothing.coupling_mae
        ratios = [_ratio(own, other) for own, other in zip(found, zero, strict=True)]
        # A quantity that no frame here has a label of says nothing.
        known = [math.log(ratio) for ratio in ratios if not math.isnan(ratio)]
        logarithms = torch.tensor(known, dtype=torch.float64)
        if nothing is not None and bool((logarithms < 0).any()) and bool(torch.isfinite(logarithms).all()):
            logarithms = logarithms.clamp(max=0.0)
        return cls(energy, force, coupling, float(logarithms.mean()))


def _ratio(own: list[float], nothing: list[float]) -> float:
    """Return the mean error in units of that of predicting nothing; NaN where there is no label."""
    mean = float(torch.tensor(own, dtype=torch.float64).nanmean()) if own else math.nan
    zero = float(torch.tensor(nothing, dtype=torch.float64).nanmean()) if nothing else math.nan
    # What is zero everywhere has no scale of its own: its error in hartree is one.
    zero = zero if zero > 0 else 1.0
    return math.nan if math.isnan(mean) else max(mean / zero, _TINY)


def validate(
    potential: Potential, samples: tuple[Samples, ...], pairs: Pairs, nothing: Errors | None = None
) -> Errors:
    """Return the errors of a network over all frames of all samples.

    Args:
        network: What is judged.
        samples: Labelled frames.
        pairs: Pairs of states that have labels.
        nothing: Errors of predicting nothing there, for the score.
    """
    energy, force, coupling = [], [], []
    diagonal = [i for i, (k, l) in enumerate(pairs) if k == l]
    others = [i for i, (k, l) in enumerate(pairs) if k != l]
    for group in samples:
        for start in range(0, len(group), _CHUNK):
            batch = group.take(torch.arange(start, min(start + _CHUNK, len(group))))
            prediction = predict(potential, batch, pairs)
            gradients = prediction.gradients.detach()
            energy.append(_errors(prediction.energies.detach(), batch.energies))
            if batch.forces is not None:
                force.append(_errors(gradients[:, diagonal], -batch.forces))
            if batch.couplings is not None:
                labelled = tuple(pairs[i] for i in others)
                signs = coupling_signs(gradients[:, others], batch.couplings, labelled)
                coupling.append(_errors(gradients[:, others], signs[:, :, None, None] * batch.couplings))
    return Errors.of(_means(energy), _means(force), _means(coupling), nothing)


def _errors(
    predicted: Float[Tensor, "frame column ..."], label: Float[Tensor, "frame column ..."]
) -> Float[Tensor, "frame column"]:
    """Return mean absolute errors: NaN without a label, infinite where the prediction is NaN."""
    difference = (predicted - label).abs()
    broken = torch.isnan(difference) & ~torch.isnan(label)
    return torch.where(broken, torch.inf, difference).reshape(*label.shape[:2], -1).mean(dim=2)


def _means(parts: list[Float[Tensor, "frame column"]]) -> list[float]:
    return torch.nanmean(torch.cat(parts), dim=0).tolist() if parts else []
