"""The order of frames, the learning rate and the average depend on nothing but seed and step."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import NUMBERS, dataset

from nadyn.training.averaging import WeightAverage
from nadyn.training.samples import (
    Stream,
    batches,
    batches_per_epoch,
    displaced_frames,
    random_stream,
    samples_from_group,
)
from nadyn.training.schedule import Schedule


@pytest.fixture(scope="module")
def groups():
    """20 and 7 frames; the first energy of each frame tells which one it is."""
    return tuple(samples_from_group(dataset(n, couplings=False).groups[0]) for n in (20, 7))


def _frames(groups, epoch, *, batch_size=5, seed=1):
    found = batches(groups, batch_size, seed=seed, epoch=epoch)
    return [torch.cat([part.positions for part in batch]) for batch in found]


def _rows(parts):
    return sorted(map(tuple, torch.cat(parts).flatten(1).tolist()))


def test_every_frame_comes_once_an_epoch_where_batches_divide_the_frames(groups):
    parts = _frames(groups[:1], epoch=3)
    assert [len(part) for part in parts] == [5, 5, 5, 5]
    assert _rows(parts) == _rows([groups[0].positions])


def test_a_torn_batch_is_left_out_and_its_frames_change_from_epoch_to_epoch(groups):
    parts = _frames(groups[1:], epoch=0)
    assert [len(part) for part in parts] == [5]
    assert len(set(_rows(parts))) == 5
    seen = {row for epoch in range(20) for row in _rows(_frames(groups[1:], epoch=epoch))}
    assert len(seen) == 7


def test_a_group_smaller_than_a_batch_is_a_batch(groups):
    parts = _frames(groups[1:], epoch=0, batch_size=32)
    assert [len(part) for part in parts] == [7]


@pytest.mark.parametrize("batch_size", [1, 4, 5, 7, 8, 64])
def test_the_number_of_batches_is_known_beforehand(groups, batch_size):
    assert batches_per_epoch(groups, batch_size) == len(_frames(groups, epoch=2, batch_size=batch_size))


def test_the_order_depends_on_seed_and_epoch_and_not_on_what_was_drawn_before(groups):
    first = torch.cat(_frames(groups[:1], epoch=4))
    torch.manual_seed(99)
    torch.rand(17)
    _frames(groups[:1], epoch=3)
    assert torch.equal(torch.cat(_frames(groups[:1], epoch=4)), first)
    assert not torch.equal(torch.cat(_frames(groups[:1], epoch=5)), first)
    assert not torch.equal(torch.cat(_frames(groups[:1], epoch=4, seed=2)), first)


def test_every_purpose_seed_and_number_has_random_numbers_of_its_own():
    # After a million steps too, and for the largest seeds: a sum of seed and step would meet that of another.
    keys = {
        (stream, seed, number)
        for stream in Stream
        for seed in (0, 1, 2, 1_000, 2**31 - 1)
        for number in (*range(25), 1_000_003, 1_000_004, 2_000_006, 2**31, 2**31 + 1)
    }
    drawn = {random_stream(*key).random() for key in keys}
    assert len(drawn) == len(keys) == len(Stream) * 5 * 30


def test_frames_of_all_groups_are_drawn_alike_and_each_part_of_a_batch_is_of_one(groups):
    groups = groups[0], replace(groups[1], name="other", energies=groups[1].energies + 1.0)
    shares = []
    for epoch in range(40):
        for batch in batches(groups, 9, seed=1, epoch=epoch):
            assert sum(map(len, batch)) == 9
            of_each = {part.name: part for part in batch}
            for group in groups:
                if group.name in of_each:
                    assert bool(torch.isin(of_each[group.name].energies, group.energies).all())
            shares.append(len(of_each["other"]) if "other" in of_each else 0)
    # 7 of 27 frames; three batches an epoch hold each of them once.
    assert np.mean(shares) == pytest.approx(9 * 7 / 27)
    assert len(set(shares)) > 3
    assert _rows(_frames(groups, epoch=3, batch_size=9)) == _rows([group.positions for group in groups])


def test_atoms_are_sorted_by_element_together_with_their_labels():
    group = dataset(3).groups[0]
    samples = samples_from_group(group)
    assert samples.numbers == tuple(sorted(NUMBERS))
    order = samples.order.numpy()
    assert [NUMBERS[i] for i in order] == list(samples.numbers)
    np.testing.assert_array_equal(samples.positions.numpy(), group.positions[:, order])
    np.testing.assert_array_equal(samples.forces.numpy(), group.forces[:, :, order])
    np.testing.assert_array_equal(samples.couplings.numpy(), group.interstate_couplings[:, :, order])


def test_the_rate_warms_up_linearly_and_falls_by_half_a_cosine_to_one_percent():
    schedule = Schedule(peak=2e-3, warmup_steps=10, changes=((0, 110),))
    assert [schedule.rate(step) for step in (0, 4, 9)] == pytest.approx([2e-4, 1e-3, 2e-3])
    assert schedule.rate(10) == pytest.approx(2e-3)
    assert schedule.rate(60) == pytest.approx(2e-3 * (0.01 + 0.99 * 0.5))
    assert schedule.rate(35) == pytest.approx(2e-3 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 4))))
    assert schedule.rate(110) == pytest.approx(2e-5)
    assert schedule.rate(10_000) == pytest.approx(2e-5)


def test_without_a_known_length_the_rate_stays_until_the_length_is_known():
    unknown = Schedule(peak=1e-3, warmup_steps=10)
    assert unknown.rate(5_000) == 1e-3
    known = unknown.changed(200, 600)
    assert known.rate(200) == pytest.approx(1e-3)
    assert known.rate(400) == pytest.approx(1e-3 * (0.01 + 0.99 * 0.5))
    assert known.rate(600) == pytest.approx(1e-5)


def test_the_bound_of_couplings_is_loose_at_first_and_tight_at_the_end():
    schedule = Schedule(peak=2e-3, warmup_steps=10, changes=((0, 400),))
    assert [schedule.looseness(step) for step in (0, 100, 200)] == [25.0] * 3
    assert schedule.looseness(250) == pytest.approx(5.0)
    assert [schedule.looseness(step) for step in (300, 399)] == [1.0] * 2
    assert Schedule(peak=2e-3, warmup_steps=10).looseness(1_000_000) == 25.0


@pytest.mark.parametrize("first", [0, 3, 120])
def test_a_shortened_schedule_goes_on_from_its_rate_and_still_ends_at_one_percent(first):
    whole = Schedule(peak=1e-3, warmup_steps=10).changed(first, 1000)
    shorter = whole.changed(400, 600)
    assert shorter.n_steps == 600
    assert [shorter.rate(step) for step in range(401)] == [whole.rate(step) for step in range(401)]
    assert shorter.rate(401) < whole.rate(401) < shorter.rate(400)
    # Half of what was left of the cosine is behind after half of the steps that are left.
    half = first if first > 10 else 10
    halfway = (400 - half) / (1000 - half)
    assert shorter.rate(500) == pytest.approx(whole.rate(round(half + (1000 - half) * (1 + halfway) / 2)))
    assert shorter.rate(600) == pytest.approx(1e-5)
    assert shorter.looseness(599) == 1.0
    again = shorter.changed(500, 520)
    assert again.rate(500) == shorter.rate(500)
    assert again.rate(520) == pytest.approx(1e-5)
    rates = [again.rate(step) for step in range(130, 521)]
    assert all(late < early for early, late in itertools.pairwise(rates))


def test_a_schedule_shortened_while_it_warms_up_begins_to_fall_after_that():
    schedule = Schedule(peak=1e-3, warmup_steps=100).changed(0, 1000).changed(50, 300)
    assert schedule.rate(99) == pytest.approx(1e-3)
    assert schedule.rate(200) == pytest.approx(1e-3 * (0.01 + 0.99 * 0.5))
    assert schedule.rate(300) == pytest.approx(1e-5)


def test_the_average_follows_the_weights_with_a_memory_that_grows():
    network = torch.nn.Linear(3, 2)
    average = WeightAverage(network, decay=0.9)
    expected = network.weight.detach().clone()
    for step in range(200):
        with torch.no_grad():
            network.weight.add_(0.1 * (step % 7))
        average.update(network, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.weight.detach()
    torch.testing.assert_close(average.values["weight"], expected)


def test_swapping_twice_changes_nothing_and_once_exchanges():
    network = torch.nn.Linear(3, 2)
    average = WeightAverage(network, decay=0.9)
    with torch.no_grad():
        network.bias.add_(1.0)
    weights, held = network.bias.detach().clone(), average.values["bias"].clone()
    average.swap(network)
    assert torch.equal(network.bias, held)
    assert torch.equal(average.values["bias"], weights)
    average.swap(network)
    assert torch.equal(network.bias, weights)
    assert torch.equal(average.values["bias"], held)


def test_displaced_frames_move_by_their_own_amplitude_and_depend_on_seed_and_step_alone(groups):
    batch = groups[0]
    (displaced,) = displaced_frames((batch,), 0.5, seed=1, step=7)
    torch.rand(3)
    (again,) = displaced_frames((batch,), 0.5, seed=1, step=7)
    assert torch.equal(again.positions, displaced.positions)
    for seed, step in ((2, 7), (1, 8)):
        other = displaced_frames((batch,), 0.5, seed=seed, step=step)[0].positions
        assert not torch.equal(other, displaced.positions)
    sizes = (displaced.positions - batch.positions).std(dim=(1, 2))
    assert float(sizes.max()) < 0.5 * 1.6
    assert float(sizes.min()) < 0.3 * float(sizes.max())
