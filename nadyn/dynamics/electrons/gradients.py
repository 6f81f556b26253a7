"""Forces of single states and couplings of pairs, where a hop is attempted or a correction asks for them."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State
from nadyn.electronic.surfaces import directional_gradient
from nadyn.models.model import Model


def forces_and_couplings(
    state: State, model: Model, rows: Int[Tensor, "hop"], target: Int[Tensor, "hop"]
) -> tuple[Float[Tensor, "hop atom x"], Float[Tensor, "hop atom x"]]:
    """Return the force of the target states, and the coupling h of each with the active state [hartree/bohr].

    Args:
        state: The batch.
        model: Its model.
        rows: Rows of the batch that attempt a hop.
        target: Where to.
    """
    positions, vectors = state.positions[rows], state.eigenvectors[rows]
    u_active, u_target = vectors_of(vectors, state.active_state[rows]), vectors_of(vectors, target)
    # Force and coupling come from one evaluation: the rows are there twice, with other eigenvectors.
    gradients = directional_gradient(
        model,
        torch.cat([positions, positions]),
        torch.cat([u_target, u_active]),
        torch.cat([u_target, u_target]),
    )
    return -gradients[: len(rows)], gradients[len(rows) :]


def vectors_of(
    eigenvectors: Float[Tensor, "traj basis state"], states: Int[Tensor, "traj"]
) -> Float[Tensor, "traj basis"]:
    """Return the eigenvector of one state a trajectory."""
    return eigenvectors.gather(2, states[:, None, None].expand(-1, eigenvectors.shape[1], 1))[:, :, 0]


def all_forces(
    model: Model, positions: Float[Tensor, "traj atom x"], eigenvectors: Float[Tensor, "traj basis state"]
) -> Float[Tensor, "traj state atom x"]:
    """Return the forces of all states [hartree/bohr], by one backward pass each."""
    states = [eigenvectors[:, :, k] for k in range(eigenvectors.shape[2])]
    return torch.stack([-directional_gradient(model, positions, u, u) for u in states], dim=1)
