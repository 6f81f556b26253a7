"""What every model must obey, by its own declaration."""

import pytest
import torch
from contracts.models import MODELS, names_of_models_with

from nadyn.dynamics.initial.hessian import in_double_precision
from nadyn.electronic.surfaces import (
    active_surface,
    directional_gradient,
    energies_and_eigenvectors,
    surfaces,
)
from nadyn.models.model import CARTESIAN_LAWS, Model

every_model = pytest.mark.parametrize("name", MODELS)

# Five-point first derivative.
OFFSETS, FACTORS = (-2, -1, 1, 2), (1 / 12, -8 / 12, 8 / 12, -1 / 12)
STEP = 1e-3


def _precise(name):
    return in_double_precision(MODELS[name].build())


def _directions(positions, n=2):
    generator = torch.Generator().manual_seed(7)
    for _ in range(n):
        direction = torch.randn(positions.shape[1:], generator=generator, dtype=torch.float64)
        yield direction / direction.norm()


@every_model
def test_the_face_of_the_model_is_complete(name):
    model = MODELS[name].build()
    assert isinstance(model, Model)
    assert model.laws <= CARTESIAN_LAWS
    assert model.n_basis >= model.n_states >= 1
    assert model.masses.dtype == torch.float64
    assert bool((model.masses > 0).all())
    assert (model.atomic_numbers is None) == (model.coordinates == "generalised")


@every_model
def test_the_hamiltonian_is_symmetric_to_the_last_bit(name):
    model, positions = MODELS[name].build(), MODELS[name].positions(5)
    evaluation = model.evaluate(positions)
    assert evaluation.hamiltonian.dtype == torch.float64
    assert evaluation.hamiltonian.shape == (5, model.n_basis, model.n_basis)
    assert torch.equal(evaluation.hamiltonian, evaluation.hamiltonian.mT)
    assert evaluation.novelty.shape == (5,)


@pytest.mark.parametrize("name", names_of_models_with("rotation"))
def test_rotation_leaves_energies_and_turns_forces_and_couplings(name):
    _assert_turned(name, determinant=1.0)


@pytest.mark.parametrize("name", names_of_models_with("reflection"))
def test_reflection_leaves_energies_and_reflects_forces_and_couplings(name):
    _assert_turned(name, determinant=-1.0)


@pytest.mark.parametrize("name", names_of_models_with("translation"))
def test_translation_changes_nothing_but_signs_of_states(name):
    model, positions = _precise(name), MODELS[name].positions(5)
    shift = torch.tensor([1.7, -0.6, 2.9], dtype=torch.float64)
    before, after = surfaces(model, positions), surfaces(model, positions + shift)
    _assert_same(after, before)


@pytest.mark.parametrize("name", names_of_models_with("permutation"))
def test_exchange_of_like_atoms_exchanges_their_forces_and_couplings(name):
    model, positions = _precise(name), MODELS[name].positions(5)
    numbers = model.atomic_numbers
    first, second = next(
        (i, j) for i in range(len(numbers)) for j in range(i + 1, len(numbers)) if numbers[i] == numbers[j]
    )
    order = list(range(len(numbers)))
    order[first], order[second] = second, first
    before, after = surfaces(model, positions), surfaces(model, positions[:, order])
    _assert_same(after, before, order=order)


@pytest.mark.parametrize("name", names_of_models_with("translation"))
def test_forces_and_couplings_sum_to_zero_over_the_atoms(name):
    result = surfaces(_precise(name), MODELS[name].positions(5))
    total = result.interstate_coupling.sum(dim=-2)
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-10)


@every_model
def test_forces_of_every_state_are_minus_the_gradient_of_its_energy(name):
    model, positions = _precise(name), MODELS[name].positions(5)
    forces = surfaces(model, positions).forces
    for direction in _directions(positions):
        numeric = sum(
            factor * energies_and_eigenvectors(model, positions + offset * STEP * direction)[0]
            for factor, offset in zip(FACTORS, OFFSETS, strict=True)
        )
        analytic = -(forces * direction).sum((-1, -2))
        torch.testing.assert_close(numeric / STEP, analytic, rtol=1e-6, atol=1e-8)


