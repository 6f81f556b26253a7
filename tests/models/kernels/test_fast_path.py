"""The fast path is chosen where it serves, and elsewhere the networks of torch answer, with a reason."""

import copy
import threading
import warnings
from dataclasses import replace

import pytest
import torch
from contracts.untrained import untrained

from nadyn.checks.errors import InputWarning
from nadyn.models.kernels import applies, compiled, fast_path

NUMBERS = (7, 1, 9, 1)


@pytest.fixture(params=["moments", "equivariant"])
def model(request):
    return untrained(request.param, "1x0e + 1x1o", atomic_numbers=NUMBERS)


@pytest.fixture
def positions():
    grid = torch.tensor([[0.0, 0, 0], [2, 0, 0.3], [0, 2.4, 0], [0.2, 0, 2.1]], dtype=torch.float64)
    return grid + 0.2 * torch.randn(5, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_torch(model, positions):
    return model._reference(positions)[0]


def says_what_torch_says(model, positions):
    return torch.equal(model.evaluate(positions).hamiltonian, by_torch(model, positions))


def test_it_is_taken_by_itself_and_a_variable_turns_it_off(model, positions, monkeypatch):
    assert model.fast_path.refusal is None and model.rows_at_once > 5
    assert not says_what_torch_says(model, positions)
    torch.testing.assert_close(
        model.evaluate(positions).hamiltonian, by_torch(model, positions), rtol=0, atol=1e-6
    )
    monkeypatch.setenv("NADYN_FAST_PATH", "0")
    assert model.rows_at_once is None and says_what_torch_says(model, positions)
    assert model.fast_path.in_words() == "networks of torch: NADYN_FAST_PATH is set to 0"


@pytest.mark.parametrize(
    ("refusing", "words"),
    [
        (lambda patch: patch.setattr(compiled, "find_spec", lambda name: None), "llvmlite is not installed"),
        (
            lambda patch: patch.setattr(
                "llvmlite.binding.get_host_cpu_features", lambda: {"sse2": True, "avx2": False}
            ),
            "has neither AVX2 nor NEON",
        ),
    ],
)
def test_without_llvmlite_or_on_an_unknown_processor_torch_answers(
    model, positions, monkeypatch, refusing, words
):
    compiled.host.cache_clear()
    try:
        refusing(monkeypatch)
        assert words in model.fast_path.in_words()
        assert model.rows_at_once is None and says_what_torch_says(model, positions)
    finally:
        monkeypatch.undo()
        compiled.host.cache_clear()


def test_a_kernel_that_does_not_compile_is_said_once_and_torch_answers(model, positions, monkeypatch):
    def fails(*_, heard):
        raise RuntimeError("LLVM ERROR: no such instruction\nmore")

    monkeypatch.setattr(fast_path, "kernel", fails)
    with pytest.warns(InputWarning, match=r"no such instruction\); the networks of torch are used\.$"):
        assert says_what_torch_says(model, positions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert says_what_torch_says(model, positions) and model.rows_at_once is None


def test_a_kernel_that_is_wrong_is_found_at_the_first_geometry(model, positions, monkeypatch):
    def wrong(*arguments):
        packed = right(*arguments)
        packed.arrays[2][0, 0] += 0.05
        return packed

    right = fast_path.packed_weights
    monkeypatch.setattr(fast_path, "packed_weights", wrong)
    with pytest.warns(InputWarning, match="disagree on this machine; the networks of torch are used"):
        assert says_what_torch_says(model, positions)
    assert model.rows_at_once is None


def test_where_energies_of_atoms_cancel_rounding_is_no_disagreement():
    model = untrained("moments", "2x0e", atomic_numbers=NUMBERS)
    shape = torch.tensor([[[0.0, 0, 0], [2, 0, 0.3], [0, 2.4, 0], [0.2, 0, 2.1]]], dtype=torch.float64)
    reference = model.potential.reference
    places = [reference.elements.index(number) for number in NUMBERS]
    alone = torch.diag(reference.offsets + reference.per_element[places].sum())
    bias = model.potential.network.networks.networks[places[0]][-1].bias

    def of_networks():
        return (by_torch(model, shape)[0] - alone)[[0, 0, 1], [0, 1, 1]]

    before, responses = of_networks(), []
    for output in range(3):
        bias[output] += 1.0
        responses.append(of_networks() - before)
        bias[output] -= 1.0
    bias -= torch.linalg.solve(torch.stack(responses, dim=1), before).to(bias.dtype)
    assert before.abs().max() > 1e-3
    assert of_networks().abs().max() < 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(shape)
    assert model.rows_at_once is not None


def test_changed_weights_are_noticed(model, positions):
    before = model.evaluate(positions).hamiltonian
    model.potential.reference.offsets += 0.5
    assert (model.evaluate(positions).hamiltonian - before).abs().max() > 0.4
    layer = model.potential.network.networks.networks[0][0]
    layer.weight.data = layer.weight * 1.3
    after = model.evaluate(positions).hamiltonian
    assert (after - before).abs().max() > 0.4
    torch.testing.assert_close(after, by_torch(model, positions), rtol=0, atol=1e-6)


def test_where_derivatives_in_parameters_may_be_asked_for_torch_answers(model, positions):
    model.evaluate(positions)
    model.potential.requires_grad_(True)
    assert model.evaluate(positions).hamiltonian.grad_fn is not None and model.rows_at_once is None
    with torch.no_grad():
        assert model.rows_at_once is not None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cutoff_function": "cosine"}, "cutoff function cosine"),
        ({"activation": "tanh"}, "activation tanh"),
        ({"encoder": "acsf"}, "encoder SymmetryFunctions"),
    ],
)
def test_settings_that_the_kernels_do_not_know_are_left_to_torch(positions, changed, words):
    model = untrained(**{"encoder": "moments", "basis": "2x0e", "atomic_numbers": NUMBERS} | changed)
    assert model.fast_path.refusal == f"the kernels know no {words}"
    assert model.rows_at_once is None and says_what_torch_says(model, positions)


