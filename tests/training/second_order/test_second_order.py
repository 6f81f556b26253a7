"""Derivatives that are written out, beside those of autograd through the graph of the networks."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.predicted import OUTPUTS, weighted_sum
from contracts.untrained import untrained

from nadyn.checks.errors import InputWarning
from nadyn.data.dataset import Group
from nadyn.electronic.eigen import eigh
from nadyn.models.heads.dipole import DipoleSettings
from nadyn.models.heads.polarisability import PolarisabilitySettings
from nadyn.training.predictions import (
    label_pairs,
    predict,
    predict_beside,
    predict_by_graph,
    surplus_gap,
)
from nadyn.training.prepared import prepared
from nadyn.training.samples import displaced_frames, samples_together
from nadyn.training.second_order import compiled_geometry, encoding, machine_code, vectors
from nadyn.training.second_order.evaluation import Evaluation, fits
from nadyn.training.second_order.machine_code import can_compile

CELL = np.array([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]])


def molecule(numbers, n_frames, n_states, *, cell=None, seed=0):
    """Frames with labels of every kind; their values do not matter here."""
    generator = np.random.default_rng(seed)
    n = len(numbers)
    grid = np.stack(np.meshgrid([0, 1, 2], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 3) * 2.3
    positions = grid[:n] + 0.25 * generator.standard_normal((n_frames, n, 3))
    n_pairs = n_states * (n_states - 1) // 2
    group = Group(
        "+".join(map(str, numbers)),
        np.array(numbers),
        positions,
        np.zeros((n_frames, n_states)),
        forces=np.zeros((n_frames, n_states, n, 3)),
        interstate_couplings=np.zeros((n_frames, n_pairs, n, 3)) if n_pairs else None,
    )
    if cell is None:
        return group
    stress = np.zeros((n_frames, n_states, 3, 3))
    return replace(group, cell=np.tile(cell, (n_frames, 1, 1)), pbc=np.full(3, True), stress=stress)


def scaled(potential):
    """Set every scale that a training sets from its data to numbers that differ."""
    generator = torch.Generator().manual_seed(7)
    matrix, networks = potential.matrix, potential.network.networks
    for name, scale in (*matrix.named_buffers(), ("inverse_spread", networks.inverse_spread)):
        if name in ("vector_scale", "tensor_scale", "inverse_spread"):
            scale.copy_(0.6 + 0.8 * torch.rand(scale.shape, generator=generator, dtype=torch.float64))
    networks.mean.copy_(0.2 * torch.randn(networks.mean.shape, generator=generator, dtype=torch.float64))
    for name, own in potential.network.encoder.named_buffers():
        if name in ("mean", "inverse_spread", "direction_scales"):
            own.copy_(0.3 + 0.8 * torch.rand(own.shape, generator=generator, dtype=torch.float64))
    return potential


def both(potential, batch, pairs, displaced):
    """Predictions and gradients as they are written out, and those of autograd."""
    found = []
    for written in (True, False):
        if written:
            assert fits(potential)
            predictions, gaps = predict_beside(potential, batch, pairs, displaced)
        else:
            predictions = predict_by_graph(potential, batch, pairs)
            gaps = surplus_gap(potential, displaced) if displaced else torch.zeros(0)
        parameters = list(potential.parameters())
        gradient = torch.autograd.grad(weighted_sum(predictions, gaps), parameters, allow_unused=True)
        found.append((predictions, gaps, gradient))
    return found


def agree(potential, batch, pairs, displaced=()):
    (predictions, gaps, gradient), (others, other_gaps, other) = both(potential, batch, pairs, displaced)
    for one, two in zip(predictions, others, strict=True):
        for name in OUTPUTS:
            left, right = getattr(one, name), getattr(two, name)
            assert (left is None) == (right is None)
            if left is not None:
                torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(gaps, other_gaps.to(gaps), rtol=1e-9, atol=1e-11)
    n_compared = 0
    names = [name for name, _ in potential.named_parameters()]
    for name, left, right in zip(names, gradient, other, strict=True):
        if left is None or right is None:
            # Autograd may give zeros for the network of an element that does not occur.
            assert not any(one.any() for one in (left, right) if one is not None), name
            continue
        n_compared += 1
        size = float(right.abs().max())
        assert size > 0 or not left.any(), name
        torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-8 * size)
    return n_compared


@pytest.fixture(params=["machine code", "torch"])
def how(request, monkeypatch):
    """Both ways in which the written derivatives are computed."""
    if request.param == "torch":
        for module in (encoding, vectors):
            monkeypatch.setattr(module, "can_compile", lambda device, precision: False)
    elif not can_compile(torch.device("cpu"), torch.float64):
        pytest.skip("no machine code for this processor")


BASES = [
    (None, 1, "silu", None),
    ("2x0e", 2, "tanh", 2.6),
    ("2x0e + 1x1o", 2, "softplus", None),
    ("1x0e + 1x1o + 1x1e", 3, "silu", 3.1),
    ("1x0e + 1x0o + 2x1o", 2, "silu", None),
]


@pytest.mark.usefixtures("how")
@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize("basis, n_states, activation, repulsion", BASES)
def test_predictions_and_gradients_are_those_of_autograd(encoder, basis, n_states, activation, repulsion):
    potential = untrained(
        encoder, basis, n_states=n_states, activation=activation, repulsion=repulsion, cutoff=6.0
    )
    potential = scaled(potential.double().potential.requires_grad_(True))
    batch = samples_together(
        (molecule((7, 1, 1, 9, 1), 4, n_states), molecule((6, 6, 1, 1, 9, 7), 3, n_states, seed=1))
    )
    displaced = ()
    if potential.n_basis > n_states:
        displaced = displaced_frames(batch, 0.5, seed=1, step=2)
    pairs = label_pairs(batch, n_states)
    assert agree(potential, batch, pairs, displaced) > 20
    # One molecule alone, whose pairs autograd takes as copies, and levels alone.
    assert agree(potential, batch[:1], pairs) > 15
    assert agree(potential, batch[:1], (), displaced[1:]) > 15


@pytest.mark.usefixtures("how")
@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize("basis, n_states", [(None, 1), ("1x0e + 1x1o", 2)])
def test_so_are_those_of_crystals_beside_molecules_with_stress(encoder, basis, n_states):
    potential = untrained(encoder, basis, n_states=n_states, cutoff=5.0, cutoff_function="cosine")
    potential = potential.double().potential.requires_grad_(True)
    groups = (
        molecule((9, 1, 6, 1, 7), 3, n_states, cell=CELL),
        molecule((7, 1, 1, 9), 2, n_states, seed=3),
    )
    batch = samples_together(groups)
    assert agree(potential, batch, label_pairs(batch, n_states)) > 15


@pytest.mark.usefixtures("how")
@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
def test_in_single_precision_they_agree_to_its_digits(encoder):
    potential = untrained(encoder, "2x0e + 1x1o", cutoff=6.0).potential.requires_grad_(True)
    batch = samples_together((molecule((7, 1, 1, 9, 1), 4, 2),))
    written, autograd = both(potential, batch, label_pairs(batch, 2), ())
    assert written[0][0].gradients.dtype == torch.float64
    for left, right in zip(written[2], autograd[2], strict=True):
        if left is not None:
            assert left.dtype == torch.float32
            error = float((left - right).norm() / right.norm().clamp(min=1e-20))
            assert error < 3e-4


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
def test_what_was_prepared_for_a_training_set_has_the_same_predictions(encoder):
    potential = untrained(encoder, "1x0e + 1x1o", repulsion=3.0).double().potential
    groups = (molecule((7, 1, 1, 9), 70, 2), molecule((6, 6, 1, 1, 9), 3, 2, seed=3))
    samples = samples_together(groups)
    ready = prepared(potential, samples)
    pairs = label_pairs(samples, 2)
    for bare, known, index in zip(samples, ready, ([68, 3, 65], [2, 0]), strict=True):
        chosen = torch.tensor(index)
        assert known.take(chosen).geometry is not None
        first, second = (predict(potential, one.take(chosen), pairs) for one in (bare, known))
        torch.testing.assert_close(first.gradients, second.gradients, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(first.energies, second.energies, rtol=1e-14, atol=0)
    # Displaced frames are others.
    assert all(part.geometry is None for part in displaced_frames(ready, 0.5, seed=1, step=2))


def test_too_much_is_not_prepared(monkeypatch):
    potential = untrained("moments", None).potential
    samples = samples_together((molecule((7, 1, 1, 9), 3, 1),))
    monkeypatch.setattr("nadyn.training.prepared._MOST_BYTES", 1000)
    assert prepared(potential, samples)[0].geometry is None


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize("basis, n_states", [("2x0e", 2), ("3x0e + 1x1o + 1x1e", 3)])
def test_dipoles_and_polarisabilities_stand_beside_written_derivatives(
    how, encoder, basis, n_states, monkeypatch
):
    heads = (DipoleSettings(), PolarisabilitySettings())
    potential = untrained(encoder, basis, n_states=n_states, heads=heads)
    potential = scaled(potential.double().potential.requires_grad_(True))
    groups = (molecule((7, 1, 1, 9, 1), 4, n_states), molecule((6, 6, 1, 1, 9, 7), 3, n_states, seed=1))
    with_dipoles = tuple(
        replace(
            group,
            dipoles=np.zeros((len(group.positions), n_states, n_states, 3)),
            polarisabilities=np.zeros((len(group.positions), n_states, 3, 3)),
        )
        for group in groups
    )
    batch = samples_together(with_dipoles)
    assert all(part.dipoles is not None and part.polarisabilities is not None for part in batch)
    pairs = label_pairs(batch, n_states)
    (first, _), _ = predict_beside(potential, batch, pairs, ())
    assert float(first.dipoles.detach().abs().amin(dim=(0, 3)).min()) > 0
    displaced = ()
    if potential.n_basis > n_states:
        displaced = displaced_frames(batch, 0.3, seed=1, step=2)
    for one, beside in ((batch, ()), (batch, displaced), (batch[1:], displaced)):
        assert agree(potential, one, pairs, beside) > 40

    # Couplings and dipoles keep one sign a state, whatever signs the eigenvectors come with.
    def turned(matrix):
        energies, vectors = eigh(matrix)
        return energies, torch.cat([-vectors[:, :, :1], vectors[:, :, 1:]], dim=2)

    monkeypatch.setattr("nadyn.training.second_order.evaluation.eigh", turned)
    (other, _), _ = predict_beside(potential, batch, pairs, ())
    coupling = pairs.index((0, 1))
    for here, there, sign in (
        (first.gradients[:, coupling], other.gradients[:, coupling], -1.0),
        (first.dipoles[:, 0, 1], other.dipoles[:, 0, 1], -1.0),
        (first.dipoles[:, 0, 0], other.dipoles[:, 0, 0], 1.0),
    ):
        torch.testing.assert_close(there, sign * here, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("asked", ["levels", "slopes"])
def test_an_evaluation_is_gone_when_its_gradient_has_been_taken(monkeypatch, asked):
    made = []

    class Watched(Evaluation):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(weakref.ref(self))

    monkeypatch.setattr("nadyn.training.second_order.function.Evaluation", Watched)
    potential = untrained("moments", "2x0e").potential.requires_grad_(True)
    batch = samples_together((molecule((7, 1, 1, 9), 3, 2),))
    gc.disable()
    try:
        for taken in (True, False):
            prediction = predict(potential, batch[0], ((0, 1),))
            value = prediction.energies if asked == "levels" else prediction.gradients
            assert made[-1]() is not None
            if taken:
                value.sum().backward()
            del prediction, value
            assert made[-1]() is None
    finally:
        gc.enable()
    assert len(made) == 2


def test_other_encoders_are_predicted_through_their_graph():
    batch = samples_together((molecule((7, 1, 1, 9), 3, 2),))
    for encoder in ("messages", "acsf"):
        potential = untrained(encoder, "2x0e").potential
        assert not fits(potential)
        (prediction,) = predict_by_graph(potential, batch, ((0, 1),))
        torch.testing.assert_close(predict(potential, batch[0], ((0, 1),)).gradients, prediction.gradients)
        assert prepared(potential, batch) is batch


def test_weights_that_change_before_the_gradient_are_noticed():
    potential = untrained("moments", "2x0e").potential.requires_grad_(True)
    batch = samples_together((molecule((7, 1, 1, 9), 3, 2),))
    energies = predict(potential, batch[0], ()).energies
    with torch.no_grad():
        potential.network.encoder.mixing.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        energies.sum().backward()


@pytest.mark.skipif(not can_compile(torch.device("cpu"), torch.float64), reason="no machine code here")
def test_kernels_that_do_not_compile_are_said_once_and_torch_does_the_same(monkeypatch):
    def fails(*_):
        raise RuntimeError("LLVM ERROR: no such instruction\nmore")

    monkeypatch.setattr(compiled_geometry, "compiled", fails)
    compiles = machine_code._compiles
    compiles.cache_clear()
    try:
        potential = scaled(untrained("moments", "2x0e", n_states=2).double().potential.requires_grad_(True))
        batch = samples_together((molecule((7, 1, 1, 9, 1), 4, 2),))
        with pytest.warns(
            InputWarning, match=r"no such instruction\); torch does the same, slower\.$"
        ) as said:
            assert agree(potential, batch, label_pairs(batch, 2)) > 15
            assert not can_compile(torch.device("cpu"), torch.float64)
        assert len(said) == 1
    finally:
        compiles.cache_clear()


def test_messages_of_few_atoms_and_of_none():
    """One atom, two, some out of reach or at the cutoff, beside one another."""
    potential = scaled(untrained("equivariant", "3x0e", n_states=3, repulsion=3.1).potential.double())
    potential.requires_grad_(True)
    three, two = molecule((1, 6, 7), 4, 3), molecule((1, 7), 2, 3, seed=1)
    positions = three.positions.copy()
    positions[0] *= 40
    positions[1, 2] += 100
    apart = np.zeros((2, 2, 3))
    apart[:, 1, 0] = [7.0, 6.9999]
    groups = (
        molecule((7,), 5, 3),
        molecule((1, 9), 3, 3, seed=2),
        replace(three, positions=positions),
        replace(two, positions=apart),
    )
    batch = samples_together(groups)
    assert agree(potential, batch, label_pairs(batch, 3)) > 30
