"""Rows that change sign under exchanges of like atoms: their string, their group, their matrix."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.models.matrix.basis import parse_basis
from nadyn.models.matrix.exchange_group import exchange_group
from nadyn.models.matrix.numbered_atoms import pair_functions, pair_slopes
from nadyn.models.model_file import load_model, save_model

ETHYLENE = (6, 6, 1, 1, 1, 1)
BASIS = "1x0e[H1,H2][H3,H4] + 1x0e[C1,C2;H1,H3;H2,H4] + 1x0e"
# What stands in each place after [H1,H2], [H3,H4] and the exchange of both halves, with the signs of rows.
EXCHANGES = [
    ([0, 1, 3, 2, 4, 5], [-1, 1, 1]),
    ([0, 1, 2, 3, 5, 4], [-1, 1, 1]),
    ([1, 0, 4, 5, 2, 3], [1, -1, 1]),
    ([1, 0, 5, 4, 2, 3], [-1, -1, 1]),
    ([0, 1, 3, 2, 5, 4], [1, 1, 1]),
]


def ethylene(n, seed=0):
    """Bent and twisted ethylene [bohr]."""
    generator = np.random.default_rng(seed)
    planar = np.array(
        [[1.26, 0, 0], [-1.26, 0, 0], [2.33, 1.76, 0], [2.33, -1.76, 0], [-2.33, 1.76, 0], [-2.33, -1.76, 0]]
    )
    return torch.from_numpy(planar + 0.4 * generator.standard_normal((n, 6, 3)))


def model(basis=BASIS, numbers=ETHYLENE, **settings):
    return untrained("moments", basis, n_states=3, atomic_numbers=numbers, cutoff=9.0, **settings).double()


def test_a_basis_of_rows_that_change_sign_is_read_and_written():
    basis = parse_basis(" 1x0e[H1, H2][H3,H4]+1x0e [C1,C2; H1,H3;H2,H4] + 0e")
    assert str(basis) == BASIS
    assert basis.size == 3
    assert basis.exchanges == ("H1,H2", "H3,H4", "C1,C2;H1,H3;H2,H4")
    assert parse_basis(str(basis)) == basis
    assert str(parse_basis("2x0e[H1,H2] + 1x0e")) == "1x0e[H1,H2] + 1x0e[H1,H2] + 1x0e"
    assert not basis.couples(0, 1)
    assert parse_basis("2x0e[H1,H2] + 1x0e").couples(0, 1)
    assert parse_basis("3x0e").odd == ()


@pytest.mark.parametrize(
    "text, words",
    [
        ("1x0e[H1,H2] + 1x1o", "scalars 0e"),
        ("1x0e[H1,H2]] + 1x0e", "must be a sum like"),
        ("1x0e[H1] + 1x0e", "pairs of like atoms"),
        ("1x0e[H1,H7] + 1x0e", "names H7"),
        ("1x0e[H1,C1] + 1x0e", "two like atoms"),
        ("1x0e[H1,H1] + 1x0e", "two like atoms"),
        ("1x0e[H1,H2;H2,H3] + 1x0e", "each of them once"),
        # H1 and H3 change places by three exchanges that are odd in the first row.
        ("1x0e[H1,H2][H2,H3] + 1x0e[H1,H3] + 1x0e", "contradict each other"),
    ],
)
def test_a_basis_that_no_molecule_can_have_is_refused(text, words):
    with pytest.raises(InputError, match=words.replace("[", r"\[")):
        exchange_group(parse_basis(text), (1, 1, 1, 1, 6, 6))


def test_products_of_exchanges_are_a_group_with_signs():
    group = exchange_group(parse_basis(BASIS), (1, 1, 1, 1, 6, 6))
    orders = {tuple(order): signs for order, signs in zip(group.orders.tolist(), group.signs, strict=True)}
    assert len(orders) == 8
    assert group.orders[0].tolist() == list(range(6))
    for one, sign_one in orders.items():
        for two, sign_two in orders.items():
            product = tuple(one[place] for place in two)
            assert np.array_equal(orders[product], sign_one * sign_two)


@pytest.mark.parametrize("order, signs", EXCHANGES)
def test_the_matrix_changes_its_signs_and_nothing_else(order, signs):
    own = model()
    positions = ethylene(5)
    before, after = own.evaluate(positions), own.evaluate(positions[:, order])
    sign = torch.tensor(signs, dtype=torch.float64)
    expected = sign[:, None] * before.hamiltonian * sign
    torch.testing.assert_close(after.hamiltonian, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(after.novelty, before.novelty)
    # Off the diagonal there is something to change.
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert before.hamiltonian[:, a, b].abs().max() > 1e-6


def test_elements_are_zero_where_an_exchange_leaves_the_molecule_as_it_is():
    planar = ethylene(1)
    planar[0, 3], planar[0, 5] = (
        planar[0, 2] * torch.tensor([1, -1, 1]),
        planar[0, 4] * torch.tensor([1, -1, 1]),
    )
    planar[0, :2, 1:] = 0.0
    planar[0, 2:, 2] = torch.tensor([0.6, 0.6, -0.2, -0.2], dtype=torch.float64)
    # A mirror that exchanges H1 with H2 and H3 with H4 at once leaves all rows; one alone does not.
    w = model().evaluate(planar).hamiltonian[0]
    assert w[0, 2].abs() > 1e-6
    # Turned by a quarter, H1 and H2 are mirror images while H3 and H4 lie in the mirror.
    twisted = planar.clone()
    twisted[0, 4:, 1], twisted[0, 4:, 2] = 0.0, torch.tensor([1.7, -1.7], dtype=torch.float64)
    twisted[0, 2:4, 2] = 0.0
    w = model().evaluate(twisted).hamiltonian[0]
    assert w[0, 2].abs() < 1e-14
    assert w[0, 1].abs() < 1e-14
    assert w[1, 2].abs() > 1e-6


def test_turns_mirrors_and_moves_change_nothing():
    own, positions = model(), ethylene(4)
    turn = torch.linalg.qr(
        torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    )[0]
    for rotation in (turn, -turn):
        moved = positions @ rotation + 3.0
        torch.testing.assert_close(
            own.evaluate(moved).hamiltonian, own.evaluate(positions).hamiltonian, rtol=0, atol=1e-12
        )
    assert own.laws == {"rotation", "reflection", "translation"}


def test_slopes_of_pair_functions_are_those_of_differences():
    distances = torch.linspace(0.8, 9.6, 60, dtype=torch.float64)
    step = 1e-5
    numeric = (pair_functions(distances + step, 9.0) - pair_functions(distances - step, 9.0)) / (2 * step)
    torch.testing.assert_close(pair_slopes(distances, 9.0), numeric, rtol=1e-6, atol=1e-9)
    assert not pair_functions(torch.tensor([9.0, 12.0]), 9.0).any()


def test_a_row_has_the_bits_that_it_has_alone_and_derivatives_are_those_of_differences():
    own = model()
    positions = ethylene(3).requires_grad_(True)
    w = own.evaluate(positions).hamiltonian
    (slope,) = torch.autograd.grad(w[:, 0, 2].sum(), positions)
    step = 1e-5
    moved = positions.detach().clone()
    moved[0, 3, 1] += step
    up = own.evaluate(moved).hamiltonian[0, 0, 2]
    moved[0, 3, 1] -= 2 * step
    down = own.evaluate(moved).hamiltonian[0, 0, 2]
    assert float(slope[0, 3, 1]) == pytest.approx(float(up - down) / (2 * step), rel=1e-5)


def test_a_file_keeps_it_and_it_serves_no_other_molecule(tmp_path):
    own = model()
    path = tmp_path / "model.safetensors"
    save_model(own, path)
    again = load_model(path).double()
    positions = ethylene(2)
    assert torch.equal(again.evaluate(positions).hamiltonian, own.evaluate(positions).hamiltonian)
    assert again.potential.settings.numbers == (1, 1, 1, 1, 6, 6)
    with pytest.raises(InputError, match="C2H4 alone"):
        own.for_atoms((6, 1, 1, 1, 1))
    cell = 30.0 * torch.eye(3, dtype=torch.float64)
    with pytest.raises(InputError, match="in a cell"):
        own.for_atoms(ETHYLENE, cell=cell, pbc=(True, True, True))


def test_another_order_of_the_atoms_is_another_numbering():
    """H1 is the first hydrogen of a molecule, whatever stands between."""
    own, positions = model(), ethylene(3)
    order = [2, 0, 3, 4, 1, 5]
    other = replace(own, atomic_numbers=tuple(ETHYLENE[i] for i in order))
    assert torch.equal(other.evaluate(positions[:, order]).hamiltonian, own.evaluate(positions).hamiltonian)


def test_kernels_beside_the_network_say_what_torch_says(monkeypatch):
    own, positions = model(), ethylene(9)
    assert own.evaluation.endswith("numbered atoms by torch")
    found = own.evaluate_once(positions)
    if found is None:
        pytest.skip("no kernels for this processor")
    fast, pull_back = found
    cotangent = torch.randn(9, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    leaf = positions.clone().requires_grad_(True)
    graph = own.evaluate(leaf).hamiltonian
    (by_graph,) = torch.autograd.grad(graph, leaf, cotangent)
    monkeypatch.setenv("NADYN_FAST_PATH", "0")
    again = positions.clone().requires_grad_(True)
    slow = model().evaluate(again)
    (slope,) = torch.autograd.grad(slow.hamiltonian, again, cotangent)
    for one in (fast.hamiltonian, graph.detach()):
        torch.testing.assert_close(one, slow.hamiltonian.detach(), rtol=0, atol=1e-10)
    for one in (pull_back(cotangent), by_graph):
        torch.testing.assert_close(one, slope, rtol=0, atol=1e-10)


def test_tensors_lie_in_memory_as_processes_that_train_together_share_them():
    potential = model().potential
    for tensor in (*potential.parameters(), *potential.buffers()):
        assert tensor.is_contiguous()