@pytest.mark.parametrize(
    "part",
    ["", "network", "network.encoder", "network.encoder.moments", "matrix", "reference", "network.networks"],
)
@pytest.mark.parametrize("kind", ["module", "parameter", "buffer", "hook", "class"])
def test_a_part_that_the_kernels_do_not_know_is_left_to_torch(part, kind):
    encoder = "equivariant" if part == "network.encoder.moments" else "moments"
    model = untrained(encoder, "1x0e + 1x1o", atomic_numbers=NUMBERS)
    module = model.potential.get_submodule(part)
    match kind:
        case "module":
            module.more = torch.nn.Linear(2, 1)
        case "parameter":
            module.more = torch.nn.Parameter(torch.zeros(2), requires_grad=False)
        case "buffer":
            module.register_buffer("more", torch.zeros(2))
        case "hook":
            module.register_forward_hook(lambda *_: None)
        case "class":
            module.__class__ = type("Other", (type(module),), {})
    assert applies.refusal(model.potential, n_atoms=4, is_periodic=False) is not None


def test_in_cells_and_of_too_many_atoms_each_has_a_list(model):
    assert "list" in applies.refusal(model.potential, n_atoms=4, is_periodic=True)
    assert applies.refusal(model.potential, n_atoms=400, is_periodic=False) is None
    assert "list" in applies.refusal(model.potential, n_atoms=401, is_periodic=False)


def test_derivatives_of_derivatives_are_those_of_torch(model, positions):
    def second(evaluate):
        leaf = positions.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(evaluate(leaf)[:, 0, 0].sum(), leaf, create_graph=True)
        return torch.autograd.grad(slope[:, 1, 2].sum(), leaf)[0]

    model = model.double()
    fast = second(lambda leaf: model.evaluate(leaf).hamiltonian)
    assert fast.abs().max() > 1e-3
    torch.testing.assert_close(fast, second(lambda leaf: by_torch(model, leaf)))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_bad_position_spoils_its_own_row_only(model, positions, bad):
    spoiled = positions.clone()
    spoiled[2, 3, 1] = bad
    found = model.evaluate(spoiled).hamiltonian
    good = [0, 1, 3, 4]
    assert torch.equal(found[good], model.evaluate(positions).hamiltonian[good])
    assert found[2].isnan().all()


def test_no_row_and_an_atom_alone_are_answered(model):
    assert model.evaluate(torch.zeros(0, 4, 3, dtype=torch.float64)).hamiltonian.shape == (0, 4, 4)
    alone = untrained("moments", "1x0e + 1x1o", atomic_numbers=(9,)).double()
    position = torch.ones(2, 1, 3, dtype=torch.float64)
    torch.testing.assert_close(alone.evaluate(position).hamiltonian, by_torch(alone, position))


def test_threads_do_not_disturb_each_other(model, positions):
    many = positions.repeat(9, 1, 1)
    right = model.evaluate(many).hamiltonian
    found = []

    def work():
        found.extend(torch.equal(model.evaluate(many).hamiltonian, right) for _ in range(5))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [True] * 15


def test_a_tape_may_be_released_while_its_thread_evaluates(model, positions):
    bound = model.fast_path._known().bound
    _, _, tape = bound.evaluate(positions)

    def work():
        with bound._lock:
            bound.release(tape)  # as the garbage collector would, at any allocation

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(timeout=10)
    assert not worker.is_alive()
    assert bound.evaluate(positions)[2].memory is tape.memory


def test_few_tapes_are_kept_however_the_number_of_rows_changes(model, positions):
    for n_rows in (5, 40, 3, 21, 64, 9):
        model.evaluate(positions[:1].repeat(n_rows, 1, 1))
    assert len(model.fast_path._known().bound._free) == 2


def test_a_copy_of_a_model_has_its_own_weights(model, positions):
    before = model.evaluate(positions).hamiltonian
    other = replace(model, potential=copy.deepcopy(model.potential))
    other.potential.reference.offsets += 1.0
    assert (other.evaluate(positions).hamiltonian - before).abs().max() > 0.5
    assert torch.equal(model.evaluate(positions).hamiltonian, before)
