"""Levels and slopes as functions of the weights that autograd can differentiate once."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.second_order.evaluation import Evaluation
from nadyn.training.second_order.geometry import Frames


class _LevelsAndSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, evaluation: Evaluation, *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.evaluation, ctx.parameters = evaluation, parameters
        # What was evaluated is of these weights: autograd refuses the backward pass if they have changed.
        ctx.save_for_backward(*parameters)
        ctx.set_materialize_grads(False)
        # Other tensors than those of the evaluation: an output knows its node, and the node the evaluation.
        return tuple(one.detach() for one in (evaluation.levels, *evaluation.slopes))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, of_levels: Tensor | None, *of_slopes: Tensor | None) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors
        evaluation = ctx.evaluation
        moved = None
        if any(one is not None for one in of_slopes):
            moved = [
                torch.zeros_like(slope) if one is None else one
                for one, slope in zip(of_slopes, evaluation.slopes, strict=True)
            ]
        found = evaluation.gradients(of_levels, moved)
        return None, *(found.get(parameter) for parameter in ctx.parameters)


def levels_and_slopes(
    potential: Potential, asked: Sequence[Frames], others: Sequence[Frames], pairs: Sequence[tuple[int, int]]
) -> tuple[
    Float[Tensor, "frame basis"],
    tuple[Float[Tensor, "pair _ _ 3 _"], ...],
    Float[Tensor, "frame basis basis"],
]:
    """Return the levels of all frames, and for each molecule u_k·∂W/∂r_ij·u_l of its frames that are asked.

    Both can be differentiated in the weights, once. The third are the vectors u, without a graph: they say
    which signs the states have.
    """
    with torch.no_grad():
        evaluation = Evaluation(potential, asked, others, pairs)
    levels, *slopes = _LevelsAndSlopes.apply(evaluation, *potential.parameters())
    return levels, tuple(slopes), evaluation.eigenvectors
