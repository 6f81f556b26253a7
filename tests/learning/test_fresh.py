"""Fresh labels judge a committee: mean errors with standard errors, couplings with the signs that fit."""

from dataclasses import replace

import numpy as np
import pytest

import nadyn
from nadyn.learning.fresh import judge
from nadyn.shipped import path

MODELS = [
    nadyn.load_model(path(f"ammonia/{name}.safetensors")) for name in ("ammonia", "ammonia_trajectories")
]


@pytest.fixture(scope="module")
def labels():
    return nadyn.load_dataset(path("ammonia/ammonia_near_intersection.h5")).groups[0].select(range(12))


def test_errors_are_the_mean_over_the_members(labels, unchecked_annotations):
    both = judge(MODELS, labels)
    each = [judge([model], labels) for model in MODELS]
    np.testing.assert_allclose(both.energy_ev, np.mean([one.energy_ev for one in each], axis=0))
    assert both.record().energy_ev == pytest.approx(np.mean([one.record().energy_ev for one in each]))
    assert both.record().n == 12


def test_a_shift_of_the_labels_is_found_with_a_small_error(labels, unchecked_annotations):
    shifted = replace(labels, energies=labels.energies + 0.1 / 27.211386245981)
    record = judge(MODELS[:1], shifted).record()
    assert record.energy_ev == pytest.approx(0.1, abs=0.005)
    assert record.energy_error_ev < 0.005


def test_signs_of_couplings_do_not_count_and_their_sizes_do(labels, unchecked_annotations):
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.0, 1.0], size=(12, 1, 1, 1))
    turned = replace(labels, interstate_couplings=signs * labels.interstate_couplings)
    plain, other = (judge(MODELS[:1], one).record().coupling_relative for one in (labels, turned))
    assert other == pytest.approx(plain) and plain < 0.05
    twice = replace(labels, interstate_couplings=2.0 * labels.interstate_couplings)
    assert judge(MODELS[:1], twice).record().coupling_relative == pytest.approx(0.5, abs=0.03)


def test_without_couplings_there_is_no_error_of_couplings(labels, unchecked_annotations):
    assert judge(MODELS[:1], replace(labels, interstate_couplings=None)).record().coupling_relative is None
