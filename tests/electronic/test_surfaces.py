"""From W to energies, forces and couplings, with a basis larger than the number of states."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import check_positions, in_blocks, surfaces
from nadyn.models.analytic import pyrazine, springs
from nadyn.models.model import Evaluation


@dataclass(frozen=True)
class FourLevels:
    """W = A + B x + C y on two coordinates, four rows, the lower two of which are states."""

    parts: torch.Tensor = field(
        default_factory=lambda: torch.randn(
            3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
    )
    masses: torch.Tensor = field(default_factory=lambda: torch.ones(2, dtype=torch.float64))

    name: ClassVar[str] = "four-levels"
    coordinates: ClassVar[str] = "generalised"
    laws: ClassVar[frozenset] = frozenset()
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 4
    atomic_numbers: ClassVar[None] = None
    fixed_diabatic_basis: ClassVar[bool] = False
    block_width: ClassVar[int] = 8
    shortest_distances: ClassVar[None] = None

    def evaluate(self, positions):
        symmetric = self.parts + self.parts.mT
        hamiltonian = symmetric[0] + (positions[:, :, :, None] * symmetric[1:]).sum(1)
        return Evaluation(hamiltonian, torch.zeros_like(positions[:, 0, 0]))


def _positions(n):
    return torch.randn(n, 2, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def test_the_lowest_eigenvalues_are_the_states_and_the_next_one_is_the_surplus():
    model, positions = FourLevels(), _positions(5)
    result = surfaces(model, positions)
    every = torch.linalg.eigvalsh(model.evaluate(positions).hamiltonian)
    torch.testing.assert_close(result.energies, every[:, :2])
    torch.testing.assert_close(result.surplus_gap, every[:, 2] - every[:, 1])
    assert result.eigenvectors.shape == (5, 4, 2)


def test_without_a_surplus_its_gap_is_infinite():
    result = surfaces(pyrazine(4), torch.zeros(1, 4, 1, dtype=torch.float64))
    assert result.surplus_gap.tolist() == [float("inf")]


def test_couplings_follow_their_definitions():
    model, positions = FourLevels(), _positions(5)
    result = surfaces(model, positions)
    derivative = (model.parts + model.parts.mT)[1:]
    u = result.eigenvectors
    h = torch.einsum("tak,nab,tbl->tkln", u, derivative, u)[..., None]
    torch.testing.assert_close(result.interstate_coupling, h)
    for state in range(2):
        torch.testing.assert_close(result.forces[:, state], -h[:, state, state])
    gap = result.energies[:, 1] - result.energies[:, 0]
    torch.testing.assert_close(result.nac[:, 0, 1], h[:, 0, 1] / gap[:, None, None])
    torch.testing.assert_close(result.nac[:, 1, 0], -result.nac[:, 0, 1])
    assert bool((result.nac[:, 0, 0] == 0).all())


def test_blocks_are_filled_up_and_the_filling_is_cut_off():
    seen = []

    def double(rows):
        seen.append(len(rows))
        return 2 * rows, rows[:, 0] + 1

    rows = torch.arange(38, dtype=torch.float64).reshape(19, 2)
    doubled, first = in_blocks(8, double, rows)
    assert seen == [8, 8, 8]
    assert torch.equal(doubled, 2 * rows)
    assert torch.equal(first, rows[:, 0] + 1)


@pytest.mark.parametrize(
    ("positions", "sentence"),
    [
        (torch.zeros(4, 1).double(), r"shape \(n_traj, 4, 1\), but has shape \(4, 1\). .*positions\[None\]"),
        (torch.zeros(5, 4, 3).double(), r"shape \(n_traj, 4, 1\), but has shape \(5, 4, 3\)"),
        (torch.zeros(5, 2, 1).double(), r"shape \(n_traj, 4, 1\), but has shape \(5, 2, 1\)"),
        (torch.zeros(0, 4, 1).double(), r"but has shape \(0, 4, 1\)"),
        (torch.zeros(5, 4, 1), r"must be float64, but is torch.float32"),
    ],
)
def test_positions_that_do_not_fit_are_refused_in_one_sentence(positions, sentence):
    with pytest.raises(InputError, match=sentence):
        check_positions(pyrazine(4), positions)


def test_a_cartesian_model_wants_three_components():
    one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    model = springs(
        torch.eye(2, 3, dtype=torch.float64), (1, 1), constant=one[0, 0], stiffness=one, lengths=one
    )
    with pytest.raises(InputError, match=r"shape \(n_traj, 2, 3\), but has shape \(5, 2, 1\)"):
        check_positions(model, torch.zeros(5, 2, 1, dtype=torch.float64))
