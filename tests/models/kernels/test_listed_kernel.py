"""The kernel for lists of neighbours says what the networks of torch say, in cells and of many atoms."""

import warnings
from dataclasses import replace

import pytest
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputWarning
from nadyn.data.kept_neighbors import KeptNeighbors
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import active_surface, surfaces
from nadyn.models.kernels import compiled, known, listed_path
from nadyn.models.kernels.listed_program import N_GROUPS

pytestmark = pytest.mark.skipif(compiled.host().refusal is not None, reason="no machine code here")

CELL = torch.tensor([[11.0, 0.5, 0.0], [-1.0, 12.0, 0.7], [0.3, 1.1, 10.0]], dtype=torch.float64)
ALL = (True, True, True)
# Neither sorted nor of equal numbers; of one element more than are in the networks at once.
NUMBERS = (7, 1, 9, 1, 1, 7, 1, 9, 1, 1, 1)


def positions_in(cell, n_atoms, *, n_rows=1, seed=2):
    """Atoms that are not too close, some of them out of the cell."""
    generator = torch.Generator().manual_seed(seed)
    n = round(n_atoms ** (1 / 3) + 0.5)
    grid = torch.cartesian_prod(*[torch.arange(n)] * 3).double()[:n_atoms] / n
    shaken = grid + 0.05 * torch.randn(n_rows, n_atoms, 3, dtype=torch.float64, generator=generator)
    shaken[:, ::4] += torch.tensor([1.0, -2.0, 0.0])
    return shaken @ cell


def crystal(basis=None, *, numbers=NUMBERS, cell=CELL, pbc=ALL, **options):
    model = untrained("moments", basis, n_states=1 if basis is None else 2, **options)
    return model.for_atoms(numbers, cell=cell, pbc=pbc)


def is_listed(model):
    return isinstance(model.fast_path, listed_path.ListedPath) and model.fast_path._bound() is not None


def both(model, positions, cells):
    """W, novelty, and derivatives in positions and cells: of the kernel, and of the networks of torch."""
    cotangent = torch.randn(model.n_basis, model.n_basis, generator=torch.Generator().manual_seed(1)).double()
    found = []
    for fast in (True, False):
        leaf, box = positions.clone().requires_grad_(True), cells.clone().requires_grad_(True)
        if fast:
            evaluation = model.evaluate(leaf, cells=box)
            hamiltonian, novelty = evaluation.hamiltonian, evaluation.novelty
        else:
            hamiltonian, novelty = model._reference(leaf, box)
        slopes = torch.autograd.grad(hamiltonian, (leaf, box), cotangent.expand_as(hamiltonian))
        found.append((hamiltonian.detach(), novelty, *slopes))
    return found


