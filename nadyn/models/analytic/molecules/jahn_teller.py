"""X₃ in an E' state: a Jahn-Teller intersection at every equilateral triangle."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.analytic.molecules.atom_sums import distance
from nadyn.models.analytic.molecules.symmetric_molecule import SymmetricMolecule, two_by_two

# [bohr, 1/bohr, hartree/bohr², hartree/bohr, hartree/bohr², 1/bohr]
_LENGTH, _DECAY, _STIFFNESS, _LINEAR, _QUADRATIC, _BREATHING = 5.4, 0.45, 0.040, 0.016, 0.006, 0.15


def jahn_teller() -> SymmetricMolecule:
    """Return Li₃ with two states that are the E' pair of every equilateral triangle.

    W = Σ_p D (1 - exp(-a(r_p - l)))² 1 + e^(-b s) [(k Q₁ + g (Q₁² - Q₂²)) σ_z + (k Q₂ - 2 g Q₁ Q₂) σ_x]

    over the three distances r_p, with y_p = (1 - exp(-a(r_p - l)))/a, Q₁ = (2 y₁₂ - y₂₃ - y₃₁)/√6,
    Q₂ = (y₂₃ - y₃₁)/√2 and s the mean of y. An exchange of atoms turns (Q₁, Q₂) and the two diabatic states
    alike. The lower surface is a trough around the intersection with three minima; the seam is a line, the
    equilateral triangles of every size, and the branching plane is the plane of the two distortions.
    Energies in hartree, made up, of the size of a cluster of alkali atoms.

    Source: I. B. Bersuker, The Jahn-Teller Effect (2006), chapter 3.1, the linear and quadratic E⊗e problem.
    """
    angles = torch.arange(3, dtype=torch.float64) * (2.0 * math.pi / 3.0)
    corners = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], dim=1)
    return SymmetricMolecule("jahn_teller", (3, 3, 3), corners * (_LENGTH / math.sqrt(3.0)), 2, 2, _formula)


def _formula(positions: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj 2 2"]:
    y12, y23, y31 = (
        (1.0 - torch.exp(-_DECAY * (distance(positions, i, j) - _LENGTH))) / _DECAY
        for i, j in ((0, 1), (1, 2), (2, 0))
    )
    q1, q2 = (2.0 * y12 - y23 - y31) / math.sqrt(6.0), (y23 - y31) / math.sqrt(2.0)
    mean = 0.5 * _STIFFNESS * (y12 * y12 + y23 * y23 + y31 * y31)
    size = torch.exp(-_BREATHING * (y12 + y23 + y31) / 3.0)
    difference = size * (_LINEAR * q1 + _QUADRATIC * (q1 * q1 - q2 * q2))
    coupling = size * (_LINEAR * q2 - 2.0 * _QUADRATIC * q1 * q2)
    return two_by_two(mean + difference, mean - difference, coupling)