@every_model
def test_couplings_are_the_derivatives_of_the_eigenvectors(name):
    model, positions = _precise(name), MODELS[name].positions(5)
    here = surfaces(model, positions)
    gap = here.energies[:, None, :] - here.energies[:, :, None]
    for direction in _directions(positions):
        numeric = torch.zeros_like(gap)
        for factor, offset in zip(FACTORS, OFFSETS, strict=True):
            _, vectors = energies_and_eigenvectors(model, positions + offset * STEP * direction)
            overlap = here.eigenvectors.mT @ vectors
            numeric += factor * overlap * torch.sign(overlap.diagonal(dim1=-2, dim2=-1))[:, None, :]
        numeric /= STEP
        off_diagonal = ~torch.eye(model.n_states, dtype=torch.bool)
        nac = (here.nac * direction).sum((-1, -2))
        coupling = (here.interstate_coupling * direction).sum((-1, -2))
        torch.testing.assert_close(numeric[:, off_diagonal], nac[:, off_diagonal], rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(
            (numeric * gap)[:, off_diagonal], coupling[:, off_diagonal], rtol=1e-5, atol=1e-8
        )
    torch.testing.assert_close(here.nac, -here.nac.transpose(1, 2))
    assert torch.equal(here.interstate_coupling, here.interstate_coupling.transpose(1, 2))


@every_model
def test_a_row_has_the_same_bits_alone_and_in_any_batch(name):
    model = MODELS[name].build()
    n = model.block_width + 5
    positions = MODELS[name].positions(n)
    active = torch.arange(n) % model.n_states
    batch = surfaces(model, positions)
    active_batch = active_surface(model, positions, active)
    left, right = batch.eigenvectors[:, :, 0], batch.eigenvectors[:, :, -1]
    gradients = directional_gradient(model, positions, left, right)
    # Odd steps, so that a row is looked at in every place of what a processor computes at once.
    between = range(2, model.block_width, max(29, model.block_width // 5 | 1))
    for row in (0, 1, *between, model.block_width - 1, model.block_width, n - 1):
        one = slice(row, row + 1)
        alone = surfaces(model, positions[one])
        for field in ("energies", "forces", "nac", "interstate_coupling", "eigenvectors", "hamiltonian"):
            assert torch.equal(getattr(alone, field), getattr(batch, field)[one]), field
        active_alone = active_surface(model, positions[one], active[one])
        for field in ("energies", "eigenvectors", "force", "novelty"):
            assert torch.equal(getattr(active_alone, field), getattr(active_batch, field)[one]), field
        gradient = directional_gradient(model, positions[one], left[one], right[one])
        assert torch.equal(gradient, gradients[one])


@every_model
def test_the_cheap_path_agrees_with_the_whole(name):
    model, positions = _precise(name), MODELS[name].positions(5)
    whole = surfaces(model, positions)
    for state in range(model.n_states):
        active = active_surface(model, positions, torch.full((5,), state))
        torch.testing.assert_close(active.energies, whole.energies)
        torch.testing.assert_close(active.force, whole.forces[:, state])
    energies, _ = energies_and_eigenvectors(model, positions)
    torch.testing.assert_close(energies, whole.energies)


@pytest.mark.parametrize("name", [name for name, case in MODELS.items() if case.degenerate is not None])
def test_a_degenerate_point_has_finite_energies_forces_and_interstate_couplings(name):
    positions = MODELS[name].degenerate()[None]
    precise = surfaces(_precise(name), positions).energies
    assert float((precise[:, 1:] - precise[:, :-1]).min()) < 1e-12
    # In double precision the degeneracy is one, in single precision it is one but for rounding.
    for model in (_precise(name), MODELS[name].build()):
        result = surfaces(model, positions)
        for array in (result.energies, result.forces, result.interstate_coupling, result.eigenvectors):
            assert bool(torch.isfinite(array).all())
        for state in range(model.n_states):
            force = active_surface(model, positions, torch.tensor([state])).force
            assert bool(torch.isfinite(force).all())


def _assert_turned(name, *, determinant):
    model, positions = _precise(name), MODELS[name].positions(5)
    generator = torch.Generator().manual_seed(5)
    matrix = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    # In three dimensions -1 times a rotation is a reflection.
    turn = matrix * (determinant * torch.sign(torch.linalg.det(matrix)))
    _assert_same(surfaces(model, positions @ turn.T), surfaces(model, positions), turn=turn)


def _assert_same(after, before, *, turn=None, order=None):
    """Compare after turning each vector of `before`, or taking its atoms in another order."""
    turn = torch.eye(3, dtype=torch.float64) if turn is None else turn
    order = list(range(before.forces.shape[-2])) if order is None else order
    torch.testing.assert_close(after.energies, before.energies, rtol=0, atol=1e-10)
    torch.testing.assert_close(after.forces, before.forces[..., order, :] @ turn.T, rtol=0, atol=1e-9)
    # The sign of each state is free, so couplings are compared as products with themselves.
    h_after, h_before = (
        torch.einsum("tklnx,tklmy->tklnxmy", h, h)
        for h in (after.interstate_coupling, before.interstate_coupling[..., order, :] @ turn.T)
    )
    torch.testing.assert_close(h_after, h_before, rtol=0, atol=1e-9)
