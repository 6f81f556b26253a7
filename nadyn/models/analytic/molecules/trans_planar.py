"""trans-X₂Y₂Z₂ in an Ag and a Bg state of C2h, which cross; only an out-of-plane bg motion couples them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.analytic.molecules.atom_sums import distance, ligand_vector, triple_product
from nadyn.models.analytic.molecules.springs import spring, two_length_spring
from nadyn.models.analytic.molecules.symmetric_molecule import SymmetricMolecule, two_by_two

_XX, _XY, _XZ = 2.87, 2.28, 2.10  # bohr
_XXY, _XXZ = math.radians(121.0), math.radians(115.0)
_STIFFNESS_XX, _STIFFNESS_XY, _STIFFNESS_XZ = 0.30, 0.40, 0.30  # hartree/bohr²
_STIFFNESS_YY, _STIFFNESS_ZZ, _STIFFNESS_YZ = 0.03, 0.02, 0.08  # hartree/bohr²
_WAG, _TORSION = 0.004, 0.002  # hartree/bohr⁶
_REACH = 3.5  # bohr
_GAP, _GAP_XX, _GAP_XY = 0.015, -0.060, 0.080  # hartree, hartree/bohr
_COUPLING = 0.006  # hartree/bohr³


def trans_planar() -> SymmetricMolecule:
    """Return trans-C₂O₂H₂ with an Ag and a Bg state of C2h.

    W₀₀ is a sum of springs between all pairs of atoms and of squares of out-of-plane angles, and

    W₁₁ = W₀₀ + Δ + α (r_XX - l) + β Σ_XY (r_XY - mean length)
    W₀₁ = λ (T₁ - T₂),  T_i = (X_j - X_i)·(A_iʸ × A_iᶻ),  A_iʸ = Σ_k exp(-(r_ik/c)²) (Y_k - X_i)

    T_i says how far the ligands of atom X_i leave its plane, and on which side. T₁ - T₂ changes sign under
    reflection and under exchange of both X, so not under both together, which is the inversion: at every
    geometry with the mirror plane or the twofold axis of C2h it is zero. The two states cross near the
    reference geometry. Six atoms, because with four a planar trans molecule has no bg vibration. The
    energies are made up.
    """
    return SymmetricMolecule("trans_planar", (6, 6, 8, 8, 1, 1), _reference(), 2, 2, _formula)


def _reference() -> Float[Tensor, "atom 3"]:
    x = 0.5 * _XX
    y = [x - _XY * math.cos(_XXY), _XY * math.sin(_XXY), 0.0]
    z = [x - _XZ * math.cos(_XXZ), -_XZ * math.sin(_XXZ), 0.0]
    right = torch.tensor([[x, 0.0, 0.0], y, z], dtype=torch.float64)
    return torch.stack([right, -right], dim=1).flatten(0, 1)


def _lengths() -> dict[tuple[int, int], float]:
    at = _reference()
    return {(i, j): float((at[j] - at[i]).norm()) for i in range(6) for j in range(i + 1, 6)}


_REFERENCE_LENGTHS = _lengths()


def _formula(positions: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj 2 2"]:
    lengths = _REFERENCE_LENGTHS
    r = {pair: distance(positions, *pair) for pair in lengths}
    energy = spring(r[0, 1], _STIFFNESS_XX, _XX)
    energy = energy + spring(r[2, 3], _STIFFNESS_YY, lengths[2, 3])
    energy = energy + spring(r[4, 5], _STIFFNESS_ZZ, lengths[4, 5])
    for (i, j), stiffness in (((0, 2), _STIFFNESS_XY), ((0, 4), _STIFFNESS_XZ), ((2, 4), _STIFFNESS_YZ)):
        short, long = sorted((lengths[i, j], lengths[i, j + 1]))
        for pair in ((i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1)):
            energy = energy + two_length_spring(r[pair], stiffness, short, long)
    y1, y2, z1, z2 = (ligand_vector(positions, i, k, _REACH) for k in ((2, 3), (4, 5)) for i in (0, 1))
    bond = positions[:, 1] - positions[:, 0]
    t1, t2 = triple_product(bond, y1, z1), triple_product(-bond, y2, z2)
    torsion = triple_product(bond, y1, y2)
    energy = energy + _WAG * (t1 * t1 + t2 * t2) + _TORSION * torsion * torsion
    xy = r[0, 2] + r[0, 3] + r[1, 2] + r[1, 3] - 2.0 * (lengths[0, 2] + lengths[0, 3])
    gap = _GAP + _GAP_XX * (r[0, 1] - _XX) + _GAP_XY * xy
    return two_by_two(energy, energy + gap, _COUPLING * (t1 - t2))
