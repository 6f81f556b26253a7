"""Tully's models against the formulas of the paper, written out again."""

import math

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import surfaces
from nadyn.models.analytic import tully

POINTS = [-6.5, -1.3, -0.2, 0.4, 2.7, 8.1]


def _paper(variant, x):
    """V11, V22, V12 of J. Chem. Phys. 93, 1061 (1990), equations 21, 23, 24."""
    if variant == 1:
        v11 = 0.01 * (1 - math.exp(-1.6 * x)) if x > 0 else -0.01 * (1 - math.exp(1.6 * x))
        return v11, -v11, 0.005 * math.exp(-1.0 * x * x)
    if variant == 2:
        return 0.0, -0.10 * math.exp(-0.28 * x * x) + 0.05, 0.015 * math.exp(-0.06 * x * x)
    v12 = 0.10 * math.exp(0.90 * x) if x < 0 else 0.10 * (2 - math.exp(-0.90 * x))
    return 6e-4, -6e-4, v12


@pytest.mark.parametrize("variant", [1, 2, 3])
def test_the_diabatic_elements_are_those_of_the_paper(variant):
    positions = torch.tensor(POINTS, dtype=torch.float64)[:, None, None]
    hamiltonian = tully(variant).evaluate(positions).hamiltonian
    for matrix, x in zip(hamiltonian, POINTS, strict=True):
        v11, v22, v12 = _paper(variant, x)
        expected = torch.tensor([[v11, v12], [v12, v22]], dtype=torch.float64)
        torch.testing.assert_close(matrix, expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("variant", [1, 2, 3])
def test_the_derivative_at_the_origin_is_that_of_its_neighbours(variant):
    # The formulas change at x = 0, where their slopes agree.
    positions = torch.tensor([-1e-9, 0.0, 1e-9], dtype=torch.float64)[:, None, None]
    h = surfaces(tully(variant), positions).interstate_coupling
    torch.testing.assert_close(h[1], h[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(h[1], h[2], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("variant", [0, 4, "1", True, None])
def test_another_variant_is_refused(variant, unchecked_annotations):
    with pytest.raises(InputError, match="must be 1, 2 or 3"):
        tully(variant)
