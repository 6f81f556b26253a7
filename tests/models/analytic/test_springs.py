"""Molecules of springs."""

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.models.analytic import springs


def test_the_energy_is_that_of_the_stretched_springs():
    # O-H 2 bohr, O-H 3 bohr at a right angle: H-H is √13 bohr.
    positions = torch.tensor([[0.0, 0, 0], [2, 0, 0], [0, 3, 0]], dtype=torch.float64)
    constant = torch.tensor([[-0.5]], dtype=torch.float64)
    stiffness = torch.tensor([[[[0.2, 0.7], [0.7, 0.0]]]], dtype=torch.float64)
    lengths = torch.tensor([[[[3.0, 1.8], [1.8, 0.0]]]], dtype=torch.float64)
    model = springs(positions, (8, 1, 1), constant=constant, stiffness=stiffness, lengths=lengths)
    expected = -0.5 + 0.35 * (0.2**2 + 1.2**2) + 0.1 * (13**0.5 - 3) ** 2
    assert float(model.evaluate(positions[None]).hamiltonian) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", ["constant", "stiffness", "lengths"])
def test_an_array_that_is_not_symmetric_is_refused(name):
    positions = torch.eye(2, 3, dtype=torch.float64)
    arrays = {
        "constant": torch.zeros(2, 2, dtype=torch.float64),
        "stiffness": torch.ones(2, 2, 1, 1, dtype=torch.float64),
        "lengths": torch.ones(2, 2, 1, 1, dtype=torch.float64),
    }
    arrays[name][0, 1] = 7.0
    with pytest.raises(InputError, match=f"`{name}` must be symmetric"):
        springs(positions, (1, 1), **arrays)
