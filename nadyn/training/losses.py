"""A loss that is blind to the signs of states and fair to quantities of different size.

L = Σ_q w_q ½ [ρ(mean r_q² / σ_q²) + ln σ_q²] over q = energy, force, coupling; means over components of a
frame, then over frames. ρ(x) = ν ln(1 + x/ν) is x for ordinary frames and grows slowly for the few that
contradict all others (a Student's t likelihood). √ν is `outlier_sigmas`, for couplings more in the first
half, see `Schedule.looseness`. σ_q is the noise of the labels where that is given; otherwise σ_q² is the
running mean of min(r_q², ν σ_q²). That is the stationary point of L in σ_q only where no frame is an outlier;
otherwise it lies above, because x/(1 + x/ν) is less than min(x, ν).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.signs import coupling_signs
from nadyn.training.predictions import Prediction
from nadyn.training.samples import Samples

QUANTITIES = ("energy", "force", "coupling")

# Memory of the running mean that σ_q follows, in steps.
_MEMORY_STEPS = 50.0


@dataclass(frozen=True)
class Residuals:
    """Mean squared residual of each frame, NaN where it has no label; None where no frame has."""

    energy: Float[Tensor, "frame"]
    force: Float[Tensor, "frame"] | None
    coupling: Float[Tensor, "frame"] | None


def residuals(prediction: Prediction, batch: Samples) -> Residuals:
    """Compare a prediction with its labels; couplings up to one sign a state and frame."""
    energy = _mean_square(prediction.energies, batch.energies)
    diagonal = [i for i, (k, l) in enumerate(prediction.pairs) if k == l]
    others = [i for i, (k, l) in enumerate(prediction.pairs) if k != l]
    force = coupling = None
    if batch.forces is not None and diagonal:
        force = _mean_square(prediction.gradients[:, diagonal], -batch.forces)
    if batch.couplings is not None and others:
        pairs = tuple(prediction.pairs[i] for i in others)
        predicted = prediction.gradients[:, others]
        signs = coupling_signs(predicted.detach(), batch.couplings, pairs)
        coupling = _mean_square(predicted, signs[:, :, None, None] * batch.couplings)
    return Residuals(energy, force, coupling)


class NoiseScales:
    """σ_q² of each quantity: given, or following the residuals as a running mean."""

    def __init__(self, given: dict[str, float | None]):
        self.given = given
        self.variances: dict[str, float] = {q: given[q] ** 2 for q in QUANTITIES if given[q] is not None}

    def update(self, quantity: str, squares: Float[Tensor, "frame"], bound: float) -> float:
        """Return σ_q² after taking in the residuals of a batch, none counting more than `bound` σ_q²."""
        if self.given[quantity] is not None:
            return self.variances[quantity]
        before = self.variances.get(quantity)
        if before is None:
            self.variances[quantity] = max(float(squares.mean()), 1e-300)
        else:
            new = float(squares.clamp(max=bound * before).mean())
            self.variances[quantity] = max(before + (new - before) / _MEMORY_STEPS, 1e-300)
        return self.variances[quantity]


def total_loss(
    values: Residuals,
    scales: NoiseScales,
    *,
    weights: dict[str, float],
    outlier_sigmas: dict[str, float],
    frame_weights: Float[Tensor, "frame"] | None = None,
) -> Float[Tensor, ""]:
    """Return the loss of a batch and let the noise scales follow it."""
    total = torch.zeros((), dtype=torch.float64)
    for quantity in QUANTITIES:
        squares = getattr(values, quantity)
        if squares is None:
            continue
        known = ~torch.isnan(squares)
        if not bool(known.any()):
            continue
        squares = squares[known]
        nu = outlier_sigmas[quantity] ** 2
        variance = scales.update(quantity, squares.detach(), nu)
        terms = nu * torch.log1p(squares / (nu * variance))
        if frame_weights is not None:
            terms = terms * frame_weights[known]
        total = total + weights[quantity] * 0.5 * (terms.mean() + math.log(variance))
    return total


def mean_frame_weight(samples: tuple[Samples, ...]) -> float | None:
    """Return the mean of the weights that frames were given, 1 for those without; None where none has one."""
    if all(group.weight is None for group in samples):
        return None
    total = sum(float(len(group)) if group.weight is None else float(group.weight.sum()) for group in samples)
    return total / sum(map(len, samples))


def given_weights(batch: Samples, mean_weight: float) -> Float[Tensor, "frame"]:
    """Return the weights of a batch, divided by the mean over the training set."""
    weight = torch.ones(len(batch), dtype=torch.float64) if batch.weight is None else batch.weight
    return weight / mean_weight


def gap_weights(
    energies: Float[Tensor, "frame state"], mean_weight: float, width: float
) -> Float[Tensor, "frame"]:
    """Return 1/(gap² + δ²) of the smallest adjacent gap, divided by its mean over the training set."""
    return inverse_square_gap(energies, width) / mean_weight


def inverse_square_gap(energies: Float[Tensor, "frame state"], width: float) -> Float[Tensor, "frame"]:
    """Return 1/(gap² + δ²) of the smallest adjacent gap [1/hartree²]."""
    gap = (energies[:, 1:] - energies[:, :-1]).amin(dim=1)
    return 1.0 / (gap**2 + width**2)


def surplus_penalty(surplus_gap: Float[Tensor, "frame"], margin: float) -> Float[Tensor, ""]:
    """Return ½ mean of ((margin - gap)/(margin/5))², where a frame beyond the margin counts as 0."""
    return 0.5 * (((margin - surplus_gap).clamp(min=0.0) / (0.2 * margin)) ** 2).mean()


def _mean_square(predicted: Tensor, label: Tensor) -> Float[Tensor, "frame"]:
    """Return the mean square over the labelled components of each frame; NaN for a frame without labels.

    NaN labels are replaced before squaring, because 0 · NaN in the backward pass would be NaN. A prediction
    that is NaN is no missing label: it counts as infinitely wrong.
    """
    known = ~torch.isnan(label).flatten(1)
    difference = torch.where(known, (predicted - label).flatten(1), 0.0)
    squares = torch.where(torch.isnan(difference), torch.inf, difference) ** 2
    count = known.sum(dim=1)
    mean = squares.sum(dim=1) / count.clamp(min=1)
    return torch.where(count > 0, mean, torch.full_like(mean, torch.nan))
