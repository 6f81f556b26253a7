"""XY₂ in a Π state: two states that touch at every linear geometry, split by the square of the bend."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.analytic.molecules.atom_sums import dot
from nadyn.models.analytic.molecules.springs import spring
from nadyn.models.analytic.molecules.symmetric_molecule import SymmetricMolecule

_LENGTH = 2.25  # bohr
_STIFFNESS, _STRETCH_STRETCH = 0.20, 0.010  # hartree/bohr²
_BEND, _BEND_QUARTIC, _SPLITTING, _AXIAL = 0.060, 0.023, -0.062, 0.10  # hartree
_MIXING = 0.020  # hartree/bohr


def renner_teller() -> SymmetricMolecule:
    """Return BH₂ with a Π state: A₁ and B₁ where it is bent, one level where it is linear.

    With the unit vectors e₁, e₂ from X to both Y, a = e₁ - e₂ and b = e₁ + e₂, in a basis of three p
    functions on X:

    W = V 1 + c b bᵀ + D a aᵀ + m (r₁ - r₂)(a bᵀ + b aᵀ)
    V = Σ k (r - l)²/2 + k' (r₁ - l)(r₂ - l) + k_b b²/2 + q b⁴

    a and b are at right angles: normal to the molecule the energy is V, and the p function along the axis
    lies 11 eV higher; it is the surplus state. With b = 0 the two components across the axis are one level.
    The lower component has its minimum at 130°, the upper one is linear, as in BH₂; the numbers are made up.

    Source: R. Renner, Z. Phys. 92, 172 (1934); G. Herzberg, Molecular Spectra and Molecular Structure III.
    """
    geometry = torch.tensor([[0.0, 0, 0], [0, 0, _LENGTH], [0, 0, -_LENGTH]], dtype=torch.float64)
    return SymmetricMolecule("renner_teller", (5, 1, 1), geometry, 2, 3, _formula, fixed_diabatic_basis=False)


def _formula(positions: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj 3 3"]:
    first, second = positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]
    r1, r2 = torch.linalg.vector_norm(first, dim=-1), torch.linalg.vector_norm(second, dim=-1)
    e1, e2 = first / r1[:, None], second / r2[:, None]
    a, b = e1 - e2, e1 + e2
    square = dot(b, b)
    energy = spring(r1, _STIFFNESS, _LENGTH) + spring(r2, _STIFFNESS, _LENGTH)
    energy = energy + _STRETCH_STRETCH * (r1 - _LENGTH) * (r2 - _LENGTH)
    energy = energy + 0.5 * _BEND * square + _BEND_QUARTIC * square * square
    mixing = (_MIXING * (r1 - r2))[:, None, None] * (_outer(a, b) + _outer(b, a))
    result = energy[:, None, None] * torch.eye(3, dtype=positions.dtype)
    return result + _SPLITTING * _outer(b, b) + _AXIAL * _outer(a, a) + mixing


def _outer(left: Tensor, right: Tensor) -> Tensor:
    return left[:, :, None] * right[:, None, :]
