"""Slopes and dipoles in the states of labels whose eigenvectors are known."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from contracts.untrained import untrained
from teacher import dataset

from nadyn.training.labelled_states import (
    dipoles_in_labelled_states,
    is_turned,
    slopes_in_labelled_states,
    with_possible_signs,
)
from nadyn.training.losses import residuals
from nadyn.training.predictions import Prediction, predict, predict_by_graph
from nadyn.training.quantities import compared
from nadyn.training.samples import labelled_matrices, samples_from_group
from nadyn.training.turned import turned
from nadyn.units import HARTREE_PER_EV

PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def orthogonal(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(n, 3, 3, generator=generator, dtype=torch.float64))[0]


@pytest.fixture
def learned():
    """A network in double precision, frames, and labels that know no eigenvectors yet."""
    potential = untrained("moments", "3x0e", n_states=3, seed=9).double().potential
    potential.requires_grad_(True)
    batch = samples_from_group(dataset(6, basis="3x0e", n_states=3).groups[0])
    return potential, batch


def slopes_of_elements(potential, batch):
    """∇W element by element, by automatic differentiation."""
    positions = batch.positions.clone().requires_grad_(True)
    cutoff = potential.network.cutoff
    matrix = potential(batch.surroundings(positions, cutoff, torch.float64))[0]
    found = torch.zeros(len(batch), 3, 3, *positions.shape[1:], dtype=torch.float64)
    for k in range(3):
        for l in range(3):
            found[:, k, l] = torch.autograd.grad(matrix[:, k, l].sum(), positions, retain_graph=True)[0]
    return found, matrix.detach()


def predicted(potential, batch):
    return predict_by_graph(potential, (batch,), PAIRS)[0]


def test_slopes_are_those_of_the_elements_of_the_matrix_in_labelled_states(learned):
    potential, batch = learned
    batch = replace(batch, eigenvectors=orthogonal(len(batch)))
    vectors = batch.eigenvectors
    elements, _ = slopes_of_elements(potential, batch)
    wanted = torch.einsum("fak,fabnx,fbl->fklnx", vectors, elements, vectors)
    found = slopes_in_labelled_states(predicted(potential, batch), batch)
    for number, (k, l) in enumerate(PAIRS):
        assert torch.allclose(found[:, number], wanted[:, k, l], atol=1e-10)


def test_both_ways_of_predicting_have_the_same_eigenvectors(learned):
    batch = replace(learned[1], eigenvectors=orthogonal(len(learned[1])))
    potential = untrained("moments", "3x0e", n_states=3, seed=9).potential
    one, two = predict(potential, batch, PAIRS), predicted(potential, batch)
    for prediction in (one, two):
        vectors = prediction.eigenvectors.double()
        matrix = (vectors * prediction.energies.double()[:, None, :]) @ vectors.mT
        assert torch.allclose(matrix, slopes_of_matrix(potential, batch), atol=1e-4)


def slopes_of_matrix(potential, batch):
    return potential(batch.surroundings(batch.positions, potential.network.cutoff, torch.float32))[0].double()


def test_labels_of_the_network_itself_leave_nothing(learned):
    potential, batch = learned
    elements, matrix = slopes_of_elements(potential, batch)
    energies, vectors = torch.linalg.eigh(matrix)
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    vectors = vectors * signs
    slopes = torch.einsum("fak,fabnx,fbl->fklnx", vectors, elements, vectors)
    batch = replace(
        batch,
        eigenvectors=vectors,
        energies=energies,
        forces=-torch.stack([slopes[:, k, k] for k in range(3)], dim=1),
        couplings=torch.stack([slopes[:, 0, 1], slopes[:, 0, 2], slopes[:, 1, 2]], dim=1),
        dipoles=None,
    )
    assert torch.allclose(labelled_matrices(batch), matrix, atol=1e-10)
    for name, (own, label) in compared(predicted(potential, batch), batch).items():
        if name in ("energy", "force", "coupling", "diabatic"):
            assert torch.allclose(own, label, atol=1e-9), name
    # With one sign of an eigenvector against its couplings they differ: it is not searched for.
    flipped = replace(batch, eigenvectors=vectors * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    own, label = compared(predicted(potential, flipped), flipped)["coupling"]
    assert (own - label).abs().max() > 1e-3


def test_the_gradient_in_the_weights_is_that_of_the_elements(learned):
    potential, batch = learned
    batch = replace(batch, eigenvectors=orthogonal(len(batch), seed=3))
    probe = torch.randn(len(batch), 6, *batch.positions.shape[1:], dtype=torch.float64)
    weights = [p for p in potential.parameters() if p.requires_grad]
    own = (slopes_in_labelled_states(predicted(potential, batch), batch) * probe).sum()
    found = torch.autograd.grad(own, weights, allow_unused=True)
    positions = batch.positions.clone().requires_grad_(True)
    matrix = potential(batch.surroundings(positions, potential.network.cutoff, torch.float64))[0]
    total = 0.0
    for number, (k, l) in enumerate(PAIRS):
        left, right = batch.eigenvectors[:, :, k], batch.eigenvectors[:, :, l]
        element = torch.einsum("fa,fab,fb->f", left, matrix, right)
        (slope,) = torch.autograd.grad(element.sum(), positions, create_graph=True)
        total = total + (slope * probe[:, number]).sum()
    wanted = torch.autograd.grad(total, weights, allow_unused=True)
    for one, two in zip(found, wanted, strict=True):
        one, two = (torch.zeros(1, dtype=torch.float64) if x is None else x for x in (one, two))
        assert torch.allclose(one, two, atol=1e-8 * (1.0 + float(two.abs().max())))


def test_frames_without_eigenvectors_are_compared_as_ever(learned):
    potential, batch = learned
    vectors = orthogonal(len(batch))
    vectors[2] = torch.nan
    some = replace(batch, eigenvectors=vectors)
    prediction = predicted(potential, some)
    found = slopes_in_labelled_states(prediction, some)
    assert torch.equal(found[2], prediction.gradients[2])
    assert not torch.allclose(found[3], prediction.gradients[3])
    plain, known = (
        {name: values.detach() for name, values in residuals((prediction,), (part,)).items()}
        for part in (batch, some)
    )
    for name in ("force", "coupling"):
        assert float(plain[name][2]) == pytest.approx(float(known[name][2]), rel=1e-9)
        assert float(plain[name][3]) != pytest.approx(float(known[name][3]), rel=1e-3)
    assert torch.isnan(known["diabatic"][2])


def test_without_the_slopes_of_all_pairs_nothing_is_turned(learned):
    potential, batch = learned
    some = replace(batch, eigenvectors=orthogonal(len(batch)))
    prediction = predict_by_graph(potential, (some,), ((0, 0), (1, 1), (2, 2)))[0]
    assert not is_turned(prediction, some)
    assert torch.equal(slopes_in_labelled_states(prediction, some), prediction.gradients)


def test_labels_whose_eigenvectors_are_known_are_not_turned_to_the_network(learned):
    potential, batch = learned
    energies = batch.energies.clone()
    energies[:, 1] = energies[:, 0] + 1e-4
    generator = torch.Generator().manual_seed(1)
    n_atoms = len(batch.numbers)
    labels = {
        "forces": torch.randn(len(batch), 3, n_atoms, 3, generator=generator, dtype=torch.float64),
        "couplings": torch.randn(len(batch), 3, n_atoms, 3, generator=generator, dtype=torch.float64),
    }
    close = replace(batch, energies=energies, dipoles=None, **labels)
    prediction = predicted(potential, close)
    noise = dict.fromkeys(("energy", "force", "coupling"), 1e-4)
    weights = dict.fromkeys(("energy", "force", "coupling"), 1.0)
    assert not torch.equal(turned(prediction, close, noise, weights).forces, close.forces)
    some = replace(close, eigenvectors=orthogonal(len(batch)))
    assert torch.equal(turned(prediction, some, noise, weights).forces, close.forces)


def test_dipoles_turn_with_the_slopes(learned):
    _, batch = learned
    n = len(batch)
    vectors, labels = orthogonal(n, 1), orthogonal(n, 2)
    operator = torch.randn(n, 3, 3, 3, dtype=torch.float64)
    operator = operator + operator.transpose(1, 2)
    own = torch.einsum("fak,fabx,fbl->fklx", vectors, operator, vectors)
    prediction = Prediction(
        batch.energies,
        torch.zeros(n, 6, len(batch.numbers), 3, dtype=torch.float64),
        PAIRS,
        torch.full((n,), torch.inf),
        dipoles=own,
        eigenvectors=vectors,
    )
    found = dipoles_in_labelled_states(prediction, replace(batch, eigenvectors=labels))
    assert torch.allclose(found, torch.einsum("fak,fabx,fbl->fklx", labels, operator, labels), atol=1e-12)


def signed(labels, signs):
    return torch.tensor(signs, dtype=torch.float64)[:, None] * labels


def prediction_of(energies, vectors):
    n = len(energies)
    none = torch.zeros(n, 6, 4, 3, dtype=torch.float64)
    return Prediction(energies, none, PAIRS, torch.full((n,), torch.inf), eigenvectors=vectors)


def test_labels_that_contradict_a_network_by_their_signs_alone_take_those_of_the_network(learned):
    _, batch = learned
    vectors = orthogonal(len(batch), 5)
    # Elements of several eV.
    wide = replace(batch, energies=torch.tensor([0.0, 0.2, 0.4], dtype=torch.float64).expand(len(batch), 3))
    prediction = prediction_of(wide.energies, vectors)
    for signs in product((1.0, -1.0), repeat=3):
        labels = replace(wide, eigenvectors=signed(vectors, signs))
        found = labelled_matrices(with_possible_signs(prediction, labels))
        big = (labelled_matrices(labels) - labelled_matrices(replace(wide, eigenvectors=vectors))).norm(
            dim=(1, 2)
        ) > 1.01 * HARTREE_PER_EV
        assert big.any() or abs(sum(signs)) == 3
        expected = torch.where(
            big[:, None, None], labelled_matrices(replace(wide, eigenvectors=vectors)), found
        )
        assert torch.allclose(found, expected, atol=1e-12)


def test_signs_stay_where_an_element_is_small_as_near_a_seam(learned):
    _, batch = learned
    vectors = orthogonal(len(batch), 5)
    energies = torch.tensor([0.0, 0.005, 0.01], dtype=torch.float64).expand(len(batch), 3)
    near = replace(batch, energies=energies, eigenvectors=signed(vectors, (-1.0, 1.0, 1.0)))
    kept = with_possible_signs(prediction_of(energies, vectors), near)
    assert torch.equal(kept.eigenvectors, near.eigenvectors)


def test_labels_that_are_wrong_by_more_than_signs_stay(learned):
    _, batch = learned
    energies = torch.tensor([0.0, 0.2, 0.4], dtype=torch.float64).expand(len(batch), 3)
    some = replace(batch, energies=energies, eigenvectors=orthogonal(len(batch), 5))
    prediction = prediction_of(energies + torch.tensor([0.0, 1.0, 2.0]), orthogonal(len(batch), 6))
    assert torch.equal(with_possible_signs(prediction, some).eigenvectors, some.eigenvectors)


def test_frames_without_labels_keep_none_beside_signs(learned):
    _, batch = learned
    vectors = orthogonal(len(batch), 5)
    vectors[2] = torch.nan
    some = replace(batch, eigenvectors=vectors)
    chosen = with_possible_signs(prediction_of(batch.energies, orthogonal(len(batch), 6)), some).eigenvectors
    assert torch.isnan(chosen[2]).all()
    assert torch.isfinite(chosen[[0, 1, 3, 4, 5]]).all()
