"""The two lowest surfaces of ammonia as a model: analytic diabatic energies and a coupling that changes sign.

Surfaces: Z. H. Li, R. Valero and D. G. Truhlar, Theor. Chem. Acc. 118, 9 (2007), as `NH3_GEN_FFW2_2007_DPEM`
of the package chempotpy (Apache-2.0). It is no dependency of nadyn. To call it, in an environment with nadyn:

    python -m pip install --no-deps chempotpy==1.0.7 "mkl<2024" "numpy<2"
    export LD_LIBRARY_PATH=<folder of libmkl_core.so.2>:<folder of libgfortran.so.5>

libgfortran.so.5 is in Debian's package libgfortran5; MKL of pip lies in the `lib` folder of the environment.
"""

import contextlib
import importlib
import io
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.structures import masses
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, HARTREE_PER_EV

SURFACE = "NH3_GEN_FFW2_2007_DPEM"
_SYMBOLS = ("N", "H", "H", "H")
_GRADIENT_UNIT = HARTREE_PER_EV * ANGSTROM_PER_BOHR


@dataclass(frozen=True, eq=False)
class AmmoniaSurfaces:
    """W of NH3 in the basis of the diabatic states that chempotpy knows, with its analytic gradient."""

    name: ClassVar[str] = "ammonia, Li-Valero-Truhlar 2007"
    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    atomic_numbers: ClassVar[tuple[int, ...]] = (7, 1, 1, 1)
    fixed_diabatic_basis: ClassVar[bool] = True
    # A geometry at a time is evaluated, so no other row can change its numbers.
    block_width: ClassVar[int] = 32
    shortest_distances: ClassVar[None] = None

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return torch.from_numpy(masses(self.atomic_numbers))

    @property
    def starting_geometry(self) -> Float[Tensor, "atom 3"]:
        """A pyramid near the minimum of the ground state [bohr]."""
        angle = torch.arange(3, dtype=torch.float64) * (2 * torch.pi / 3)
        hydrogens = torch.stack([0.94 * torch.cos(angle), 0.94 * torch.sin(angle), -0.38 + 0 * angle], dim=1)
        return torch.cat([torch.zeros(1, 3, dtype=torch.float64), hydrogens]) * BOHR_PER_ANGSTROM

    def evaluate(self, positions: Float[Tensor, "traj atom 3"]) -> Evaluation:
        """Return W [hartree] at positions [bohr]."""
        return Evaluation(_Diabatic.apply(positions), torch.zeros_like(positions[:, 0, 0]))


class _Diabatic(torch.autograd.Function):
    @staticmethod
    def forward(context, positions: Tensor) -> Tensor:
        found = [_diabatic(one) for one in (positions.detach().numpy() * ANGSTROM_PER_BOHR).tolist()]
        matrix = torch.from_numpy(np.stack([one[0] for one in found])) * HARTREE_PER_EV
        gradient = torch.from_numpy(np.stack([one[1] for one in found])) * _GRADIENT_UNIT
        context.save_for_backward(gradient)
        return matrix

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, cotangent: Tensor) -> Tensor:
        (gradient,) = context.saved_tensors
        return (cotangent[..., None, None] * gradient).sum((1, 2))


def _diabatic(positions: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the diabatic matrix [eV] and its gradient [eV/angstrom] at one geometry [angstrom]."""
    geometry = [[name, *point] for name, point in zip(_SYMBOLS, positions, strict=True)]
    return _package().ug("NH3", SURFACE, geometry)


def _package() -> ModuleType:
    # Its first import prints a greeting.
    with contextlib.redirect_stdout(io.StringIO()):
        return importlib.import_module("chempotpy")
