"""Tully's models against the formulas of the paper, written out again."""

import math

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import active_surface, surfaces
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


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 0.3, 3.0, 30.0, 800.0])
@pytest.mark.parametrize("variant", [1, 2, 3])
def test_slopes_written_out_have_every_bit_of_those_by_a_graph(variant, scale):
    model, generator = tully(variant), torch.Generator().manual_seed(5)
    x = scale * torch.randn(2048, 1, 1, generator=generator, dtype=torch.float64)
    x[0], x[1] = 0.0, -0.0
    vectors = torch.randn(2048, 2, generator=generator, dtype=torch.float64)
    vectors[:400, 0], vectors[400:800, 1] = 0.0, -0.0
    cotangent = vectors[:, :, None] * vectors[:, None, :]
    inputs = x.clone().requires_grad_(True)
    expected = model.evaluate(inputs).hamiltonian
    (slope,) = torch.autograd.grad(expected, inputs, cotangent)
    evaluation, pull_back = model.evaluate_once(x)
    for one, two in ((evaluation.hamiltonian, expected.detach()), (pull_back(cotangent), slope)):
        # Of zeros too: they have signs.
        assert torch.equal(one.contiguous().view(torch.int64), two.contiguous().view(torch.int64))


def test_short_blocks_have_the_bits_of_long_ones():
    model = tully(1)
    positions = 3.0 * torch.randn(3000, 1, 1, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    states = torch.randint(2, (3000,), generator=torch.Generator().manual_seed(7))
    whole = active_surface(model, positions, states)
    for first, n in ((0, 1), (10, 63), (100, 64), (200, 65), (300, 1000), (1900, 1100)):
        part = active_surface(model, positions[first : first + n], states[first : first + n])
        assert torch.equal(part.energies, whole.energies[first : first + n])
        assert torch.equal(part.eigenvectors, whole.eigenvectors[first : first + n])
        assert torch.equal(part.force, whole.force[first : first + n])
