"""How diabatic states change sign under exchanges is found from overlaps with exchanged geometries."""

import numpy as np
import pytest

from nadyn.electronic.diabatic import states
from nadyn.electronic.diabatic.exchanges import Exchange, exchanges_of, symmetric_rows
from nadyn.electronic.diabatic.links import Links, links_after, links_between
from nadyn.electronic.diabatic.states import ExchangedOverlaps, Overlaps, diabatic_states
from nadyn.models.matrix.basis import parse_basis
from nadyn.units import BOHR_PER_ANGSTROM

ETHYLENE = (6, 6, 1, 1, 1, 1)
PLANAR = BOHR_PER_ANGSTROM * np.array(
    [[0, 0, 0.67], [0, 0, -0.67], [0, 0.92, 1.24], [0, -0.92, 1.24], [0, 0.92, -1.24], [0, -0.92, -1.24]]
)


def twisted(n, seed):
    """Return ethylene with one CH2 turned by any angle, a little distorted."""
    generator = np.random.default_rng(seed)
    positions = np.tile(PLANAR, (n, 1, 1))
    angle = np.linspace(0, 2 * np.pi, n)
    rotation = np.zeros((n, 3, 3))
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(angle)
    rotation[:, 0, 1], rotation[:, 1, 0] = -np.sin(angle), np.sin(angle)
    rotation[:, 2, 2] = 1.0
    positions[:, 2:4] = positions[:, 2:4] @ rotation
    return positions + 0.05 * generator.standard_normal(positions.shape)


def normal(positions, carbon, one, two):
    return np.cross(positions[:, one] - positions[:, carbon], positions[:, two] - positions[:, carbon])


def matrix_of(positions):
    """Return a matrix with the signs of that of ethylene: one covalent state and two ionic ones."""
    first, second = normal(positions, 0, 2, 3), normal(positions, 1, 4, 5)
    along = positions[:, 0] - positions[:, 1]
    matrix = np.zeros((len(positions), 3, 3))
    matrix[:, [0, 1, 2], [0, 1, 2]] = [0.0, 0.25, 0.3]
    matrix[:, 0, 2] = 0.02 * (first * second).sum(1)
    matrix[:, 1, 2] = 0.3 * ((first * along).sum(1) ** 2 - (second * along).sum(1) ** 2) / 100
    matrix[:, 0, 1] = 0.02 * matrix[:, 0, 2] * matrix[:, 1, 2]
    return matrix + np.triu(matrix, 1).swapaxes(1, 2)


def found(n=300, seed=1, of=matrix_of):
    positions = twisted(n, seed)
    generator = np.random.default_rng(seed)
    energies, vectors = np.linalg.eigh(of(positions))
    vectors = vectors * generator.choice([-1.0, 1.0], size=(n, 1, 3))
    links = links_between(positions)
    between = vectors[links.first].swapaxes(1, 2) @ vectors[links.second]
    states = diabatic_states(links, Overlaps(between, between), energies)

    def exchanged(links, order):
        # What the wave functions of an exchanged molecule are: those at its place, up to the signs of rows.
        signs = np.diag([(-1.0) ** odd for odd in _odd(order)])
        turned = signs @ vectors
        between = vectors[links.first].swapaxes(1, 2) @ turned[links.second]
        return Overlaps(between, between)

    exchanges = exchanges_of(ETHYLENE, PLANAR)
    return positions, energies, states, symmetric_rows(states, positions, energies, exchanges, exchanged)


def _odd(order):
    """Tell which rows of `matrix_of` are odd under an order of the atoms."""
    covalent = (order[2:4] == [3, 2]) != (order[4:6] == [5, 4])
    return (covalent, order[:2] == [1, 0], False)


def test_the_exchanges_of_ethylene_are_those_of_its_groups_and_its_halves():
    words = [exchange.in_words(ETHYLENE) for exchange in exchanges_of(ETHYLENE, PLANAR)]
    assert words == ["[H1,H2]", "[H3,H4]", "[C1,C2;H1,H3;H2,H4]"]


def test_three_of_a_kind_have_none_and_water_has_one():
    water = BOHR_PER_ANGSTROM * np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    assert exchanges_of((8, 1, 1), water) == (Exchange(((1, 2),)),)
    methane = BOHR_PER_ANGSTROM * np.array(
        [[0, 0, 0], [0.63, 0.63, 0.63], [-0.63, -0.63, 0.63], [-0.63, 0.63, -0.63], [0.63, -0.63, -0.63]]
    )
    assert exchanges_of((6, 1, 1, 1, 1), methane) == ()


def test_formaldehyde_has_that_of_its_hydrogens():
    positions = BOHR_PER_ANGSTROM * np.array([[0, 0, 1.2], [0, 0, 0], [0, 0.94, -0.59], [0, -0.94, -0.59]])
    (exchange,) = exchanges_of((8, 6, 1, 1), positions)
    assert exchange == Exchange(((2, 3),))
    assert exchange.order(4) == [0, 1, 3, 2]
    assert exchange.in_words((8, 6, 1, 1)) == "[H1,H2]"


