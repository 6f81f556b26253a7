import pytest
import torch
from teacher import configuration, dataset

from nadyn.models.model_file import digest
from nadyn.training import orthogonal as ways
from nadyn.training.optimizers import OPTIMIZERS
from nadyn.training.orthogonal import orthogonal_each
from nadyn.training.products.product import is_served
from nadyn.training.train import train


@pytest.fixture(params=["machine code", "torch"])
def orthogonal(request, monkeypatch):
    """Return a function that makes one matrix orthogonal, by each of both ways."""
    if request.param == "torch":
        monkeypatch.setattr(ways, "is_served", lambda matrix: False)
    elif not is_served(torch.zeros(1)):
        pytest.skip("no machine code here")
    return lambda matrix: orthogonal_each([matrix], [1.0])[0]


def _matrix(rows, columns, smallest):
    generator = torch.Generator().manual_seed(1)
    full = torch.randn(rows, columns, generator=generator)
    left, _, right = torch.linalg.svd(full, full_matrices=False)
    values = torch.logspace(0, torch.log10(torch.tensor(smallest)).item(), len(left.mT))
    return left, values, right


@pytest.mark.parametrize("shape", [(6, 40), (40, 6), (7, 7), (37, 70)])
def test_an_orthogonal_update_keeps_directions_and_evens_out_their_sizes(orthogonal, shape):
    left, values, right = _matrix(*shape, 0.02)
    result = orthogonal(3e-5 * (left * values) @ right)
    along = torch.diagonal(left.mT @ result @ right.mT)
    assert along.min() > 0.6
    assert along.max() < 1.25
    # Nothing beside these directions.
    assert torch.linalg.norm(result) ** 2 == pytest.approx(float((along**2).sum()), rel=1e-4)


def test_without_a_gradient_a_matrix_stays_as_it_is(orthogonal):
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_muon_moves_what_is_no_matrix_as_adamw_does():
    start = torch.linspace(-1.0, 2.0, 5)
    ends = []
    for name in ("adamw", "muon"):
        parameter = torch.nn.Parameter(start.clone())
        optimizer = OPTIMIZERS[name]([{"params": [parameter], "weight_decay": 0.0}], lr=0.03)
        for step in range(20):
            optimizer.zero_grad()
            ((parameter - 0.3 * step) ** 2).sum().backward()
            optimizer.step()
        ends.append(parameter.detach())
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)
    assert (ends[0] - start).abs().min() > 0.03


def test_updates_of_a_matrix_are_as_large_as_those_of_adamw_usually_are():
    parameter = torch.nn.Parameter(torch.zeros(30, 50))
    optimizer = OPTIMIZERS["muon"]([{"params": [parameter], "weight_decay": 0.0}], lr=1.0)
    parameter.grad = torch.randn(30, 50, generator=torch.Generator().manual_seed(2))
    optimizer.step()
    assert parameter.detach().square().mean().sqrt() == pytest.approx(0.2, rel=0.2)
    assert (parameter.detach() * parameter.grad).sum() < 0


def test_matrices_decay_and_an_untouched_one_does_not():
    decayed, left_alone = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(2))
    optimizer = OPTIMIZERS["muon"]([{"params": [decayed, left_alone], "weight_decay": 0.5}], lr=0.1)
    decayed.grad = torch.zeros(2, 3)
    optimizer.step()
    torch.testing.assert_close(decayed.detach(), torch.full((2, 3), 0.95))
    assert torch.equal(left_alone.detach(), torch.ones(2, 3))


def test_a_training_with_muon_resumes_to_the_same_model_and_differs_from_adamw(tmp_path):
    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step == 8:
            raise Stop

    settings = configuration(epochs=4, optimizer="muon", checkpoint_every=3)
    train(dataset(), tmp_path / "undisturbed.safetensors", settings)
    with pytest.raises(Stop):
        train(dataset(), tmp_path / "stopped.safetensors", settings, report=stop)
    train(dataset(), tmp_path / "stopped.safetensors", settings, resume=True)
    train(dataset(), tmp_path / "adamw.safetensors", configuration(epochs=4, optimizer="adamw"))
    digests = [digest(tmp_path / f"{name}.safetensors") for name in ("undisturbed", "stopped", "adamw")]
    assert digests[0] == digests[1] != digests[2]


