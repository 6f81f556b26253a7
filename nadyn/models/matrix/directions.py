"""Sums over the atoms of learned directions: what carries the symmetry of W and of other operators."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.encoders.angular import rank_two_matrices
from nadyn.models.surroundings import ElementSlices, Surroundings, split_elements

# Learned combinations of the encoder's vectors and tensors at each atom.
N_DIRECTIONS = 8

# kind of atom sum -> number of components
COMPONENTS = {"invariant": 1, "pseudoscalar": 1, "polar": 3, "axial": 3, "tensor": 5, "pseudotensor": 5}


def mixed(
    values: Float[Tensor, "atom traj channel component"],
    mixing: Float[Tensor, "element channel direction"],
    scale: Float[Tensor, "element channel"],
    elements: Sequence[int],
    atoms: ElementSlices,
) -> Float[Tensor, "atom traj direction component"]:
    """Return learned combinations of the vectors or tensors of each atom."""
    rows = []
    for element, own in split_elements(values, atoms, 0).items():
        index = elements.index(element)
        mix = mixing[index] * scale[index].unsqueeze(-1)
        rows.append((own.transpose(-1, -2) @ mix).transpose(-1, -2))
    return torch.cat(rows)


def sources(
    polar: Float[Tensor, "atom traj direction 3"],
    tensor: Float[Tensor, "atom traj direction 5"],
    kinds: Sequence[str],
) -> dict[str, Float[Tensor, "atom traj direction _"]]:
    """Return the directions of each kind: those of other parity are products of vectors of one atom."""
    found = {"polar": polar, "tensor": tensor}
    if {"axial", "pseudoscalar", "pseudotensor"} & set(kinds):
        found["axial"] = torch.linalg.cross(polar, polar.roll(1, dims=-2))
    if "pseudoscalar" in kinds:
        found["pseudoscalar"] = (found["axial"] * polar.roll(2, dims=-2)).sum(-1, keepdim=True)
    if "pseudotensor" in kinds:
        third = polar.roll(2, dims=-2)
        # The five components of the symmetric traceless part of a ⊗ v.
        products = found["axial"].unsqueeze(-1) * third.unsqueeze(-2)
        matrices = rank_two_matrices().to(polar)
        found["pseudotensor"] = (products.unsqueeze(-3) * matrices).sum((-1, -2))
    return found


def summed(
    coefficients: Float[Tensor, "atom traj output"],
    found: dict[str, Float[Tensor, "atom traj direction _"]],
    counts: dict[str, int],
    surroundings: Surroundings,
) -> list[Float[Tensor, "structure _"]]:
    """Return Σ_i Σ_d f_id v_id in float64 for each kind of `counts` that there is, in its order."""
    kinds = [kind for kind in counts if kind != "invariant" and counts[kind]]
    sizes = [counts[kind] * N_DIRECTIONS for kind in kinds]
    parts = []
    for kind, own in zip(kinds, torch.split(coefficients, sizes, dim=-1), strict=True):
        chosen = own.unflatten(-1, (counts[kind], N_DIRECTIONS))
        parts.append(surroundings.per_structure((chosen @ found[kind]).to(torch.float64)).flatten(1))
    return parts


@torch.no_grad()
def set_scales(
    vector_scale: Float[Tensor, "element channel"],
    tensor_scale: Float[Tensor, "element channel"],
    elements: Sequence[int],
    encoder: nn.Module,
    frames: list[Surroundings],
) -> None:
    """Set the inverse spread of vectors and tensors in these frames."""
    vectors, tensors = torch.zeros_like(vector_scale), torch.zeros_like(tensor_scale)
    count = torch.zeros(len(elements), 1)
    for surroundings in frames:
        features = encoder(surroundings)
        for element, part in surroundings.atoms:
            index = elements.index(element)
            vectors[index] += (features.vectors[part] ** 2).mean(-1).sum(dim=(0, 1))
            tensors[index] += (features.tensors[part] ** 2).mean(-1).sum(dim=(0, 1))
            count[index] += features.vectors[part].shape[0] * features.vectors.shape[1]
    for scale, total in ((vector_scale, vectors), (tensor_scale, tensors)):
        spread = (total / count.clamp(min=1.0)).sqrt()
        # Where no atom has a neighbour all directions are zero, and stay zero.
        largest = float(spread.max())
        scaled = 1.0 / spread.clamp(min=1e-3 * largest if largest > 0.0 else 1.0)
        # An element that does not occur here keeps its directions as they are.
        scale.copy_(torch.where(count > 0, scaled, 1.0))