@pytest.mark.parametrize("basis", [None, "2x0e + 1x0o", "1x0e + 1x1o + 1x1e", "1x0o + 2x1o"])
@pytest.mark.parametrize("pbc", [ALL, (False, True, False)])
def test_w_its_derivatives_and_the_novelty_are_those_of_torch_in_float64(basis, pbc):
    model = crystal(basis, pbc=pbc, repulsion=4.0)
    network = model.potential.network
    network.standardise([model.surroundings(positions_in(CELL, 11, n_rows=2, seed=5))])
    network.set_range([model.surroundings(positions_in(CELL, 11, n_rows=2, seed=4))])
    if model.potential.matrix.first_vectors:
        model.potential.matrix.in_plane.data.fill_(0.7)
    model = model.double()
    cells = CELL + 0.1 * torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(9)).double()
    fast, torchs = both(model, positions_in(CELL, 11, n_rows=3), cells)
    assert is_listed(model)
    assert len(set(torchs[1].tolist())) > 1
    assert torchs[2].abs().amax(dim=(0, 2)).min() > 1e-3 and torchs[3].abs().amax() > 1e-3
    torch.testing.assert_close(fast[0], torchs[0], rtol=0, atol=5e-12)
    torch.testing.assert_close(fast[1], torchs[1], rtol=0, atol=1e-15)
    torch.testing.assert_close(fast[2], torchs[2], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(fast[3], torchs[3], rtol=1e-10, atol=1e-11)


def test_in_float32_it_is_as_near_to_float64_as_torch():
    model = crystal(numbers=(7, 1, 9, 1, 6) * 11, cell=2 * CELL)
    positions, cells = positions_in(2 * CELL, 55), 2 * CELL[None]
    fast, torchs = both(model, positions, cells)
    right = both(model.double(), positions, cells)[1]
    assert is_listed(model)
    for k in (0, 2, 3):
        one, other = (found[k] - right[k] for found in (fast, torchs))
        assert one.abs().max() < 2 * other.abs().max() + 1e-7 * right[k].abs().max()


def test_forces_and_stress_are_finite_differences_of_the_energy():
    model = crystal(repulsion=3.0).double()
    positions, step = positions_in(CELL, 11), 1e-4
    found = strained_surface(model, positions, torch.tensor([0]))
    assert is_listed(model)

    def energy(moved, cell):
        with torch.no_grad():
            return float(model.evaluate(moved, cells=cell[None]).hamiltonian[0, 0, 0])

    for atom, x in ((0, 0), (3, 1), (10, 2)):
        change = torch.zeros_like(positions)
        change[0, atom, x] = step
        slope = (energy(positions + change, CELL) - energy(positions - change, CELL)) / (2 * step)
        assert slope == pytest.approx(-float(found.force[0, atom, x]), rel=1e-5, abs=1e-7)
    for a, b in ((0, 0), (1, 2), (2, 0)):
        ends = []
        for sign in (1, -1):
            strain = torch.zeros(3, 3, dtype=torch.float64)
            strain[a, b] += 0.5 * sign * step
            strain[b, a] += 0.5 * sign * step
            ends.append(energy(positions + positions @ strain, CELL + CELL @ strain))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(-float(found.virial[0, a, b]), rel=1e-5, abs=1e-7)
    assert found.force.sum(dim=1).abs().max() < 1e-12


def test_forces_of_all_states_and_couplings_are_those_of_torch(monkeypatch):
    model = crystal("2x0e + 1x1o").double()
    positions = positions_in(CELL, 11, n_rows=2)
    fast = surfaces(model, positions)
    assert is_listed(model)
    monkeypatch.setenv("NADYN_FAST_PATH", "0")
    slow = surfaces(model, positions)
    for name in ("energies", "forces", "novelty"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=1e-9, atol=1e-11)
    couplings = (one.interstate_coupling.abs() for one in (fast, slow))
    torch.testing.assert_close(*couplings, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n_atoms", [1, 2, 7, 8, 9])
def test_groups_of_any_size_are_filled_up(n_atoms):
    """One, few, and whole groups of lanes, and one more than are in the networks at once."""
    lanes = compiled.host().lanes // 2  # of float64
    n = {7: lanes, 8: N_GROUPS * lanes, 9: N_GROUPS * lanes + 1}.get(n_atoms, n_atoms)
    scale = max(1.0, (n / 11) ** (1 / 3))
    numbers = (6,) * (n - 1) + (1,)
    model = crystal(numbers=numbers, cell=scale * CELL).double()
    fast, torchs = both(model, positions_in(scale * CELL, n), scale * CELL[None])
    assert is_listed(model)
    for k, one in enumerate(fast):
        torch.testing.assert_close(one, torchs[k], rtol=1e-10, atol=1e-11)


def test_atoms_that_see_nobody_and_a_neighbour_at_the_cutoff():
    cell = 40 * torch.eye(3, dtype=torch.float64)
    rows = [[[0.0, 0, 0], [20, 0, 0]], [[0.0, 0, 0], [7, 0, 0]], [[0.0, 0, 0], [6.999, 0, 0]]]
    model = crystal(numbers=(7, 1), cell=cell).double()
    fast, torchs = both(model, torch.tensor(rows, dtype=torch.float64), cell.expand(3, 3, 3))
    assert is_listed(model)
    assert torchs[2][2].abs().max() > 0 and torchs[2][0].abs().max() == 0
    for k, one in enumerate(fast):
        torch.testing.assert_close(one, torchs[k], rtol=1e-10, atol=1e-12)


def test_bits_do_not_depend_on_how_a_list_was_made():
    model = crystal(numbers=(7, 1, 9) * 9, cell=1.4 * CELL)
    positions = positions_in(1.4 * CELL, 27)
    far = positions + 0.4 * torch.randn(positions.shape, generator=torch.Generator().manual_seed(7)).double()
    found = []
    for skin in (0.0, 1.0, 3.0):
        kept = KeptNeighbors(model.sorted_numbers, model.potential.network.cutoff, ALL, skin=skin)
        other = replace(model)
        object.__setattr__(other, "fast_path", replace(model.fast_path, kept=kept))
        for _ in range(2):
            one = active_surface(other, positions, torch.tensor([0]))
            found.append((one.energies, one.force, one.novelty))
            # Now there is a list that was made elsewhere.
            active_surface(other, far, torch.tensor([0]))
        assert is_listed(other)
    assert kept.n_made == 1
    assert all(torch.equal(a, b) for one in found for a, b in zip(one, found[0], strict=True))


def test_a_row_has_the_bits_that_it_has_alone():
    model = crystal("1x0e + 1x1o")
    positions = positions_in(CELL, 11, n_rows=4)
    together = active_surface(model, positions, torch.tensor([0, 1, 1, 0]))
    alone = active_surface(model, positions[2:3], torch.tensor([1]))
    assert is_listed(model)
    assert torch.equal(together.energies[2:3], alone.energies)
    assert torch.equal(together.force[2:3], alone.force)


@pytest.mark.slow
@pytest.mark.parametrize(("lanes", "row_vectors", "columns"), [(4, 4, 6), (16, 2, 12), (8, 2, 6)])
def test_bits_do_not_depend_on_lanes_and_columns(monkeypatch, lanes, row_vectors, columns):
    model = crystal("2x0e + 1x1o", numbers=(7, 1, 9) * 9, cell=1.4 * CELL, repulsion=4.0)
    positions = positions_in(1.4 * CELL, 27)
    usual = surfaces(model, positions)
    known.KNOWN.clear()
    monkeypatch.setattr(compiled, "host", lambda: compiled.Host("other", lanes, row_vectors, columns))
    compiled.listed_kernel.cache_clear()
    try:
        other = surfaces(model, positions)
        assert model.fast_path._bound().kernel.lanes == lanes
    finally:
        compiled.listed_kernel.cache_clear()
        known.KNOWN.clear()
    for name in ("energies", "forces", "nac", "novelty"):
        assert torch.equal(getattr(usual, name), getattr(other, name))


def test_derivatives_of_derivatives_are_those_of_torch():
    model = crystal("1x0e + 1x1o").double()
    positions = positions_in(CELL, 11)

    def second(evaluate):
        leaf, box = positions.clone().requires_grad_(True), CELL[None].clone().requires_grad_(True)
        hamiltonian = evaluate(leaf, box)
        slopes = torch.autograd.grad(hamiltonian[:, 0, 1].sum(), (leaf, box), create_graph=True)
        return torch.autograd.grad(slopes[0][:, 1, 2].sum() + slopes[1][:, 0, 1].sum(), (leaf, box))

    fast = second(lambda leaf, box: model.evaluate(leaf, cells=box).hamiltonian)
    assert is_listed(model) and fast[0].abs().max() > 1e-3
    for one, other in zip(fast, second(lambda leaf, box: model._reference(leaf, box)[0]), strict=True):
        torch.testing.assert_close(one, other)
    # In positions alone, the cell being that of the model.
    found = []
    for evaluate in (lambda leaf: model.evaluate(leaf).hamiltonian, lambda leaf: model._reference(leaf)[0]):
        leaf = positions.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(evaluate(leaf)[:, 0, 1].sum(), leaf, create_graph=True)
        found.append(torch.autograd.grad(slope[:, 1, 2].sum(), leaf)[0])
    torch.testing.assert_close(*found)


def test_it_is_taken_by_itself_and_a_variable_turns_it_off(monkeypatch):
    model, positions = crystal(), positions_in(CELL, 11)
    assert model.evaluation.startswith("compiled kernels (") and "lists of neighbours" in model.evaluation
    by_torch = model._reference(positions)[0]
    assert not torch.equal(model.evaluate(positions).hamiltonian, by_torch)
    torch.testing.assert_close(model.evaluate(positions).hamiltonian, by_torch, rtol=0, atol=1e-5)
    monkeypatch.setenv("NADYN_FAST_PATH", "0")
    assert torch.equal(model.evaluate(positions).hamiltonian, by_torch)
    assert model.evaluation == "networks of torch: NADYN_FAST_PATH is set to 0"


def test_messages_in_a_cell_are_left_to_torch():
    model = untrained("equivariant", None, n_states=1).for_atoms(NUMBERS, cell=CELL, pbc=ALL)
    positions = positions_in(CELL, 11)
    assert "knows no messages" in model.evaluation
    assert torch.equal(model.evaluate(positions).hamiltonian, model._reference(positions)[0])


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_is_left_to_torch(bad):
    model, positions = crystal(), positions_in(CELL, 11)
    positions[0, 3, 1] = bad
    assert model.fast_path.evaluate(positions, CELL[None], model._reference) is None
    assert model.fast_path.evaluate(positions_in(CELL, 11), bad * CELL[None], model._reference) is None


def test_a_kernel_that_is_wrong_is_found_at_the_first_geometry(monkeypatch):
    def wrong(*arguments):
        packed = right(*arguments)
        packed.arrays[2][0, 0] += 0.05
        return packed

    right = listed_path.packed_weights
    monkeypatch.setattr(listed_path, "packed_weights", wrong)
    model, positions = crystal(), positions_in(CELL, 11)
    with pytest.warns(InputWarning, match="disagree on this machine; the networks of torch are used"):
        found = model.evaluate(positions).hamiltonian
    assert torch.equal(found, model._reference(positions)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(model.evaluate(positions).hamiltonian, found)


def test_a_kernel_that_does_not_compile_is_said_once_and_torch_answers(monkeypatch):
    def fails(*_):
        raise RuntimeError("LLVM ERROR: no such instruction\nmore")

    monkeypatch.setattr(listed_path, "listed_kernel", fails)
    model, positions = crystal(), positions_in(CELL, 11)
    with pytest.warns(InputWarning, match=r"no such instruction\); the networks of torch are used\.$"):
        found = model.evaluate(positions).hamiltonian
    assert torch.equal(found, model._reference(positions)[0])


def test_changed_weights_are_noticed():
    model, positions = crystal(), positions_in(CELL, 11)
    before = model.evaluate(positions).hamiltonian
    layer = model.potential.network.networks.networks[0][0]
    layer.weight.data = layer.weight * 1.3
    after = model.evaluate(positions).hamiltonian
    assert (after - before).abs().max() > 1e-3
    torch.testing.assert_close(after, model._reference(positions)[0], rtol=0, atol=1e-5)


def test_many_atoms_without_a_cell_take_it():
    numbers = (6, 1) * 201
    model = untrained("moments", "1x0e + 1x1o", atomic_numbers=numbers).double()
    positions = positions_in(4.5 * CELL, 402)
    leaf = positions.clone().requires_grad_(True)
    hamiltonian = model.evaluate(leaf).hamiltonian
    (slope,) = torch.autograd.grad(hamiltonian[:, 0, 1].sum(), leaf)
    assert is_listed(model)
    expected = model._reference(leaf)[0]
    (right,) = torch.autograd.grad(expected[:, 0, 1].sum(), leaf)
    assert right.abs().max() > 1e-3
    torch.testing.assert_close(hamiltonian, expected, rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(slope, right, rtol=1e-10, atol=1e-12)
    once, pull_back = model.evaluate_once(positions)
    assert torch.equal(once.hamiltonian, hamiltonian.detach())
    cotangent = torch.zeros(1, 4, 4, dtype=torch.float64)
    cotangent[0, 0, 1] = 1.0
    assert torch.equal(pull_back(cotangent), slope)
