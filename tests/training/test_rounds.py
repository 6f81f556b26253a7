"""What a training in rounds needs: weights of frames, a number of steps, a score that waits for couplings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from teacher import configuration, dataset, errors_of

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models.model_file import digest
from nadyn.training.losses import given_weights, mean_frame_weight
from nadyn.training.origin import origin
from nadyn.training.samples import samples_from_group
from nadyn.training.train import train


def weighted(weight):
    return Dataset((replace(dataset().groups[0], weight=np.asarray(weight, dtype=np.float64)),))


def test_equal_weights_are_no_weights_and_others_change_what_is_learned(tmp_path):
    settings = configuration(epochs=1)
    paths = [tmp_path / f"{name}.safetensors" for name in ("none", "equal", "other")]
    models = [
        train(data, path, settings).model
        for data, path in zip(
            (dataset(), weighted([3.0] * 24), weighted(np.arange(1, 25))), paths, strict=True
        )
    ]
    states = [model.potential.state_dict() for model in models]
    names = [name for name, tensor in states[0].items() if tensor.ndim == 2 and "networks" in name]
    for name in names:
        assert torch.equal(states[0][name], states[1][name])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in names)
    assert digest(paths[0]) != digest(paths[2])


def test_weights_are_divided_by_their_mean_over_the_training_set():
    first = samples_from_group(weighted(np.arange(1, 25)).groups[0])
    second = samples_from_group(dataset().groups[0])
    mean = mean_frame_weight((first, second))
    assert mean == pytest.approx((300 + 24) / 48)
    found = given_weights((first, second), mean)
    assert float(found.sum()) == pytest.approx(48)
    assert mean_frame_weight((second,)) is None
    part = first.take(torch.tensor([3, 0]))
    assert given_weights((part,), mean).tolist() == pytest.approx([4 / mean, 1 / mean])


def test_other_weights_are_other_data_to_a_resumed_training():
    one, two = (origin(configuration(), data)["data"] for data in (dataset(), weighted([2.0] * 24)))
    assert one != two


@pytest.mark.parametrize("steps", [3, 7])
def test_so_many_steps_are_made(tmp_path, steps):
    trained = train(dataset(), tmp_path / "model.safetensors", configuration(epochs=None, steps=steps))
    assert trained.outcome.progress.step == steps


@pytest.mark.parametrize("other", [{"epochs": 2}, {"epochs": None, "time_limit_minutes": 1}])
def test_a_training_has_one_length(other):
    with pytest.raises(ValueError, match="must not both be given"):
        configuration(**other, steps=5)


NOTHING = errors_of([1.0, 1.0], [2.0, 2.0], [0.5])


def score(energy, force, coupling, nothing=NOTHING):
    return errors_of([energy] * 2, [force] * 2, [coupling], nothing).score


def test_couplings_that_are_no_better_than_nothing_do_not_decide():
    early, late = score(0.9, 1.8, 0.5), score(0.1, 0.2, 5.0)
    assert late < early
    # The mean of all logarithms would be the same or better for the early one.
    assert sum(map(np.log, (0.4, 0.9, 0.5))) < sum(map(np.log, (0.1, 0.2, 10.0)))
    assert score(0.1, 0.2, 0.6) == score(0.1, 0.2, 6.0)
    assert score(0.1, 0.2, 0.4) < score(0.1, 0.2, 0.6)


def test_where_all_is_better_than_nothing_the_score_is_that_of_the_errors_but_for_a_constant():
    constant = score(0.3, 0.3, 0.3) - score(0.3, 0.3, 0.3, None)
    for errors in ((0.1, 0.2, 0.3), (0.9, 1.9, 0.4), (0.01, 1.0, 0.1)):
        assert score(*errors) - score(*errors, None) == pytest.approx(constant, abs=1e-12)


def test_of_what_is_worse_than_nothing_the_least_bad_is_taken():
    assert score(2.0, 3.0, 0.6) < score(3.0, 3.0, 0.6)
    assert score(0.99, 300.0, 60.0) < score(1.01, 2.01, 0.51)
    assert score(0.1, np.inf, 0.1) == np.inf


def test_a_quantity_without_labels_or_without_a_scale_is_no_trouble():
    assert np.isfinite(errors_of([0.1], [], [], NOTHING).score)
    flat = errors_of([1.0], [2.0], [0.0])
    assert errors_of([0.1], [0.2], [1e-9], flat).score < errors_of([0.1], [0.2], [1e-3], flat).score


def test_weights_of_frames_must_be_above_zero():
    from nadyn.data import group_from_arrays

    group = dataset().groups[0]
    values = {
        "atomic_numbers": group.atomic_numbers,
        "positions": group.positions,
        "energies": group.energies,
    }
    with pytest.raises(InputError, match=r"`weight` must be above 0, but frame 2 has 0"):
        group_from_arrays("toy", **values, weight=np.array([1.0, 1.0, 0.0] + [1.0] * 21))
    with pytest.raises(InputError, match=r"`weight` must have shape"):
        group_from_arrays("toy", **values, weight=np.ones(3))
    with pytest.raises(InputError, match=r"`tag` must have one word a frame, 24 of them, but has 1"):
        group_from_arrays("toy", **values, tag=["start"])
