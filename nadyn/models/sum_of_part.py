"""The energy of some atoms together with its derivative, so that nothing is computed twice or kept."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.surroundings import Surroundings, lengths

EnergyOf = Callable[[Surroundings], tuple[Tensor, Tensor]]


def sum_of_part(
    energy: EnergyOf, surroundings: Surroundings
) -> tuple[Float[Tensor, "structure"], Float[Tensor, "structure"]]:
    """Return the energy and the novelty of some atoms; the energy can be differentiated in their vectors.

    The derivative is computed right away, while what it needs is still in the cache, and all that is kept is
    one vector a pair. A second derivative is computed anew from the vectors.

    Args:
        energy: Sums over the atoms of each structure, in which every atom has a part of its own, and novelty.
        surroundings: Of these atoms.
    """
    return _SumOfPart.apply(surroundings.vectors, surroundings, energy)


class _SumOfPart(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        vectors: Tensor,
        surroundings: Surroundings,
        energy: EnergyOf,
    ) -> tuple[Tensor, Tensor]:
        ctx.surroundings, ctx.energy = surroundings, energy
        if not vectors.requires_grad:
            return energy(_at(surroundings, vectors))
        with torch.enable_grad():
            inputs = vectors.detach().requires_grad_(True)
            total, novelty = energy(_at(surroundings, inputs))
        (slope,) = torch.autograd.grad(total, inputs, torch.ones_like(total))
        ctx.save_for_backward(vectors, slope)
        ctx.mark_non_differentiable(novelty)
        return total.detach(), novelty

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, of_total: Tensor, of_novelty: Tensor
    ) -> tuple[Tensor, None, None]:
        vectors, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            total, _ = ctx.energy(_at(ctx.surroundings, vectors))
            (slope,) = torch.autograd.grad(total, vectors, of_total, create_graph=True)
            return slope, None, None
        structure = ctx.surroundings.structure
        # Of joined structures each atom belongs to one; else each has a place of its own behind the atoms.
        factor = of_total[None, :] if structure is None else of_total.index_select(0, structure)[:, None]
        return slope * factor[:, :, None, None].to(slope.dtype), None, None


def _at(surroundings: Surroundings, vectors: Tensor) -> Surroundings:
    return replace(surroundings, vectors=vectors, distances=lengths(vectors))
