"""Three atoms of which one leaves: bonds and an interaction with a formula, for tests of endings."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation

NH = 1.9


@dataclass(frozen=True)
class FragmentModel:
    """N-H that vibrates, and H at a distance d from N, which is attracted by exp(-d/length) in each state.

    Attributes:
        gap: Energy of the upper asymptote above the lower one [hartree].
        lengths: Of the attraction, in each state [bohr].
        upper_bond: Length of N-H in the upper state [bohr].
        step_at: Distance at which both states fall by 0.02 hartree within a bohr; nothing is felt before.
        novelty_beyond: Distance from which geometries are outside of training.
    """

    gap: float = 0.1
    lengths: tuple[float, float] = (1.0, 1.0)
    upper_bond: float = NH
    step_at: float = torch.inf
    novelty_beyond: float = torch.inf

    name: ClassVar[str] = "fragments"
    coordinates: ClassVar[Coordinates] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS - {"permutation"}
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    atomic_numbers: ClassVar[tuple[int, ...]] = (7, 1, 1)
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 16
    shortest_distances: ClassVar[None] = None

    @property
    def masses(self) -> torch.Tensor:
        return torch.tensor([14.0, 1.0, 1.0], dtype=torch.float64) * 1822.9

    def evaluate(self, positions):
        bond, far = (torch.linalg.norm(positions[:, i] - positions[:, 0], dim=-1) for i in (1, 2))
        step = -0.02 * torch.sigmoid(8.0 * (far - self.step_at)) if self.step_at < torch.inf else 0.0 * far
        levels = []
        for k, (offset, length) in enumerate(((0.0, NH), (self.gap, self.upper_bond))):
            decay = torch.exp(-far / self.lengths[k])
            levels.append(offset + 0.2 * (bond - length) ** 2 - decay + 20.0 * decay**3 + step)
        return Evaluation(
            torch.diag_embed(torch.stack(levels, dim=1)), (far.detach() > self.novelty_beyond).double()
        )


def leaving(distances, speeds=None):
    """Return positions and momenta in which the second hydrogen is so far away and leaves [bohr, au]."""
    n = len(distances)
    positions = torch.zeros(n, 3, 3, dtype=torch.float64)
    positions[:, 1, 1] = NH
    positions[:, 2, 0] = torch.tensor(distances, dtype=torch.float64)
    momenta = torch.zeros_like(positions)
    momenta[:, 2, 0] = torch.tensor([10.0] * n if speeds is None else speeds, dtype=torch.float64)
    momenta[:, 0, 0] = -momenta[:, 2, 0]
    return positions, momenta
