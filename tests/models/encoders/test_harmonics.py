"""Real harmonics beyond the third rank."""

import numpy as np
import pytest
import torch

from nadyn.models.encoders.angular import unit_harmonics
from nadyn.models.encoders.harmonics import harmonics


def _unit_vectors(seed, dtype=torch.float64):
    vectors = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return vectors / vectors.norm(dim=0)


def test_the_product_of_two_directions_is_the_legendre_polynomial_of_the_angle():
    first, second = _unit_vectors(1), _unit_vectors(2)
    cosine = (first * second).sum(0).numpy()
    pairs = zip(harmonics(first, 7), harmonics(second, 7), strict=True)
    for rank, (one, other) in enumerate(pairs, start=1):
        assert one.shape == (2 * rank + 1, 5, 7)
        legendre = np.polynomial.legendre.Legendre.basis(rank)(cosine)
        np.testing.assert_allclose((one * other).sum(0).numpy(), legendre, rtol=0, atol=1e-13)


@pytest.mark.parametrize("highest", [2, 3])
def test_the_first_ranks_are_those_of_the_other_encoders(highest):
    unit = _unit_vectors(3, torch.float32)
    found = harmonics(unit, highest)
    assert len(found) == highest
    assert all(torch.equal(a, b) for a, b in zip(found, unit_harmonics(unit), strict=False))
