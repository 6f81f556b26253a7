"""The kernels for sums over atoms, beside a network of numbered atoms that torch evaluates."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.kernels.fast_path import Cells, FastPath, PullBack, Reference
from nadyn.models.potential import Potential
from nadyn.models.surroundings import Surroundings, all_pairs


@dataclass(frozen=True)
class NumberedPath:
    """The fast path of a potential with numbered atoms.

    Attributes:
        potential: What was trained.
        sums: The path of the same without its numbered atoms.
    """

    potential: Potential
    sums: FastPath

    # Rows of the network are evaluated in blocks of one width, in which each has its own bits.
    rows_at_once: ClassVar[None] = None

    @property
    def refusal(self) -> str | None:
        """Why it is not taken, as far as the model and the machine say before anything is compiled."""
        return self.sums.refusal

    def in_words(self) -> str:
        """Say which path a model takes here, and why."""
        return f"{self.sums.in_words()}, numbered atoms by torch"

    def evaluate(
        self,
        positions: Float[Tensor, "traj atom 3"],
        cells: Cells,
        reference: Reference,
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"]] | None:
        """Return W [hartree] and the novelty, or None where the path is not taken, see `FastPath`."""
        found = self.sums.evaluate(positions, cells, self._sums)
        if found is None:
            return None
        hamiltonian, novelty = found
        return hamiltonian + self._numbered(positions), novelty

    def evaluate_once(
        self,
        positions: Float[Tensor, "traj atom 3"],
        cells: Cells,
        reference: Reference,
    ) -> tuple[Float[Tensor, "traj basis basis"], Float[Tensor, "traj"], PullBack] | None:
        """Return the same without a graph, and what gives the derivative of Σ_ab C_ab W_ab for a C."""
        found = self.sums.evaluate_once(positions, cells, self._sums)
        if found is None:
            return None
        hamiltonian, novelty, pull_back = found
        with torch.enable_grad():
            leaf = positions.detach().requires_grad_(True)
            more = self._numbered(leaf)

        def both(cotangent: Tensor) -> Tensor:
            (slope,) = torch.autograd.grad(more, leaf, cotangent, retain_graph=True)
            return pull_back(cotangent) + slope

        return hamiltonian + more.detach(), novelty, both

    def _numbered(self, positions: Tensor) -> Float[Tensor, "traj basis basis"]:
        matrix = self.potential.numbered(self._surroundings(positions))
        return self.potential.reference.scale * matrix

    def _sums(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return W without numbered atoms, and the novelty, by the networks of torch."""
        found = self.sums.potential.evaluate(self._surroundings(positions))
        return found.hamiltonian, found.novelty

    def _surroundings(self, positions: Tensor) -> Surroundings:
        cutoff = self.potential.network.cutoff
        return all_pairs(positions[:, self.sums.order], self.sums.numbers, cutoff, self.sums.precision)


def without_numbered(potential: Potential) -> Potential:
    """Return the same potential without its numbered atoms; the other parts are shared."""
    result = copy.copy(potential)
    result._modules = {name: part for name, part in potential._modules.items() if name != "numbered"}
    result.numbered = None
    return result
