"""Eigenvectors whose derivative stays finite."""

import pytest
import torch

from nadyn.electronic.eigen import DEGENERACY_WIDTH_HARTREE, eigh
from nadyn.units import HARTREE_PER_EV


def _symmetric(n, size, seed=3):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(n, size, size, generator=generator, dtype=torch.float64)
    return matrix + matrix.mT


def _with_gap(gap):
    """Five 2x2 matrices with the same gap, turned by different angles."""
    angle = torch.linspace(0.2, 1.3, 5, dtype=torch.float64)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1).reshape(5, 2, 2)
    levels = torch.diag(torch.tensor([-0.3, -0.3 + gap], dtype=torch.float64))
    return turn @ levels @ turn.mT


def _of_energies(matrix):
    energies, _ = eigh(matrix)
    return (energies * torch.tensor([1.3, -0.7], dtype=torch.float64)).sum() + (energies**2).sum()


def _of_eigenvectors(matrix):
    """A function of the projector on the lowest state, blind to the signs of the eigenvectors."""
    _, vectors = eigh(matrix)
    projector = vectors[:, :, 0, None] * vectors[:, None, :, 0]
    weights = torch.tensor([[0.4, 0.9], [-0.2, 1.7]], dtype=torch.float64)
    return (projector * weights).sum() + (projector[:, 0, 0] ** 2).sum()


def _numeric_gradient(function, matrix, step):
    """Five-point gradient in the space of symmetric matrices."""
    gradient = torch.zeros_like(matrix)
    for t in range(len(matrix)):
        for a in range(2):
            for b in range(2):
                change = torch.zeros_like(matrix)
                change[t, a, b] += 0.5 * step
                change[t, b, a] += 0.5 * step
                values = [function(matrix + offset * change) for offset in (-2, -1, 1, 2)]
                gradient[t, a, b] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return gradient


def _gradient(function, matrix):
    matrix = matrix.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(matrix), matrix)
    return gradient


def test_eigenvectors_diagonalise_and_are_orthonormal():
    matrix = _symmetric(5, 4)
    energies, vectors = eigh(matrix)
    torch.testing.assert_close(vectors @ torch.diag_embed(energies) @ vectors.mT, matrix)
    torch.testing.assert_close(vectors.mT @ vectors, torch.eye(4, dtype=torch.float64).expand(5, 4, 4))
    assert bool((energies[:, 1:] >= energies[:, :-1]).all())


@pytest.mark.parametrize("gap_ev", [1.0, 0.1, 0.01])
def test_the_gradient_of_energies_is_exact_at_any_gap(gap_ev):
    gap = gap_ev * HARTREE_PER_EV
    matrix = _with_gap(gap)
    numeric = _numeric_gradient(_of_energies, matrix, 0.01 * gap)
    torch.testing.assert_close(_gradient(_of_energies, matrix), numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("gap_ev", [1.0, 0.1, 0.01])
def test_the_gradient_of_eigenvectors_is_damped_by_the_documented_factor(gap_ev):
    gap = gap_ev * HARTREE_PER_EV
    matrix = _with_gap(gap)
    # 1/ΔE becomes ΔE/(ΔE² + δ²), δ = 10 meV: 0.9999 at 1 eV, 0.99 at 0.1 eV, 0.5 at 0.01 eV.
    factor = gap_ev**2 / (gap_ev**2 + 0.010**2)
    numeric = _numeric_gradient(_of_eigenvectors, matrix, 0.01 * gap)
    torch.testing.assert_close(
        _gradient(_of_eigenvectors, matrix), factor * numeric, rtol=1e-6, atol=1e-6 / gap
    )


def test_the_gradient_is_finite_at_a_degeneracy_where_the_stock_one_is_not():
    matrix = torch.eye(2, dtype=torch.float64).expand(5, 2, 2).clone()
    assert bool(torch.isfinite(_gradient(_of_eigenvectors, matrix)).all())
    assert bool(torch.isfinite(_gradient(_of_energies, matrix)).all())

    def stock(matrix):
        return torch.linalg.eigh(matrix)[1][:, 0, 0].sum()

    assert not bool(torch.isfinite(_gradient(stock, matrix)).all())


def test_the_gradient_never_exceeds_its_bound():
    # ΔE/(ΔE² + δ²) is largest at ΔE = δ, where it is 1/2δ.
    bound = 1.0 / (2.0 * DEGENERACY_WIDTH_HARTREE)
    for gap in torch.logspace(-12, 0, 25, dtype=torch.float64):
        matrix = _with_gap(float(gap))
        _, vectors = eigh(matrix)
        direction = vectors[:, :, 1].detach()

        def mixing(matrix, direction=direction):
            return (eigh(matrix)[1][:, :, 0] * direction).sum()

        largest = _gradient(mixing, matrix).norm(dim=(-1, -2)).max()
        assert float(largest) <= bound * (1 + 1e-9)


def test_the_gradient_with_respect_to_a_symmetric_matrix_is_symmetric():
    gradient = _gradient(_of_eigenvectors, _with_gap(0.02))
    assert torch.equal(gradient, gradient.mT)
