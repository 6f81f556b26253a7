"""One bad step changes nothing; many in a row end the training with advice."""

import math
from dataclasses import replace

import pytest
import torch
from teacher import configuration, dataset

from nadyn.checks.errors import RunError
from nadyn.training import loop
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.losses import NoiseScales
from nadyn.training.predictions import label_pairs
from nadyn.training.samples import batches_per_epoch, samples_from_group
from nadyn.training.schedule import Length
from nadyn.training.step import train_step


@pytest.fixture
def samples():
    return samples_from_group(dataset(20).groups[0])


def _network(settings, samples):
    data = dataset(20)
    elements = elements_of(data)
    return build_network(settings, (samples,), shortest_distances(data, elements), elements)


def _train(tmp_path, settings, network, training, validation):
    states = []

    def report(progress):
        states.append((progress.step, progress.skipped, progress.loss))

    outcome = loop.train_network(
        network,
        (training,),
        (validation,),
        settings,
        Length(n_steps=settings.epochs * batches_per_epoch((training,), settings.batch_size)),
        checkpoint=tmp_path / "m.checkpoint",
        origin={},
        resume=False,
        report=report,
    )
    return outcome, states


def _with_bad_energies(samples, frames):
    energies = samples.energies.clone()
    energies[frames] = torch.inf
    return replace(samples, energies=energies)


def test_a_step_whose_loss_is_not_finite_is_skipped_and_counted(tmp_path, samples):
    settings = configuration(epochs=3)
    network = _network(settings, samples)
    # One frame in four batches is broken: one step an epoch cannot be taken.
    outcome, states = _train(tmp_path, settings, network, _with_bad_energies(samples, [7]), samples)
    assert outcome.progress.step == 12
    assert outcome.progress.skipped == 3
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())
    assert all(math.isfinite(entry["score"]) for entry in outcome.progress.history)
    assert math.isfinite(states[-1][2])


def test_a_skipped_step_changes_neither_weights_nor_average_nor_noise(samples):
    settings = configuration(epochs=1)
    network = _network(settings, samples)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    scales = NoiseScales(dict.fromkeys(("energy", "force", "coupling")))
    pairs = label_pairs((samples,), 2)
    before = [p.detach().clone() for p in network.parameters()]
    batch = _with_bad_energies(samples, [0])
    loss = train_step(network, (batch,), pairs, optimizer, scales, settings, None, step=0, looseness=1.0)
    assert math.isnan(loss)
    assert all(torch.equal(p, value) for p, value in zip(network.parameters(), before, strict=True))
    assert not optimizer.state
    assert scales.variances == {}
    assert math.isfinite(
        train_step(network, (samples,), pairs, optimizer, scales, settings, None, step=0, looseness=1.0)
    )
    assert set(scales.variances) == {"energy", "force", "coupling"}


@pytest.mark.parametrize("broken", ["labels", "network"])
def test_many_bad_steps_in_a_row_end_the_training_with_advice(tmp_path, samples, broken):
    settings = configuration(epochs=9, batch_size=2)
    network = _network(settings, samples)
    training = samples
    if broken == "labels":
        training = _with_bad_energies(samples, list(range(20)))
    else:
        network.reference.offsets.fill_(torch.nan)
    with pytest.raises(
        RunError, match=r"not finite 20 times in a row at step 19. Try a smaller learning_rate"
    ):
        _train(tmp_path, settings, network, training, samples)
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())


def test_a_training_without_one_good_step_is_no_training(tmp_path, samples):
    # Fewer steps than may fail in a row.
    settings = configuration(epochs=2)
    network = _network(settings, samples)
    with pytest.raises(
        RunError, match=r"not finite in any of 8 steps, so nothing was learned. Try a smaller"
    ):
        _train(tmp_path, settings, network, _with_bad_energies(samples, list(range(20))), samples)