def test_the_model_matrix_has_the_signs_that_it_is_meant_to_have():
    positions = twisted(20, 3)
    for exchange in exchanges_of(ETHYLENE, PLANAR):
        order = exchange.order(6)
        signs = (-1.0) ** np.array(_odd(order))
        there = matrix_of(positions[:, order])
        assert np.abs(there - signs[:, None] * matrix_of(positions) * signs).max() < 1e-12


def test_rows_and_their_exchanges_are_found_whatever_the_rotation():
    _, energies, states, rows = found()
    assert rows.basis(ETHYLENE) == "1x0e[H1,H2][H3,H4] + 1x0e[C1,C2;H1,H3;H2,H4] + 1x0e"
    vectors = rows.rotation @ states.vectors
    matrix = (vectors * energies[:, None, :]) @ vectors.swapaxes(1, 2)
    # Covalent and ionic states, and not mixtures of them: these elements are constants of the model.
    assert np.abs(matrix[:, 0, 0]).max() < 1e-4
    assert matrix[:, 1, 1] == pytest.approx(0.25, abs=1e-4)
    assert matrix[:, 2, 2] == pytest.approx(0.3, abs=1e-4)


def test_states_that_change_no_sign_have_no_exchanges():
    def even(positions):
        matrix = matrix_of(positions)
        matrix[:, 0, 1:] = np.abs(matrix[:, 0, 1:])
        matrix[:, 1:, 0] = np.abs(matrix[:, 1:, 0])
        return matrix

    positions = twisted(300, 2)
    energies, vectors = np.linalg.eigh(even(positions))
    links = links_between(positions)
    between = vectors[links.first].swapaxes(1, 2) @ vectors[links.second]
    states = diabatic_states(links, Overlaps(between, between), energies)

    def exchanged(links, order):
        _, there = np.linalg.eigh(even(positions[:, order]))
        between = vectors[links.first].swapaxes(1, 2) @ there[links.second]
        return Overlaps(between, between)

    rows = symmetric_rows(states, positions, energies, exchanges_of(ETHYLENE, PLANAR)[:2], exchanged)
    assert rows is None or rows.exchanges == ()


def test_links_that_disagree_give_no_rows():
    positions, energies, states, _ = found()

    def exchanged(links, order):
        generator = np.random.default_rng(0)
        turns = np.linalg.qr(generator.standard_normal((len(links), 3, 3)))[0]
        return Overlaps(turns, turns)

    exchanges = exchanges_of(ETHYLENE, PLANAR)
    assert symmetric_rows(states, positions, energies, exchanges, exchanged) is None


def test_a_latent_basis_reads_what_is_written():
    words = found()[3].basis(ETHYLENE)
    assert str(parse_basis(words)) == words


def test_exchanged_geometries_give_signs_to_a_region_that_weak_and_wrong_links_join():
    positions = twisted(300, 1)
    energies, vectors = np.linalg.eigh(matrix_of(positions))
    links = links_between(positions)
    between = vectors[links.first].swapaxes(1, 2) @ vectors[links.second]
    # The second half of the turn is the first with two hydrogens exchanged; the plain links get a sign wrong.
    there = np.arange(300) >= 150
    across = there[links.first] != there[links.second]
    flipped = vectors[links.first].swapaxes(1, 2) @ np.diag([-1.0, 1, 1]) @ vectors[links.second]
    between[across] = 0.1 * flipped[across]
    plain = Overlaps(between, between)
    lowest = int(np.argmin(energies[:, 0]))

    def contradicting(states):
        matrix = (states.vectors * energies[:, None, :]) @ states.vectors.swapaxes(1, 2)
        right = matrix_of(positions)
        large = np.abs(right[:, 0, 2]) > 0.05
        return (np.sign(matrix[:, 0, 2]) != np.sign(right[:, 0, 2]))[large].mean()

    first = vectors[lowest]
    assert contradicting(diabatic_states(links, plain, energies, first=first)) > 0.3
    exchanged = []
    for exchange in exchanges_of(ETHYLENE, PLANAR)[:2]:
        order = exchange.order(6)
        after = links_after(positions, order, 4)
        _, others = np.linalg.eigh(matrix_of(positions[:, order]))
        # Wave functions of the exchanged molecule are those of its geometry, with signs of their own.
        signs = np.array([-1.0, 1.0, 1.0])
        turned = signs[:, None] * vectors
        assert np.allclose(np.abs(np.einsum("nak,nak->nk", others, turned)), 1.0)
        moved = vectors[after.first].swapaxes(1, 2) @ turned[after.second]
        exchanged.append(ExchangedOverlaps(after, moved, signs))
    states = diabatic_states(links, plain, energies, first=first, exchanged=exchanged)
    assert contradicting(states) < 0.02
    # Not known is what the wrong links touch.
    assert states.known.mean() > 0.5


def test_a_link_to_an_exchanged_geometry_speaks_in_both_directions():
    generator = np.random.default_rng(4)
    here, turn = np.linalg.qr(generator.standard_normal((2, 3, 3)))[0]
    signs = np.array([-1.0, 1.0, 1.0])
    both = np.stack([here, signs[:, None] * here @ turn])
    link = states._moved(Links(np.array([0]), np.array([1]), np.array([0.1])), 0.9 * turn[None], signs)
    assert np.allclose(link.there(both)[0], both[1], atol=1e-12)
    assert np.allclose(link.back(both)[0], here, atol=1e-12)
