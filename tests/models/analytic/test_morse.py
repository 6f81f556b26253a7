"""Photodissociation on Morse curves."""

import math

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.models.analytic import morse

# D, β, R_e, c of the three states, and A, α, R of the couplings, Chem. Phys. Lett. 349, 521 (2001), table 1.
PAPER = {
    1: (
        [(0.003, 0.65, 5.0, 0.00), (0.004, 0.60, 4.0, 0.01), (0.003, 0.65, 6.0, 0.006)],
        {(0, 1): (0.002, 16.0, 3.40), (1, 2): (0.002, 16.0, 4.80)},
    ),
    2: (
        [(0.020, 0.65, 4.5, 0.00), (0.010, 0.40, 4.0, 0.01), (0.003, 0.65, 4.4, 0.02)],
        {(0, 1): (0.005, 32.0, 3.66), (0, 2): (0.005, 32.0, 3.34)},
    ),
    3: (
        [(0.020, 0.40, 4.0, 0.02), (0.020, 0.65, 4.5, 0.00), (0.003, 0.65, 6.0, 0.02)],
        {(0, 1): (0.005, 32.0, 3.40), (0, 2): (0.005, 32.0, 4.97)},
    ),
}


@pytest.mark.parametrize("variant", [1, 2, 3])
def test_the_elements_are_those_of_the_paper(variant):
    curves, couplings = PAPER[variant]
    distances = [2.1, 3.3, 3.45, 4.9, 11.0]
    hamiltonian = morse(variant).evaluate(torch.tensor(distances, dtype=torch.float64)[:, None, None])
    for matrix, r in zip(hamiltonian.hamiltonian, distances, strict=True):
        expected = torch.zeros(3, 3, dtype=torch.float64)
        for a, (depth, steepness, place, shift) in enumerate(curves):
            expected[a, a] = depth * (1 - math.exp(-steepness * (r - place))) ** 2 + shift
        for (a, b), (size, narrowness, place) in couplings.items():
            expected[a, b] = expected[b, a] = size * math.exp(-narrowness * (r - place) ** 2)
        torch.testing.assert_close(matrix, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("variant", [1, 2, 3])
def test_the_couplings_stand_where_the_curves_cross(variant):
    for (a, b), (_, _, place) in PAPER[variant][1].items():
        around = torch.tensor([place - 0.08, place + 0.08], dtype=torch.float64)[:, None, None]
        matrix = morse(variant).evaluate(around).hamiltonian
        difference = matrix[:, a, a] - matrix[:, b, b]
        assert float(difference[0] * difference[1]) < 0.0


@pytest.mark.parametrize("variant", [0, 4, "1", True])
def test_another_variant_is_refused(variant, unchecked_annotations):
    with pytest.raises(InputError, match="must be 1, 2 or 3"):
        morse(variant)
