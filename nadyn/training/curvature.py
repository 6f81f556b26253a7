"""How curved the loss is at the weights of a model: the leading eigenvalues of its Hessian, by Lanczos."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.long_range import as_learned_by
from nadyn.training.losses import NoiseScales, residuals, total_loss
from nadyn.training.predictions import Pairs, label_pairs, predict_together
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import Samples, samples_together

# Frames of a loss, drawn from all.
MOST_FRAMES = 64
# Length of a step in the weights, relative to their norm: the gradient is differentiated by central
# differences in float64.
_STEP = 1e-5
_TOLERANCE = 1e-3
_MOST_PRODUCTS = 300


@dataclass(frozen=True)
class Curvature:
    """Leading eigenvalues of the Hessian of the loss.

    Attributes:
        eigenvalues: The largest ones, descending; they are pure numbers per squared weight.
        loss: The loss itself.
        n_frames: Frames that the loss is a mean over.
        n_weights: Number of weights.
        n_products: How many products of the Hessian with a vector it took.
    """

    eigenvalues: tuple[float, ...]
    loss: float
    n_frames: int
    n_weights: int
    n_products: int


def curvature(model: LearnedModel, dataset: Dataset, *, n: int = 5, seed: int = 1) -> Curvature:
    """Return the largest eigenvalues of the Hessian of the loss in the weights.

    The loss is that of the training (weights of quantities and bound on outliers as in the model's
    configuration, defaults where a file does not say), with σ_q² fixed at the mean square residual of these
    frames: so models of different accuracy are compared by their shape, not by their scale. Products H v are
    central differences of the gradient in float64; scipy's Lanczos iteration does the rest.

    Source: B. Ghorbani, S. Krishnan and Y. Xiao, Proc. Mach. Learn. Res. 97, 2232 (2019).

    Args:
        model: A learned model.
        dataset: Labelled frames; at most `MOST_FRAMES` of them are drawn.
        n: How many eigenvalues.
        seed: Of the draw, and of the first vector.

    Raises:
        InputError: The data has another number of states or elements that the model does not know, or the
            weights are fewer than the eigenvalues asked for.
    """
    potential = model.double().potential.requires_grad_(True)
    batch, pairs = _frames(model, dataset, seed)
    loss = _Loss(potential, batch, pairs, _configuration(model))
    weights = loss.weights()
    if n >= len(weights) - 1:
        raise InputError(f"`n` must be below the {len(weights)} weights of the model, but is {n}.")
    step = _STEP * float(np.linalg.norm(weights))
    products = 0

    def product(vector: Float[np.ndarray, "weight"]) -> Float[np.ndarray, "weight"]:
        nonlocal products
        products += 1
        length = float(np.linalg.norm(vector))
        moved = vector.ravel() * (step / length)
        ahead, behind = loss.gradient(weights + moved), loss.gradient(weights - moved)
        return (ahead - behind) * (length / (2.0 * step))

    operator = LinearOperator((len(weights), len(weights)), matvec=product, dtype=np.float64)
    start = np.random.default_rng(seed).standard_normal(len(weights))
    try:
        found = eigsh(
            operator,
            k=n,
            which="LA",
            v0=start,
            tol=_TOLERANCE,
            maxiter=_MOST_PRODUCTS // (n + 5),
            ncv=min(len(weights), 2 * n + 5),
            return_eigenvectors=False,
        )
    except ArpackNoConvergence as failure:
        found = failure.eigenvalues
    return Curvature(
        tuple(sorted((float(value) for value in found), reverse=True)),
        loss.value(weights),
        sum(map(len, batch)),
        len(weights),
        products,
    )


def _frames(model: LearnedModel, dataset: Dataset, seed: int) -> tuple[tuple[Samples, ...], Pairs]:
    """Return at most `MOST_FRAMES` frames, of each molecule its share."""
    n_states = {group.energies.shape[1] for group in dataset.groups}
    if n_states != {model.n_states}:
        raise InputError(
            f"the data must have the {model.n_states} states of the model, but has {min(n_states)}."
        )
    samples = samples_together(dataset.groups, tuple(model.potential.heads))
    total = sum(map(len, samples))
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for group in samples:
        share = max(1, min(len(group), round(MOST_FRAMES * len(group) / total)))
        chosen.append(group.take(torch.randperm(len(group), generator=generator)[:share].sort().values))
    return as_learned_by(model.potential, tuple(chosen)), label_pairs(samples, model.n_states)


def _configuration(model: LearnedModel) -> TrainingConfiguration:
    stored = model.trained_on.get("configuration")
    keys = ("weights", "outlier_sigmas")
    return TrainingConfiguration(**{key: stored[key] for key in keys if stored and key in stored})


class _Loss:
    """The loss of some frames as a function of all weights in one vector."""

    def __init__(
        self,
        potential: Potential,
        batch: tuple[Samples, ...],
        pairs: Pairs,
        configuration: TrainingConfiguration,
    ):
        self.potential, self.batch, self.pairs = potential, batch, pairs
        self.parameters = [one for one in potential.parameters() if one.requires_grad]
        self.settings = {
            "weights": configuration.weights.model_dump(),
            "outlier_sigmas": {one.name: configuration.outlier_sigmas for one in QUANTITIES},
        }
        now = residuals(predict_together(potential, batch, pairs), batch)
        self.noise = {
            name: max(float(values.detach().nanmean()), 1e-300) ** 0.5 for name, values in now.items()
        }

    def weights(self) -> Float[np.ndarray, "weight"]:
        """Return the weights as they are."""
        return torch.cat([one.detach().flatten() for one in self.parameters]).numpy().copy()

    def value(self, weights: Float[np.ndarray, "weight"]) -> float:
        """Return the loss."""
        return float(self._at(weights).detach())

    def gradient(self, weights: Float[np.ndarray, "weight"]) -> Float[np.ndarray, "weight"]:
        """Return its gradient."""
        slopes = torch.autograd.grad(self._at(weights), self.parameters, allow_unused=True)
        rows = [
            torch.zeros_like(one).flatten() if slope is None else slope.flatten()
            for one, slope in zip(self.parameters, slopes, strict=True)
        ]
        return torch.cat(rows).numpy()

    def _at(self, weights: Float[np.ndarray, "weight"]) -> torch.Tensor:
        position = 0
        with torch.no_grad():
            for one in self.parameters:
                part = torch.from_numpy(weights[position : position + one.numel()])
                one.copy_(part.reshape(one.shape))
                position += one.numel()
        values = residuals(predict_together(self.potential, self.batch, self.pairs), self.batch)
        return total_loss(values, NoiseScales(dict(self.noise)), **self.settings)
