"""Mean absolute errors on held-out frames, during the training, and the score that chooses the best weights.

The score is the mean over energies, forces and what else has labels of ln(mean error / error of predicting
nothing), none of which is above zero: what is no better than nothing cannot be learnt yet, and does not
decide. Without the bound, couplings that are guessed wrong would outweigh energies that have become right,
and weights from before the first guess would win. Of weights that are worse than nothing in everything the
least bad are taken.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.predictions import Pairs, predict
from nadyn.training.quantities import absolute_errors, compared
from nadyn.training.samples import Samples

_CHUNK = 64
_TINY = 1e-300


@dataclass(frozen=True)
class Errors:
    """How wrong a network is on some frames.

    Attributes:
        mae: Mean absolute error of each quantity that has labels, one entry a state or pair [atomic units].
        score: The lower the better; see the module.
    """

    mae: dict[str, list[float]]
    score: float

    @classmethod
    def of(cls, mae: dict[str, list[float]], nothing: "Errors | None" = None) -> "Errors":
        """Return mean absolute errors with their score beside those of predicting nothing; without them the
        score is the mean logarithm of the errors."""
        zero = {} if nothing is None else nothing.mae
        ratios = [_ratio(own, zero.get(name, [1.0])) for name, own in mae.items()]
        # A quantity that no frame here has a label of says nothing.
        known = [math.log(ratio) for ratio in ratios if not math.isnan(ratio)]
        logarithms = torch.tensor(known, dtype=torch.float64)
        if nothing is not None and bool((logarithms < 0).any()) and bool(torch.isfinite(logarithms).all()):
            logarithms = logarithms.clamp(max=0.0)
        return cls(mae, float(logarithms.mean()))


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
    found: dict[str, list[Float[Tensor, "frame column"]]] = {}
    for group in samples:
        for start in range(0, len(group), _CHUNK):
            batch = group.take(torch.arange(start, min(start + _CHUNK, len(group))))
            prediction = predict(potential, batch, pairs)
            for name, (predicted, label) in compared(prediction, batch).items():
                found.setdefault(name, []).append(absolute_errors(predicted.detach(), label))
    return Errors.of({name: mean_of_columns(parts) for name, parts in found.items()}, nothing)


def mean_of_columns(parts: list[Float[Tensor, "_ column"]]) -> list[float]:
    """Return the mean of each column over all frames that have a label."""
    return torch.nanmean(torch.cat(parts), dim=0).tolist()
