"""Vectors between states and matrices between their sublevels: what the algebra of spins demands."""

import math

import pytest
import torch

from nadyn.models.spin_states import spin_states
from nadyn.models.spin_vectors import couples, matrix_of_vectors, spin_vector_operator, vectors_of_matrix

MIXTURES = [(1, 1, 3, 3, 3), (2, 2, 4), (3, 5, 5), (1, 3, 5)]


def _total_spin(multiplicities):
    """S of all spin states, from its definition by ladder operators, state by state."""
    spins = spin_states(multiplicities)
    n = len(spins.row)
    matrices = torch.zeros(3, n, n, dtype=torch.complex128)
    for a in range(n):
        s = 0.5 * (multiplicities[int(spins.row[a])] - 1)
        for b in range(n):
            if spins.row[a] != spins.row[b]:
                continue
            m, k = float(spins.projection[a]), float(spins.projection[b])
            root = abs(s * (s + 1) - m * k) ** 0.5
            if m == k:
                matrices[2, a, b] = m
            if m == k + 1:
                matrices[0, a, b], matrices[1, a, b] = 0.5 * root, -0.5j * root
            if m == k - 1:
                matrices[0, a, b], matrices[1, a, b] = 0.5 * root, 0.5j * root
    return matrices


def _vectors(multiplicities, n=None):
    shape = (len(multiplicities), len(multiplicities), 3)
    shape = shape if n is None else (n, *shape)
    v = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    v = v - v.transpose(-3, -2)
    allowed = torch.tensor([[couples(a, b) for b in multiplicities] for a in multiplicities])
    return v * allowed[:, :, None]


@pytest.mark.parametrize("multiplicities", MIXTURES)
def test_between_spins_stands_a_vector_operator(multiplicities):
    """[S_x, K_y] = i K_z in all orders, between all rows: the law that defines a vector."""
    spin, k = _total_spin(multiplicities), spin_vector_operator(multiplicities).movedim(-1, 0)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        # Of rows that are apart, K mixes them all alike: spin acts on each side.
        commutator = spin[a] @ k[b] - k[b] @ spin[a]
        torch.testing.assert_close(commutator, 1j * k[c], rtol=0, atol=1e-14)
        torch.testing.assert_close(spin[a] @ k[a], k[a] @ spin[a], rtol=0, atol=1e-14)
        torch.testing.assert_close(k[a], k[a].mH, rtol=0, atol=1e-15)


@pytest.mark.parametrize("multiplicities", MIXTURES)
def test_the_matrix_is_hermitian_and_unchanged_by_time_reversal(multiplicities):
    matrix = matrix_of_vectors(_vectors(multiplicities), multiplicities)
    torch.testing.assert_close(matrix, matrix.mH, rtol=0, atol=1e-14)
    spins = spin_states(multiplicities)
    n = len(spins.row)
    reversal = torch.zeros(n, n, dtype=torch.complex128)
    for a in range(n):
        s = 0.5 * (multiplicities[int(spins.row[a])] - 1)
        mirror = (spins.row == spins.row[a]) & (spins.projection == -spins.projection[a])
        reversal[int(torch.nonzero(mirror)[0]), a] = (-1.0) ** round(s - float(spins.projection[a]))
    torch.testing.assert_close(reversal @ matrix.conj() @ reversal.mT, matrix, rtol=0, atol=1e-14)


@pytest.mark.parametrize("multiplicities", MIXTURES)
def test_turned_vectors_are_a_turned_axis_of_the_spins(multiplicities):
    v, angle = _vectors(multiplicities), 0.7
    c, s = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)
    of_spins = torch.matrix_exp(-1j * angle * _total_spin(multiplicities)[1])
    turned = matrix_of_vectors(v @ turn.T, multiplicities)
    expected = of_spins @ matrix_of_vectors(v, multiplicities) @ of_spins.mH
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("multiplicities", MIXTURES)
def test_vectors_come_back_from_the_matrix(multiplicities):
    v = _vectors(multiplicities, 4)
    matrix = matrix_of_vectors(v, multiplicities)
    assert float(matrix.abs().max()) > 0.1
    torch.testing.assert_close(vectors_of_matrix(matrix, multiplicities), v, rtol=0, atol=1e-14)
    # What is no spin-orbit coupling, such as one between real functions that is real, is not found.
    n = matrix.shape[-1]
    torch.testing.assert_close(
        vectors_of_matrix(matrix + torch.eye(n), multiplicities), v, rtol=0, atol=1e-14
    )


def test_of_a_singlet_and_a_triplet_three_numbers_stand_at_known_places():
    """<S|H|T_0> = i v_z and <S|H|T_±1> = ∓i (v_x ± i v_y)/√2."""
    x, y, z = 0.3, -0.7, 1.9
    v = torch.zeros(2, 2, 3, dtype=torch.float64)
    v[0, 1] = torch.tensor([x, y, z], dtype=torch.float64)
    v[1, 0] = -v[0, 1]
    found = matrix_of_vectors(v, (1, 3))[0, 1:]
    root = 0.5**0.5
    # |T_-1> = (T_x - i T_y)/√2 and |T_1> = -(T_x + i T_y)/√2, and <S|H|T_q> = i v_q.
    expected = torch.tensor([root * (1j * x + y), 1j * z, -root * (1j * x - y)], dtype=torch.complex128)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
    assert not couples(1, 1) and not couples(1, 5) and couples(3, 3) and couples(2, 2) and couples(3, 1)
