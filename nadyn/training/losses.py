"""A loss that is blind to the signs of states and fair to quantities of different size.

L = Σ_q w_q ½ [ρ(mean r_q² / σ_q²) + ln σ_q²] over the quantities of the table `quantities`; means over
components of a frame, then over frames. ρ(x) = ν ln(1 + x/ν) is x for ordinary frames and grows slowly for
the few that contradict all others (a Student's t likelihood). √ν is `outlier_sigmas`, for couplings more in
the first half, see `Schedule.looseness`. σ_q is the noise of the labels where that is given; otherwise σ_q²
is the running mean of min(r_q², ν σ_q²), weighted as frames are. That is the stationary point of L in σ_q
only where no frame is an outlier; otherwise it lies above, because x/(1 + x/ν) is less than min(x, ν).
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.training.predictions import Prediction
from nadyn.training.quantities import QUANTITIES, compared, mean_squares
from nadyn.training.samples import Samples

# Memory of the running mean that σ_q follows, in steps.
_MEMORY_STEPS = 50.0


def residuals(
    predictions: Sequence[Prediction], batch: Sequence[Samples]
) -> dict[str, Float[Tensor, "frame"]]:
    """Return the mean squared residual of each frame of all molecules, NaN where it has no label.

    Quantities without any label are left out. Couplings are compared up to one sign a state and frame;
    energies of molecules of different size as those of equal size.
    """
    found = [compared(prediction, part) for prediction, part in zip(predictions, batch, strict=True)]
    result = {}
    for quantity in QUANTITIES:
        if not any(quantity.name in one for one in found):
            continue
        rows = []
        for one, part in zip(found, batch, strict=True):
            if quantity.name in one:
                squares = mean_squares(*one[quantity.name])
                rows.append(squares / part.size**2 if quantity.per_atom else squares)
            else:
                rows.append(part.energies.new_full((len(part),), torch.nan))
        result[quantity.name] = torch.cat(rows)
    return result


class NoiseScales:
    """σ_q² of each quantity: given, or following the residuals as a running mean."""

    def __init__(self, given: dict[str, float | None]):
        self.given = given
        self.variances: dict[str, float] = {q: value**2 for q, value in given.items() if value is not None}

    def update(
        self,
        quantity: str,
        squares: Float[Tensor, "frame"],
        bound: float,
        frame_weights: Float[Tensor, "frame"] | float = 1.0,
    ) -> float:
        """Return σ_q² after taking in the residuals of a batch, none counting more than `bound` σ_q².

        With weights of frames it is their weighted mean, as L asks for: what hardly trains is no noise.
        """
        if self.given.get(quantity) is not None:
            return self.variances[quantity]
        before = self.variances.get(quantity)
        if before is None:
            # A first batch of frames that do not count says how large residuals are all the same.
            weighted = float((frame_weights * squares).mean()) or float(squares.mean())
            self.variances[quantity] = max(weighted, 1e-300)
        else:
            new = float((frame_weights * squares.clamp(max=bound * before)).mean())
            self.variances[quantity] = max(before + (new - before) / _MEMORY_STEPS, 1e-300)
        return self.variances[quantity]


def total_loss(
    values: dict[str, Float[Tensor, "frame"]],
    scales: NoiseScales,
    *,
    weights: dict[str, float],
    outlier_sigmas: dict[str, float],
    frame_weights: Float[Tensor, "frame"] | None = None,
) -> Float[Tensor, ""]:
    """Return the loss of a batch and let the noise scales follow it."""
    total = torch.zeros((), dtype=torch.float64)
    for quantity, squares in values.items():
        known = ~torch.isnan(squares)
        if not bool(known.any()):
            continue
        squares = squares[known]
        nu = outlier_sigmas[quantity] ** 2
        counting = 1.0 if frame_weights is None else frame_weights[known]
        variance = scales.update(quantity, squares.detach(), nu, counting)
        terms = counting * nu * torch.log1p(squares / (nu * variance))
        total = total + weights[quantity] * 0.5 * (terms.mean() + math.log(variance))
    return total


def mean_frame_weight(samples: tuple[Samples, ...]) -> float | None:
    """Return the mean of the weights that frames were given, 1 for those without; None where none has one."""
    if all(group.weight is None for group in samples):
        return None
    total = sum(float(len(group)) if group.weight is None else float(group.weight.sum()) for group in samples)
    return total / sum(map(len, samples))


def given_weights(batch: Sequence[Samples], mean_weight: float) -> Float[Tensor, "frame"]:
    """Return the weights of a batch, divided by the mean over the training set."""
    ones = [part.energies.new_ones(len(part)) if part.weight is None else part.weight for part in batch]
    return torch.cat(ones) / mean_weight


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
