"""The front of energy against force."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from teacher import configuration, dataset, teacher

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.training.figure_of_front import front_figure
from nadyn.training.pareto import Point, _judged, force_weights, in_words, marked, pareto


def point(energy, force, weight=1.0):
    return Point(f"{weight}.safetensors", weight, float(energy), float(force))


def test_a_point_is_on_the_front_if_no_other_is_as_good_in_one_and_better_in_the_other():
    points = marked((point(1, 9), point(2, 5), point(3, 5), point(4, 1), point(4, 2), point(9, 9)))
    assert [one.on_front for one in points] == [True, True, False, True, False, False]
    # Twins beat each other in nothing.
    assert all(one.on_front for one in marked((point(1, 1, 1.0), point(1, 1, 1.0))))
    assert "3 models of 6" in in_words(points) and "best forces 1.0000 eV/Å with 4.0000 eV" in in_words(
        points
    )


def test_weights_are_equidistant_in_their_logarithm():
    weights = force_weights(10.0, 5)
    assert weights[2] == 10.0 and weights[4] / weights[0] == pytest.approx(1000, rel=1e-3)
    assert weights[1] / weights[0] == pytest.approx(weights[4] / weights[3], rel=1e-3)


def test_models_are_trained_kept_and_drawn(tmp_path):
    data, settings = dataset(24), configuration(epochs=1, validation_fraction=0.25)
    steps = []
    points = pareto(data, tmp_path / "front", settings, n=3, report=lambda number, _: steps.append(number))
    assert set(steps) == {0, 1, 2} and any(one.on_front for one in points)
    assert len({one.energy_mae_ev for one in points}) == 3
    stored = json.loads((tmp_path / "front" / "front.json").read_text())
    assert [one["force_weight"] for one in stored] == list(force_weights(10.0, 3))
    again = pareto(data, tmp_path / "front", settings, n=3, report=lambda *_: pytest.fail("trained again"))
    assert again == points
    front_figure(points, tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 5000
    for other, changed in (
        (dataset(23), settings),
        (data, configuration(epochs=2, validation_fraction=0.25)),
    ):
        with pytest.raises(InputError, match="must be of this data and configuration"):
            pareto(other, tmp_path / "front", changed, n=3)


def test_a_molecule_without_forces_counts_for_energies_only():
    group = dataset(6).groups[0]
    held_out = Dataset((group, replace(group, name="other", forces=None)))
    one, both = (_judged(teacher(), Path("m"), 1.0, data) for data in (Dataset((group,)), held_out))
    assert one.force_mae_ev_per_angstrom == both.force_mae_ev_per_angstrom
    assert both.energy_mae_ev == pytest.approx(one.energy_mae_ev)


def test_what_has_no_front_is_one_sentence(tmp_path):
    data, settings = dataset(12), configuration()
    with pytest.raises(InputError, match="`--models` must be at least 3"):
        pareto(data, tmp_path, settings, n=2)
    without = Dataset((replace(data.groups[0], forces=None),))
    with pytest.raises(InputError, match="must have data with forces"):
        pareto(without, tmp_path, settings, n=3)
    with pytest.raises(InputError, match="must have frames to hold out"):
        pareto(data, tmp_path, configuration(validation_fraction=1e-6, split="stable"), n=3)
