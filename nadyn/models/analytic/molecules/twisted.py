"""cis-X₂Y₂ in an A₁ and an A₂ state, which cross; only a twist couples them."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.analytic.molecules.atom_sums import distance, ligand_vector, triple_product
from nadyn.models.analytic.molecules.springs import spring, two_length_spring
from nadyn.models.analytic.molecules.symmetric_molecule import SymmetricMolecule, two_by_two

_XX, _XY, _ANGLE = 2.40, 1.95, math.radians(112.0)  # bohr, bohr, X-X-Y
_STIFFNESS_XX, _STIFFNESS_XY, _STIFFNESS_YY = 0.45, 0.30, 0.05  # hartree/bohr²
_TENSION = 0.25  # bohr
_REACH = 3.0  # bohr
_GAP, _GAP_XX, _GAP_XY = 0.006, -0.100, 0.030  # hartree, hartree/bohr
_COUPLING = 0.012  # hartree/bohr³


def twisted() -> SymmetricMolecule:
    """Return cis-N₂H₂ with an A₁ and an A₂ state of C2v.

    W₀₀ = k_XX (r_XX - l)²/2 + Σ_XY two-length spring + k_YY (r_YY - l_YY)²/2
    W₁₁ = W₀₀ + Δ + α (r_XX - l) + β Σ_XY (r_XY - mean length)
    W₀₁ = λ (X₂ - X₁)·(A₁ × A₂),  A_i = Σ_k exp(-(r_ik/c)²) (Y_k - X_i)

    W₀₁ is a pseudoscalar: it changes sign between a geometry and its mirror image, so it is zero wherever
    the molecule is planar, and an exchange of like atoms leaves it. The two states cross 0.06 bohr of X-X
    stretch away from the reference geometry, at planar geometries: the intersection. Energies are made up.
    """
    return SymmetricMolecule("twisted", (7, 7, 1, 1), _reference(), 2, 2, _formula)


def _reference() -> Float[Tensor, "atom 3"]:
    out, up = -_XY * math.cos(_ANGLE), _XY * math.sin(_ANGLE)
    x = 0.5 * _XX
    return torch.tensor([[-x, 0, 0], [x, 0, 0], [-x - out, up, 0], [x + out, up, 0]], dtype=torch.float64)


_LONG_XY = math.hypot(_XX - _XY * math.cos(_ANGLE), _XY * math.sin(_ANGLE))
_YY = _XX - 2.0 * _XY * math.cos(_ANGLE)


def _formula(positions: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj 2 2"]:
    xx = distance(positions, 0, 1)
    xy = [distance(positions, i, k) for i in (0, 1) for k in (2, 3)]
    # Shorter than in the reference geometry: the pull between both Y keeps the molecule planar.
    energy = spring(xx, _STIFFNESS_XX, _XX) + spring(distance(positions, 2, 3), _STIFFNESS_YY, _YY - _TENSION)
    for r in xy:
        energy = energy + two_length_spring(r, _STIFFNESS_XY, _XY, _LONG_XY)
    stretch = xy[0] + xy[1] + xy[2] + xy[3] - 2.0 * (_XY + _LONG_XY)
    gap = _GAP + _GAP_XX * (xx - _XX) + _GAP_XY * stretch
    first, second = (ligand_vector(positions, centre, (2, 3), _REACH) for centre in (0, 1))
    coupling = _COUPLING * triple_product(positions[:, 1] - positions[:, 0], first, second)
    return two_by_two(energy, energy + gap, coupling)
