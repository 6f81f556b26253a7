"""One step of the training: a loss of a batch, its gradient, and new weights."""

import math

import torch

from nadyn.models.potential import Potential
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.losses import (
    NoiseScales,
    gap_weights,
    given_weights,
    inverse_square_gap,
    residuals,
    surplus_penalty,
    total_loss,
)
from nadyn.training.predictions import Pairs
from nadyn.training.quantities import QUANTITIES
from nadyn.training.ranks import ALONE, Ranks
from nadyn.training.samples import Samples, displaced_frames
from nadyn.training.shared_predictions import predict_shared
from nadyn.training.turned import turned
from nadyn.units import BOHR_PER_ANGSTROM, HARTREE_PER_EV

_GRADIENT_NORM_LIMIT = 10.0
_SURPLUS_MARGIN = 0.5 * HARTREE_PER_EV
# Surplus levels are kept away on frames displaced by up to this much too: trajectories leave the data.
_DISPLACEMENT = 0.3 * BOHR_PER_ANGSTROM
_GAP_WIDTH = 0.3 * HARTREE_PER_EV


def train_step(
    potential: Potential,
    batch: tuple[Samples, ...],
    pairs: Pairs,
    optimizer: torch.optim.Optimizer,
    scales: NoiseScales,
    configuration: TrainingConfiguration,
    mean_gap_weight: float | None,
    *,
    step: int,
    looseness: float,
    mean_weight: float | None = None,
    ranks: Ranks = ALONE,
) -> float:
    """Take one step and return the loss; a loss or gradient that is not finite changes nothing."""
    optimizer.zero_grad(set_to_none=True)
    displaced: tuple[Samples, ...] = ()
    if potential.n_basis > potential.n_states:
        displaced = displaced_frames(batch, _DISPLACEMENT, seed=configuration.seed, step=step)
    predictions, displaced_gaps = predict_shared(ranks, potential, batch, pairs, displaced)
    before = dict(scales.variances)
    weights = configuration.weights.model_dump()
    compared = tuple(
        turned(prediction, part, scales.variances, weights)
        for prediction, part in zip(predictions, batch, strict=True)
    )
    frame_weights = None
    if mean_gap_weight is not None:
        energies = torch.cat([part.energies for part in batch])
        frame_weights = gap_weights(energies, mean_gap_weight, _GAP_WIDTH)
    if mean_weight is not None:
        own = given_weights(batch, mean_weight)
        frame_weights = own if frame_weights is None else own * frame_weights
    loss = total_loss(
        residuals(predictions, compared),
        scales,
        weights=weights,
        outlier_sigmas=_outlier_sigmas(configuration, looseness),
        frame_weights=frame_weights,
    )
    if displaced:
        own = [prediction.surplus_gap for prediction in predictions]
        loss = loss + surplus_penalty(torch.cat([*own, displaced_gaps]), _SURPLUS_MARGIN)
    # To the weights alone: positions are leaves of the graph too, and nobody needs what arrives there.
    if loss.requires_grad:
        torch.autograd.backward(loss, inputs=[p for p in potential.parameters() if p.requires_grad])
    ranks.add_gradients(potential.parameters())
    norm = torch.nn.utils.clip_grad_norm_(potential.parameters(), _GRADIENT_NORM_LIMIT)
    if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
        scales.variances = before
        return math.nan
    optimizer.step()
    return loss.item()


def parameter_groups(potential: Potential, weight_decay: float) -> list[dict[str, object]]:
    """Decay matrices, not biases."""
    matrices = [p for p in potential.parameters() if p.ndim > 1]
    vectors = [p for p in potential.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _outlier_sigmas(configuration: TrainingConfiguration, looseness: float) -> dict[str, float]:
    """Return the bound of each quantity: couplings tell on which side of a seam a frame lies."""
    bounds = {quantity.name: configuration.outlier_sigmas for quantity in QUANTITIES}
    between = looseness * configuration.outlier_sigmas
    return bounds | {"coupling": between, "transition_dipole": between}


def given_noise(configuration: TrainingConfiguration) -> dict[str, float | None]:
    """Return the noise of each quantity in atomic units where the configuration gives it."""
    given = {q.name: (getattr(configuration.label_noise, q.noise_key), q.per_au) for q in QUANTITIES}
    return {name: None if value is None else value / per_au for name, (value, per_au) in given.items()}


def mean_of_gap_weights(samples: tuple[Samples, ...]) -> float:
    values = torch.cat([inverse_square_gap(group.energies, _GAP_WIDTH) for group in samples])
    return float(torch.nanmean(values))
