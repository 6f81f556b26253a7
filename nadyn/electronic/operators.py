"""Operators of a model, and what they are between its eigenvectors."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.blocks import in_blocks
from nadyn.models.model import HasOperators


def operator_at(
    model: HasOperators, name: str, positions: Float[Tensor, "traj atom x"]
) -> Float[Tensor, "traj basis basis *xyz"]:
    """Return an operator without any derivative; a row does not depend on its batch."""

    def block(positions: Tensor) -> tuple[Tensor]:
        with torch.no_grad():
            return (model.operator(name, positions),)

    return in_blocks(model.block_width, block, positions)[0]


def between_states(
    operator: Float[Tensor, "traj basis basis *xyz"], eigenvectors: Float[Tensor, "traj basis state"]
) -> Float[Tensor, "traj state state *xyz"]:
    """Return u_k · O · u_l."""
    # Products and sums in a fixed order: a batched matrix product would round a row by its place.
    extra = (None,) * (operator.ndim - 3)
    right = (operator[:, :, :, None] * eigenvectors[:, None, :, :, *extra]).sum(dim=2)
    return (eigenvectors[:, :, :, None, *extra] * right[:, :, None]).sum(dim=1)


def of_states(
    operator: Float[Tensor, "traj basis basis *xyz"], eigenvectors: Float[Tensor, "traj basis state"]
) -> Float[Tensor, "traj state *xyz"]:
    """Return u_k · O · u_k."""
    states = torch.arange(eigenvectors.shape[2])
    return between_states(operator, eigenvectors)[:, states, states]
