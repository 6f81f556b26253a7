"""A conical intersection in two coordinates."""

import math

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import surfaces
from nadyn.models.analytic import conical_intersection


def test_the_elements_are_those_of_the_paper():
    x, y, gamma = 2.3, -0.7, 0.06
    position = torch.tensor([[[x], [y]]], dtype=torch.float64)
    matrix = conical_intersection(gamma).evaluate(position).hamiltonian[0]
    coupling = gamma * y * math.exp(-3.0 * (x - 3) ** 2 - 1.5 * y * y)
    expected = torch.tensor(
        [
            [0.01 * (x - 4) ** 2 + 0.05 * y * y, coupling],
            [coupling, 0.01 * (x - 3) ** 2 + 0.05 * y * y + 0.01],
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(matrix, expected, rtol=1e-12, atol=1e-16)


def test_the_states_meet_at_3_and_the_gap_opens_linearly_around():
    steps = torch.tensor([[0.0, 0.0], [1e-4, 0.0], [0.0, 1e-4], [2e-4, 0.0], [0.0, 2e-4]])
    positions = torch.tensor([3.0, 0.0], dtype=torch.float64) + steps.double()
    energies = surfaces(conical_intersection(0.04), positions[:, :, None]).energies
    gaps = energies[:, 1] - energies[:, 0]
    # Along X the diabatic energies part with K_X (X_1 - X_2), along Y the coupling grows with γ.
    expected = torch.tensor([0.0, 0.02e-4, 0.08e-4, 0.04e-4, 0.16e-4], dtype=torch.float64)
    torch.testing.assert_close(gaps, expected, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("coupling", [float("nan"), "0.04", True, None])
def test_a_coupling_that_is_no_number_is_refused(coupling, unchecked_annotations):
    with pytest.raises(InputError, match="`coupling_au` of model conical_intersection must be a finite"):
        conical_intersection(coupling)
