"""The E⊗e Jahn-Teller problem."""

import math

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import surfaces
from nadyn.models.analytic import jahn_teller_modes


def _energies(model, radius, angles):
    angles = torch.tensor(angles, dtype=torch.float64)
    positions = radius * torch.stack([angles.cos(), angles.sin()], dim=1)[:, :, None]
    return surfaces(model, positions).energies


def test_the_linear_problem_has_a_mexican_hat():
    radius = 1.7
    energies = _energies(jahn_teller_modes(0.01, -0.02, 0.0), radius, [0.0, 0.9, 2.0, 4.4])
    common = 0.005 * radius**2
    torch.testing.assert_close(energies[:, 0], torch.full((4,), common - 0.02 * radius).double())
    torch.testing.assert_close(energies[:, 1], torch.full((4,), common + 0.02 * radius).double())


def test_the_quadratic_term_leaves_a_threefold_axis_with_three_minima():
    model = jahn_teller_modes(0.01, 0.02, 0.003)
    third = 2 * math.pi / 3
    angles = [0.4, 0.4 + third, 0.4 + 2 * third, -0.4]
    energies = _energies(model, 1.1, angles)
    torch.testing.assert_close(energies, energies[:1].expand(4, -1), rtol=1e-12, atol=1e-16)
    # Along the axes W is diagonal: the minima lie κ²/(2(ω - |g|)) deep, the saddles κ²/(2(ω + |g|)).
    minimum = _energies(model, 0.02 / 0.007, [0.0])[0, 0]
    saddle = _energies(model, 0.02 / 0.013, [math.pi])[0, 0]
    assert float(minimum) == pytest.approx(-(0.02**2) / (2 * 0.007), rel=1e-12)
    assert float(saddle) == pytest.approx(-(0.02**2) / (2 * 0.013), rel=1e-12)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((0.0, 0.02, 0.0), "`frequency_au` of model jahn_teller_modes must be a positive number"),
        ((0.01, float("inf"), 0.0), "`linear_au` of model jahn_teller_modes must be a finite number"),
        ((0.01, 0.02, -0.01), "must be a positive number, but is 0.0"),
    ],
)
def test_numbers_without_a_bound_ground_state_are_refused(numbers, sentence):
    with pytest.raises(InputError, match=sentence):
        jahn_teller_modes(*numbers)
