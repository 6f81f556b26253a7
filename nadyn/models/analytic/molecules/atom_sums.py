"""Invariants of a few atoms that the formulas in this folder are made of."""

import torch
from jaxtyping import Float
from torch import Tensor


def distance(positions: Float[Tensor, "traj atom 3"], first: int, second: int) -> Float[Tensor, "traj"]:
    """Return the distance of two atoms [bohr]."""
    return torch.linalg.vector_norm(positions[:, second] - positions[:, first], dim=-1)


def dot(left: Float[Tensor, "traj 3"], right: Float[Tensor, "traj 3"]) -> Float[Tensor, "traj"]:
    """Return the scalar product."""
    return (left * right).sum(-1)


def triple_product(
    first: Float[Tensor, "traj 3"], second: Float[Tensor, "traj 3"], third: Float[Tensor, "traj 3"]
) -> Float[Tensor, "traj"]:
    """Return a·(b × c), which changes sign under reflection and under exchange of two of the vectors."""
    return dot(first, torch.linalg.cross(second, third))


def ligand_vector(
    positions: Float[Tensor, "traj atom 3"], centre: int, ligands: tuple[int, ...], reach: float
) -> Float[Tensor, "traj 3"]:
    """Return Σ_k exp(-(r_k/reach)²) r_k over the vectors from an atom to like ligands.

    All like atoms are in the sum, so that it does not change when they are exchanged; the weight prefers
    those that are bound to the centre.
    """
    vectors = positions[:, list(ligands)] - positions[:, centre : centre + 1]
    weight = torch.exp(-(vectors * vectors).sum(-1, keepdim=True) / reach**2)
    return (weight * vectors).sum(1)
