"""Spin-orbit coupling in the latent basis: an axial vector between the rows of several spins."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.atomic_network import AtomicNetwork
from nadyn.models.encoders.features import Features
from nadyn.models.heads.operator_sums import OperatorForm, OperatorSums
from nadyn.models.matrix.basis import Basis, basis_functions
from nadyn.models.spin_vectors import couples
from nadyn.models.surroundings import Surroundings


@dataclass(frozen=True)
class SpinBlock:
    """Rows of one spin.

    Attributes:
        basis: Their latent basis.
        multiplicity: 2S + 1.
    """

    basis: Basis
    multiplicity: int


class SpinOrbitHead(nn.Module):
    """v_ab [hartree], real, antisymmetric in a b: H = i Σ_x v_x K_x between spin states.

    The operator of the orbitals is imaginary and an axial vector, as an angular momentum; between two scalars
    v is a sum of axial vectors, between a scalar and a polar vector of pseudoscalars, polar vectors and
    pseudotensors, and so on. Singlets do not couple with each other, nor spins that are two or more apart,
    nor a scalar with itself. Source of K: `nadyn.models.spin_vectors`.
    """

    def __init__(self, blocks: Sequence[SpinBlock], network: AtomicNetwork):
        """Take the rows of each spin, in their order, and the network whose features are read."""
        super().__init__()
        self.sums = OperatorSums(_form(blocks), network)
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(
        self, features: Features, surroundings: Surroundings
    ) -> Float[Tensor, "structure row row2 3"]:
        """Return v [hartree] in float64."""
        vectors, _ = self.sums(features, surroundings)
        return self.scale * vectors

    def standardise(self, network: AtomicNetwork, frames: list[Surroundings]) -> None:
        """Scale what the head reads by its spread in these frames."""
        self.sums.standardise(network, frames)


def _form(blocks: Sequence[SpinBlock]) -> OperatorForm:
    functions: list[tuple[str, int]] = []
    spins: list[int] = []
    row = 0
    for block in blocks:
        own = basis_functions(block.basis)
        functions += [(name, row + first) for name, first in own]
        spins += [block.multiplicity] * len(own)
        row += block.basis.size
    apart = {
        (a, b) for a in range(len(spins)) for b in range(a, len(spins)) if not couples(spins[a], spins[b])
    }
    return OperatorForm(tuple(functions), row, 1, pseudo=True, antisymmetric=True, apart=frozenset(apart))
