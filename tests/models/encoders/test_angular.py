"""Spherical harmonics as polynomials of a unit vector."""

import math

import numpy as np
import torch

from nadyn.models.encoders.angular import rank_two_matrices, unit_harmonics

RANKS = (slice(0, 1), slice(1, 4), slice(4, 9), slice(9, 16))


def harmonics(unit):
    """Rank 0 to 3 of each row side by side."""
    return torch.cat([torch.ones_like(unit[:, :1]), *(rank.T for rank in unit_harmonics(unit.T))], dim=1)


def _unit_vectors(n, seed):
    vectors = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return vectors / vectors.norm(dim=-1, keepdim=True)


def _sphere():
    """Points and weights that integrate polynomials up to degree 9 exactly; the weights sum to 1."""
    z, weight = np.polynomial.legendre.leggauss(6)
    phi = np.arange(12) * (2 * math.pi / 12)
    rho = np.sqrt(1 - z**2)
    points = np.stack(
        [np.outer(rho, np.cos(phi)), np.outer(rho, np.sin(phi)), np.outer(z, np.ones(12))], axis=-1
    )
    return torch.from_numpy(points.reshape(-1, 3)), torch.from_numpy(np.repeat(weight / 24, 12))


def test_harmonics_are_orthogonal_on_the_sphere_and_of_unit_length_a_rank():
    points, weights = _sphere()
    values = harmonics(points)
    gram = values.T @ (weights[:, None] * values)
    # The squared length of rank l is 1 at every point, shared by 2l + 1 components.
    expected = torch.cat([torch.full((2 * l + 1,), 1.0 / (2 * l + 1), dtype=torch.float64) for l in range(4)])
    torch.testing.assert_close(gram, torch.diag(expected), rtol=0, atol=1e-14)


def test_the_product_of_two_ranks_is_the_legendre_polynomial_of_the_angle():
    first, second = _unit_vectors(13, seed=1), _unit_vectors(13, seed=2)
    cosine = (first * second).sum(-1).numpy()
    products = harmonics(first) * harmonics(second)
    for l, part in enumerate(RANKS):
        legendre = np.polynomial.legendre.Legendre.basis(l)(cosine)
        np.testing.assert_allclose(products[:, part].sum(-1).numpy(), legendre, rtol=0, atol=1e-13)


def test_inversion_changes_the_sign_of_odd_ranks_only():
    unit = _unit_vectors(7, seed=3)
    here, there = harmonics(unit), harmonics(-unit)
    for l, part in enumerate(RANKS):
        assert torch.equal(there[:, part], (-1.0) ** l * here[:, part])


def test_rank_two_matrices_give_the_second_rank_and_span_the_traceless_symmetric_ones():
    unit = _unit_vectors(7, seed=4)
    matrices = rank_two_matrices()
    values = torch.einsum("tx,cxy,ty->tc", unit, matrices, unit)
    torch.testing.assert_close(values, harmonics(unit)[:, RANKS[2]])
    assert torch.equal(matrices, matrices.mT)
    assert float(matrices.diagonal(dim1=-2, dim2=-1).sum(-1).abs().max()) == 0.0
    gram = torch.einsum("cxy,dxy->cd", matrices, matrices)
    torch.testing.assert_close(gram, 1.5 * torch.eye(5, dtype=torch.float64))
