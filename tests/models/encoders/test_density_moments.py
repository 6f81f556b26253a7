"""Density moments against sums over neighbours and triples written out in NumPy."""

import itertools

import numpy as np
import pytest
import torch
from surroundings import free_atoms

from nadyn.models.encoders.density_moments import DensityMoments, MomentsSettings

NUMBERS = (8, 1, 6, 1, 8)
ELEMENTS = (1, 6, 8)
SETTINGS = MomentsSettings(ELEMENTS, cutoff=5.0, shortest=1.5, n_radial=4, n_channels=2)
POSITIONS = np.array(
    [[0.0, 0.1, 0.0], [1.7, 0.3, -0.4], [-0.6, 2.2, 0.5], [-1.1, -1.0, 1.2], [2.9, 2.6, 1.4]]
)


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return DensityMoments(SETTINGS).double().requires_grad_(False)


@pytest.fixture(scope="module")
def blocks(encoder):
    """The encoder's invariants by kind: (row, …), and the atom of each row."""
    surroundings, order = free_atoms(NUMBERS, torch.from_numpy(POSITIONS)[None], SETTINGS.cutoff)
    features = encoder(surroundings)
    n, k = SETTINGS.n_channels, len(ELEMENTS) * SETTINGS.n_radial
    upper = n * (n + 1) // 2
    widths = [k, upper, upper, upper, n * n, n * n]
    names = ["scalars", "rank 1", "rank 2", "rank 3", "vtv", "ttt"]
    parts = features.invariants[:, 0].split(widths, dim=-1)
    return dict(zip(names, (part.numpy() for part in parts), strict=True)), order.tolist(), features


def _radial(encoder, r):
    """Gaussians in exp(-r/λ) times the quintic that ends with zero value, slope and curvature."""
    cutoff = SETTINGS.cutoff
    scale = cutoff / 3.0
    low, high = np.exp(-cutoff / scale), np.exp(-SETTINGS.shortest / scale)
    # The encoder keeps its centres in single precision.
    centres = np.linspace(low, high, SETTINGS.n_radial).astype(np.float32).astype(np.float64)
    width = (high - low) / (SETTINGS.n_radial - 1)
    x = r / cutoff
    cut = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5 if x < 1 else 0.0
    return np.exp(-0.5 * ((np.exp(-r / scale) - centres) / width) ** 2) * cut


def _neighbours(encoder, i):
    """For each neighbour of atom i its unit vector and its radial numbers by rank, channel."""
    mixing = encoder.mixing[ELEMENTS.index(NUMBERS[i])].numpy()
    result = []
    for j in range(len(NUMBERS)):
        if j == i:
            continue
        r = POSITIONS[j] - POSITIONS[i]
        length = np.linalg.norm(r)
        row = np.zeros(len(ELEMENTS) * SETTINGS.n_radial)
        start = ELEMENTS.index(NUMBERS[j]) * SETTINGS.n_radial
        row[start : start + SETTINGS.n_radial] = _radial(encoder, length)
        result.append((r / length, row, [row @ mixing[rank] for rank in range(3)]))
    return result


def test_scalars_are_neighbour_sums_a_radial_function_and_element(encoder, blocks):
    parts, order, _ = blocks
    for row, i in enumerate(order):
        expected = sum(radial for _, radial, _ in _neighbours(encoder, i))
        np.testing.assert_allclose(parts["scalars"][row], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_products_of_equal_rank_are_sums_over_pairs_of_neighbours_with_legendre_polynomials(
    encoder, blocks, rank
):
    parts, order, _ = blocks
    legendre = np.polynomial.legendre.Legendre.basis(rank)
    channels = list(itertools.combinations_with_replacement(range(SETTINGS.n_channels), 2))
    for row, i in enumerate(order):
        neighbours = _neighbours(encoder, i)
        for column, (a, b) in enumerate(channels):
            total = 0.0
            for unit_j, _, mixed_j in neighbours:
                for unit_k, _, mixed_k in neighbours:
                    total += mixed_j[rank - 1][a] * mixed_k[rank - 1][b] * legendre(unit_j @ unit_k)
            np.testing.assert_allclose(parts[f"rank {rank}"][row, column], total, rtol=1e-6, atol=1e-9)


def test_four_body_numbers_are_sums_over_triples_of_neighbours(encoder, blocks):
    parts, order, _ = blocks
    n = SETTINGS.n_channels
    for row, i in enumerate(order):
        neighbours = _neighbours(encoder, i)
        vtv, ttt = np.zeros((n, n)), np.zeros((n, n))
        for (u, _, gu), (v, _, gv), (w, _, gw) in itertools.product(neighbours, repeat=3):
            # u·(3/2)(ww - 1/3)·v and the trace of three such tensors, in cosines alone.
            uv, vw, wu = u @ v, v @ w, w @ u
            one = 1.5 * (wu * vw - uv / 3)
            trace = 1.5**3 * (uv * vw * wu - (uv**2 + vw**2 + wu**2) / 3 + 3 / 9 - 3 / 27)
            for a, b in itertools.product(range(n), repeat=2):
                vtv[a, b] += gu[0][a] * gv[0][a] * gw[1][b] * one
                ttt[a, b] += gu[1][a] * gv[1][a] * gw[1][b] * trace
        np.testing.assert_allclose(parts["vtv"][row], vtv.ravel(), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(parts["ttt"][row], ttt.ravel(), rtol=1e-6, atol=1e-9)


def test_vectors_and_tensors_are_the_mixed_sums_of_directions(encoder, blocks):
    _, order, features = blocks
    for row, i in enumerate(order):
        vectors = sum(np.outer(mixed[0], unit) for unit, _, mixed in _neighbours(encoder, i))
        np.testing.assert_allclose(features.vectors[row, 0].numpy(), vectors, rtol=1e-6, atol=1e-9)
        lengths = sum((features.tensors[row, 0, a] ** 2).sum().item() for a in range(SETTINGS.n_channels))
        pairs = sum(
            mj[1] @ mk[1] * (1.5 * (uj @ uk) ** 2 - 0.5)
            for uj, _, mj in _neighbours(encoder, i)
            for uk, _, mk in _neighbours(encoder, i)
        )
        assert lengths == pytest.approx(pairs, rel=1e-6)
