"""Labels of close states are turned to those of a network, and nothing else is."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import dataset

from nadyn.training.losses import residuals
from nadyn.training.predictions import Prediction
from nadyn.training.samples import samples_from_group
from nadyn.training.turned import turned
from nadyn.units import HARTREE_PER_EV

NOISE = {"energy": 1e-6, "force": 4e-5, "coupling": 3e-5}
WEIGHTS = {"energy": 1.0, "force": 10.0, "coupling": 7.0}
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def frames(gaps_ev, *, seed=0):
    """Frames of three states with these two gaps, and labels at random."""
    batch = samples_from_group(dataset(len(gaps_ev), basis="3x0e", n_states=3).groups[0])
    generator = torch.Generator().manual_seed(seed)
    energies = torch.zeros(len(gaps_ev), 3, dtype=torch.float64)
    energies[:, 1:] = torch.cumsum(HARTREE_PER_EV * torch.tensor(gaps_ev).double(), dim=1)
    n_atoms = len(batch.numbers)
    slopes = torch.randn(len(gaps_ev), 3, 3, n_atoms, 3, generator=generator).double()
    return with_slopes(replace(batch, energies=energies), 0.05 * (slopes + slopes.transpose(1, 2)))


def with_slopes(batch, slopes):
    forces = -torch.stack([slopes[:, k, k] for k in range(3)], dim=1)
    couplings = torch.stack([slopes[:, 0, 1], slopes[:, 0, 2], slopes[:, 1, 2]], dim=1)
    return replace(batch, forces=forces, couplings=couplings)


def slopes_of(batch):
    k, l = (0, 0, 1), (1, 2, 2)
    result = torch.diag_embed(-batch.forces.movedim(1, -1)).movedim((-2, -1), (1, 2)).clone()
    result[:, k, l] = result[:, l, k] = batch.couplings
    return result


def predicted(batch, slopes):
    gradients = torch.stack([slopes[:, k, l] for k, l in PAIRS], dim=1)
    return Prediction(batch.energies.clone(), gradients, PAIRS, torch.full((len(batch),), math.inf))


def rotation(angle, pair):
    k, l = pair
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[k, k] = matrix[l, l] = math.cos(angle)
    matrix[l, k], matrix[k, l] = math.sin(angle), -math.sin(angle)
    return matrix


def turn(slopes, matrix):
    return torch.einsum("ka,fkl...,lb->fab...", matrix, slopes, matrix)


def total(turned_slopes, turned_energies, network, predicted_energies):
    """The sum that an angle makes least, of states 0 and 1, for each of many rotations of one frame."""
    n_components = turned_slopes[0, 0, 0].numel()
    of_forces = 2 * WEIGHTS["force"] / (3 * NOISE["force"])
    of_slopes = 0.5 * (of_forces + WEIGHTS["coupling"] / (3 * NOISE["coupling"])) / n_components
    of_energies = WEIGHTS["energy"] / (3 * NOISE["energy"])
    difference, other = (
        0.5 * (one[..., 1, 1, :, :] - one[..., 0, 0, :, :]) for one in (turned_slopes, network)
    )
    off = turned_slopes[:, 0, 1] - network[0, 1]
    block = (turned_energies - torch.diag(predicted_energies))[:, :2, :2].square().sum(dim=(1, 2))
    return of_slopes * ((difference - other).square() + off.square()).sum(dim=(1, 2)) + of_energies * block


def slopes_of_model(prediction):
    result = prediction.gradients.new_zeros((len(prediction.energies), 3, 3, *prediction.gradients.shape[2:]))
    for number, (k, l) in enumerate(PAIRS):
        result[:, k, l] = result[:, l, k] = prediction.gradients[:, number]
    return result


@pytest.mark.parametrize("pair", [(0, 1), (1, 2)])
def test_at_an_intersection_labels_become_those_of_a_network_that_differs_by_a_rotation_and_signs(pair):
    gaps = [(1e-7, 2.0), (1e-7, 1.0)] if pair == (0, 1) else [(2.0, 1e-7), (1.0, 1e-7)]
    batch = frames(gaps)
    signs = torch.diag(torch.tensor([1.0, -1.0, -1.0]).double())
    network = turn(turn(slopes_of(batch), rotation(1.1, pair)), signs)
    prediction = predicted(batch, network)
    found = turned(prediction, batch, NOISE, WEIGHTS)
    torch.testing.assert_close(slopes_of(found), network, rtol=0, atol=1e-6)
    before, after = (residuals((prediction,), (one,)) for one in (batch, found))
    for name in ("force", "coupling"):
        assert float(before[name].min()) > 1e-3 and float(after[name].max()) < 1e-12
    assert torch.equal(found.energies, batch.energies)


def test_beyond_the_width_nothing_is_turned():
    batch = frames([(0.41, 0.6), (2.0, 0.4001), (0.1, 3.0)])
    prediction = predicted(batch, slopes_of(frames([(1, 1)] * 3, seed=1)))
    found = turned(prediction, batch, NOISE, WEIGHTS)
    assert torch.equal(found.forces[:2], batch.forces[:2])
    assert torch.equal(found.couplings[:2], batch.couplings[:2])
    assert not torch.allclose(found.forces[2, :2], batch.forces[2, :2])
    # The state that is far away keeps its force.
    torch.testing.assert_close(found.forces[2, 2], batch.forces[2, 2], rtol=1e-14, atol=0)


def test_the_angle_is_the_best_of_all():
    batch = frames([(0.004, 3.0)] * 4, seed=3)
    network = slopes_of(frames([(1, 1)] * 4, seed=4)) + 0.7 * slopes_of(batch)
    far = torch.tensor([1.0, 30.0, 1.0]).double()
    prediction = replace(predicted(batch, network), energies=batch.energies * far)
    found = slopes_of(turned(prediction, batch, NOISE, WEIGHTS))
    rotations = torch.stack([rotation(a, (0, 1)) for a in np.linspace(-np.pi / 2, np.pi / 2, 601)])
    for frame in range(4):
        reached = []
        for sign in (1.0, -1.0):
            signs = torch.diag(torch.tensor([1.0, sign, 1.0]).double())
            slopes = turn(slopes_of(batch)[frame : frame + 1], signs)[0]
            all_slopes = torch.einsum("nka,kl...,nlb->nab...", rotations, slopes, rotations)
            energies = rotations.mT @ torch.diag(batch.energies[frame]) @ rotations
            sums = total(all_slopes, energies, network[frame], prediction.energies[frame])
            off = (all_slopes - found[frame])[:, :2, :2].abs().amax(dim=(1, 2, 3, 4))
            reached.append((float(off.min()), float(sums[off.argmin()]), float(sums.min())))
        # One sign leads to what was found, by an angle of the grid but for half a step and the fading.
        off, here, least = min(reached)
        assert off < 2e-3 and here <= least * (1 + 1e-3)


def test_a_gap_that_both_have_leaves_states_as_they_are():
    """Energies have their say: with a gap that is known well, forces that differ are no rotation."""
    batch = frames([(0.1, 3.0)])
    network = slopes_of(frames([(1, 1)], seed=5))
    sure = {**NOISE, "energy": 1e-14}
    prediction = predicted(batch, network)
    known, unknown = (turned(prediction, batch, noise, WEIGHTS) for noise in (sure, {**NOISE, "energy": 1e3}))
    torch.testing.assert_close(known.forces, batch.forces, rtol=0, atol=1e-6)
    assert float((unknown.forces - batch.forces).abs().max()) > 1e-2


def test_missing_labels_and_a_noise_that_is_not_known_leave_everything():
    batch = frames([(0.01, 2.0), (0.01, 2.0)])
    prediction = predicted(batch, slopes_of(frames([(1, 1)] * 2, seed=6)))
    assert turned(prediction, batch, {"energy": 1.0}, WEIGHTS) is batch
    assert turned(prediction, replace(batch, couplings=None), NOISE, WEIGHTS).couplings is None
    couplings = batch.couplings.clone()
    couplings[0, 1] = math.nan
    found = turned(prediction, replace(batch, couplings=couplings), NOISE, WEIGHTS)
    assert torch.equal(found.forces[0], batch.forces[0])
    assert not torch.equal(found.forces[1], batch.forces[1])


def test_dipoles_turn_with_the_states():
    batch = frames([(1e-7, 2.0), (2.0, 2.0)])
    generator = torch.Generator().manual_seed(8)
    dipoles = torch.randn(2, 3, 3, 3, generator=generator).double()
    dipoles = dipoles + dipoles.transpose(1, 2)
    matrix = rotation(0.6, (0, 1))
    prediction = predicted(batch, turn(slopes_of(batch), matrix))
    found = turned(prediction, replace(batch, dipoles=dipoles), NOISE, WEIGHTS)
    torch.testing.assert_close(found.dipoles[:1], turn(dipoles[:1], matrix), rtol=0, atol=1e-6)
    assert torch.equal(found.dipoles[1], dipoles[1])


def off_by(found, network):
    """Sum of the squares of what differs with the best of all signs."""
    signs = torch.cartesian_prod(*[torch.tensor([1.0, -1.0]).double()] * 3)
    signed = signs[:, None, :, None] * signs[:, None, None, :]
    slopes = signed[..., None, None] * slopes_of(found)
    return (slopes - network).square().sum(dim=(2, 3, 4, 5)).amin(dim=0)


def test_couplings_to_a_third_state_may_forbid_a_rotation():
    """Two states with slopes that are hardly there, and large couplings to a third one that fit."""
    batch = frames([(1e-6, 3.0)] * 6, seed=9)
    scale = torch.ones(3, 3).double()
    scale[:2, :2] = 1e-2
    network = scale[:, :, None, None] * slopes_of(batch)
    batch = with_slopes(batch, network)
    noise = scale.new_zeros(network.shape)
    noise[:, :2, :2] = 2e-3 * slopes_of(frames([(1.0, 1.0)] * 6, seed=10))[:, :2, :2].sign()
    network = network + noise
    prediction = predicted(batch, network)
    found = turned(prediction, batch, NOISE, WEIGHTS)
    before, after = (off_by(one, network) for one in (batch, found))
    assert bool((after <= before * (1 + 1e-9)).all())


def test_a_molecule_of_another_size_weighs_energies_as_the_loss_does():
    batch = frames([(0.05, 3.0)] * 2)
    prediction = predicted(batch, slopes_of(frames([(1, 1)] * 2, seed=11)))
    found = turned(prediction, replace(batch, size=3.0), NOISE, WEIGHTS)
    same = turned(prediction, batch, {**NOISE, "energy": 9.0 * NOISE["energy"]}, WEIGHTS)
    torch.testing.assert_close(found.forces, same.forces, rtol=0, atol=1e-12)
    assert not torch.allclose(found.forces, turned(prediction, batch, NOISE, WEIGHTS).forces, atol=1e-4)


def test_dipoles_without_those_of_transitions_stay_as_they_are():
    batch = frames([(1e-7, 2.0)] * 2)
    dipoles = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(12)).double()
    dipoles = dipoles + dipoles.transpose(1, 2)
    dipoles[0, 0, 1] = dipoles[0, 1, 0] = math.nan
    prediction = predicted(batch, turn(slopes_of(batch), rotation(0.6, (0, 1))))
    found = turned(prediction, replace(batch, dipoles=dipoles), NOISE, WEIGHTS)
    assert torch.equal(found.dipoles[0].nan_to_num(7.0), dipoles[0].nan_to_num(7.0))
    assert not torch.allclose(found.dipoles[1], dipoles[1], atol=1e-3)
    assert not torch.allclose(found.forces[0], batch.forces[0], atol=1e-3)


def test_many_states_choose_among_few_signs_and_find_the_right_ones():
    """Nine states: two at an intersection turned by a large angle, all signs at random."""
    n, pairs = 9, [(k, l) for k in range(9) for l in range(k + 1, 9)]
    generator = torch.Generator().manual_seed(13)
    slopes = torch.randn(4, n, n, 4, 3, generator=generator).double()
    slopes = 0.05 * (slopes + slopes.transpose(1, 2))
    # Hardly coupled to the others: which sign they have beside one another only the angle tells.
    slopes[:, 2:4, [0, 1, 4, 5, 6, 7, 8]] *= 1e-4
    slopes[:, [0, 1, 4, 5, 6, 7, 8], 2:4] *= 1e-4
    energies = HARTREE_PER_EV * torch.tensor([0.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).double()
    k, l = zip(*pairs, strict=True)
    plain = frames([(1.0, 1.0)] * 4)
    batch = replace(
        plain,
        energies=energies.expand(4, -1),
        forces=-slopes.diagonal(dim1=1, dim2=2).movedim(-1, 1),
        couplings=slopes[:, k, l],
    )
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0]).double()
    matrix = torch.eye(n).double()
    matrix[2, 2] = matrix[3, 3] = math.cos(1.1)
    matrix[3, 2], matrix[2, 3] = math.sin(1.1), -math.sin(1.1)
    network = turn(slopes, matrix * signs)
    order = [(k, k) for k in range(n)] + pairs
    gradients = torch.stack([network[:, k, l] for k, l in order], dim=1)
    prediction = Prediction(batch.energies.clone(), gradients, tuple(order), torch.full((4,), math.inf))
    found = turned(prediction, batch, NOISE, WEIGHTS)
    for values in residuals((prediction,), (found,)).values():
        assert float(values.max()) < 1e-20


@pytest.mark.parametrize("gap", [0.02, 0.2, 0.3])
def test_the_angle_is_that_of_the_formula_and_fades(gap):
    batch = frames([(gap, 3.0)])
    gap = float(batch.energies[0, 1]) / HARTREE_PER_EV  # rounded to single precision
    network = slopes_of(frames([(1, 1)], seed=14))
    # Couplings to the third state have no say.
    network[:, 2, :2] = network[:, :2, 2] = 0.0
    found = slopes_of(turned(predicted(batch, network), batch, NOISE, WEIGHTS))
    of_forces = 2 * WEIGHTS["force"] / (3 * NOISE["force"])
    of_slopes = 0.5 * (of_forces + WEIGHTS["coupling"] / (3 * NOISE["coupling"])) / network[0, 0, 0].numel()
    along = 2 * WEIGHTS["energy"] / (3 * NOISE["energy"]) * (0.5 * gap * HARTREE_PER_EV) ** 2
    g_m, h_m = 0.5 * (network[0, 1, 1] - network[0, 0, 0]), network[0, 0, 1]
    near = []
    for sign in (1.0, -1.0):
        slopes = turn(slopes_of(batch), torch.diag(torch.tensor([1.0, sign, 1.0]).double()))
        g, h = 0.5 * (slopes[0, 1, 1] - slopes[0, 0, 0]), slopes[0, 0, 1]
        sine = of_slopes * float((g * h_m - h * g_m).sum())
        cosine = of_slopes * float((g * g_m + h * h_m).sum()) + along
        angle = 0.5 * math.atan2(sine, cosine) * (1 - (gap / 0.4) ** 2) ** 3
        expected = turn(slopes, rotation(angle, (0, 1)))
        off = (expected - found)[:, :2, :2].abs()
        off[:, [0, 1], [1, 0]] = torch.minimum(off, (expected + found)[:, :2, :2].abs())[:, [0, 1], [1, 0]]
        unturned = (slopes - found)[:, [0, 1], [0, 1]].abs().max()
        near.append((float(off.max()), float(unturned)))
    off, unturned = min(near)
    assert off < 1e-11 and unturned > 1e-4