def test_a_matrix_without_a_gradient_rests_however_often_it_is_asked():
    parameter = torch.nn.Parameter(torch.ones(4, 6))
    optimizer = OPTIMIZERS["muon"]([{"params": [parameter], "weight_decay": 0.0}], lr=0.1)
    parameter.grad = torch.ones(4, 6)
    optimizer.step()
    after = parameter.detach().clone()
    parameter.grad = torch.zeros(4, 6)
    for _ in range(3):
        optimizer.step()
    assert torch.equal(parameter.detach(), after)


def test_the_size_of_a_gradient_does_not_matter_however_small_it_is(orthogonal):
    gradient = torch.randn(5, 9, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(orthogonal(1e-36 * gradient), orthogonal(gradient), rtol=1e-3, atol=1e-3)


def test_an_update_of_a_matrix_looks_ahead_along_its_momentum(orthogonal):
    first, second = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(5))
    parameter = torch.nn.Parameter(torch.zeros(4, 6))
    optimizer = OPTIMIZERS["muon"]([{"params": [parameter], "weight_decay": 0.0}], lr=1.0)
    for gradient in (first, second):
        before = parameter.detach().clone()
        parameter.grad = gradient.clone()
        optimizer.step()
    momentum = 0.95 * first + second
    expected = -0.2 * 6**0.5 * orthogonal(second + 0.95 * momentum)
    torch.testing.assert_close(parameter.detach() - before, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "layout"), [((37, 70), "rows"), ((70, 37), "rows"), ((33, 33), "rows"), ((12, 50), "columns")]
)
def test_both_ways_to_make_a_matrix_orthogonal_are_one_function(monkeypatch, shape, layout):
    if not is_served(torch.zeros(1)):
        pytest.skip("no machine code here")
    generator = torch.Generator().manual_seed(4)
    matrix = torch.randn(shape, generator=generator, dtype=torch.float64)
    if layout == "columns":
        matrix = matrix.mT.contiguous().mT
    by_machine_code = orthogonal_each([matrix, matrix], [1.0, 3.0])
    monkeypatch.setattr(ways, "is_served", lambda matrix: False)
    by_torch = orthogonal_each([matrix, matrix], [1.0, 3.0])
    for one, two in zip(by_machine_code, by_torch, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_what_is_not_a_number_is_not_hidden(orthogonal):
    for bad in (torch.nan, torch.inf):
        matrix = torch.ones(3, 20)
        matrix[1, 17] = bad
        assert not orthogonal(matrix).isfinite().any()


def test_a_matrix_whose_first_row_alone_has_no_gradient_moves():
    parameter = torch.nn.Parameter(torch.zeros(4, 6))
    optimizer = OPTIMIZERS["muon"]([{"params": [parameter], "weight_decay": 0.0}], lr=0.1)
    parameter.grad = torch.zeros(4, 6)
    parameter.grad[2, 3] = 1.0
    optimizer.step()
    assert parameter.detach()[2, 3] < -0.01


@pytest.mark.parametrize("shape", [(40, 40), (30, 90), (90, 30)])
def test_an_update_in_single_precision_is_that_in_double(orthogonal, shape):
    left, values, right = _matrix(*shape, 1e-4)
    matrix = (left * values) @ right
    exact = orthogonal(matrix.double())
    assert torch.linalg.norm(orthogonal(matrix) - exact) < 5e-4 * torch.linalg.norm(exact)


def test_machine_code_keeps_more_digits_of_long_matrices():
    if not is_served(torch.zeros(1)):
        pytest.skip("no machine code here")
    left, values, right = _matrix(128, 558, 1e-6)
    matrix = (left * values) @ right
    exact = orthogonal_each([matrix.double()], [1.0])[0]
    found = orthogonal_each([matrix], [1.0])[0]
    assert torch.linalg.norm(found - exact) < 6e-5 * torch.linalg.norm(exact)
