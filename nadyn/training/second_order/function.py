"""What an evaluation says, as functions of the weights that autograd can differentiate once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.second_order.evaluation import Evaluation
from nadyn.training.second_order.geometry import Frames
from nadyn.training.second_order.rows import Rows


@dataclass(frozen=True)
class AtomFeatures:
    """What a potential has found of all atoms; rows are those by element of `rows`."""

    descriptors: Float[Tensor, "row feature"]
    directed: Float[Tensor, "row 8 channel"]
    rows: Rows


@dataclass(frozen=True)
class Said:
    """What a potential says of frames: it can be differentiated in the weights, once.

    Attributes:
        levels: Eigenvalues of W, ascending [hartree].
        eigenvectors: The vectors u, which also say which signs the states have.
        slopes: For each molecule u_k·∂W/∂r_ij·u_l of its frames that are asked.
        features: Of the atoms, where they were wanted.
    """

    levels: Float[Tensor, "frame basis"]
    eigenvectors: Float[Tensor, "frame basis basis"]
    slopes: tuple[Float[Tensor, "pair _ _ 3 _"], ...]
    features: AtomFeatures | None


class _Said(torch.autograd.Function):
    @staticmethod
    def forward(ctx, evaluation: Evaluation, has_features: bool, *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.evaluation, ctx.parameters, ctx.n_features = evaluation, parameters, 2 * has_features
        # What was evaluated is of these weights: autograd refuses the backward pass if they have changed.
        ctx.save_for_backward(*parameters)
        ctx.set_materialize_grads(False)
        features = (evaluation.descriptors, evaluation.directed) if has_features else ()
        found = (evaluation.levels, evaluation.eigenvectors, *features, *evaluation.slopes)
        # Other tensors than those of the evaluation: an output knows its node, and the node the evaluation.
        return tuple(one.detach() for one in found)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx, of_levels: Tensor | None, of_eigenvectors: Tensor | None, *others: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors
        evaluation, moved = ctx.evaluation, None
        of_features, of_slopes = others[: ctx.n_features], others[ctx.n_features :]
        if any(one is not None for one in of_slopes):
            moved = [
                torch.zeros_like(slope) if one is None else one
                for one, slope in zip(of_slopes, evaluation.slopes, strict=True)
            ]
        found = evaluation.gradients(of_levels, moved, of_eigenvectors, *of_features)
        return None, None, *(found.get(parameter) for parameter in ctx.parameters)


def said_of(
    potential: Potential,
    asked: Sequence[Frames],
    others: Sequence[Frames],
    pairs: Sequence[tuple[int, int]],
    *,
    has_features: bool,
) -> Said:
    """Return what a potential says of frames.

    Args:
        potential: One for which `evaluation.fits` is true.
        asked: Frames whose derivatives are wanted, if there are pairs of states.
        others: Frames whose levels alone are wanted.
        pairs: Pairs of states.
        has_features: Whether descriptors, and vectors and tensors, are wanted.
    """
    with torch.no_grad():
        evaluation = Evaluation(potential, asked, others, pairs)
    found = _Said.apply(evaluation, has_features, *potential.parameters())
    levels, eigenvectors, *slopes = found
    features = None
    if has_features:
        descriptors, directed, *slopes = slopes
        features = AtomFeatures(descriptors, directed, evaluation.rows)
    return Said(levels, eigenvectors, tuple(slopes), features)
