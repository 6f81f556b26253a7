"""Labels near crossings beside thousands of frames: what trains, what judges, with which settings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, split
from nadyn.electronic.crossings import landscape_of_model
from nadyn.electronic.surfaces import surfaces
from nadyn.learning.crossing_lessons import Lessons, own_group, settings_to_go_on, single_model, with_lessons
from nadyn.models import load_model
from nadyn.models.analytic import tully
from nadyn.models.analytic.molecules import jahn_teller
from nadyn.shipped import path
from nadyn.training.configuration import TrainingConfiguration
from tests.electronic.crossings.seam_models import Teacher

AMMONIA = path("ammonia/ammonia.safetensors")


def group(n, *, seed, name="water", numbers=(8, 1, 1)):
    random = np.random.default_rng(seed)
    apart = 2.0 * np.arange(3 * len(numbers)).reshape(-1, 3)
    positions = apart + random.standard_normal((n, len(numbers), 3))
    energies = np.sort(random.standard_normal((n, 2)), axis=1)
    return group_from_arrays(
        name, atomic_numbers=list(numbers), positions=positions, energies=energies, charge=0
    )


@pytest.mark.parametrize(("n_near", "weight"), [(3, 10.0), (20, None), (400, 1.0)])
def test_few_labels_count_a_tenth_and_never_more_than_ten_frames(n_near, weight):
    data, near = Dataset((group(500, seed=1),)), group(n_near, seed=2)
    settings = TrainingConfiguration(split="stable", validation_fraction=0.2, seed=5)
    training, judged = with_lessons(data, near, settings)
    old, held = split(data, 0.2, seed=5, how="stable")
    (learned,), (judging,) = training.groups, judged.groups
    # Nothing that was held out is learned now, and all new labels are in both.
    np.testing.assert_array_equal(learned.positions[:-n_near], old.groups[0].positions)
    np.testing.assert_array_equal(judging.positions[:-n_near], held.groups[0].positions)
    for one in (learned, judging):
        np.testing.assert_array_equal(one.positions[-n_near:], near.positions)
    expected = 0.1 * old.n_frames / n_near if weight is None else weight
    np.testing.assert_allclose(learned.weight[-n_near:], expected)
    np.testing.assert_array_equal(learned.weight[:-n_near], 1.0)


def test_a_training_goes_on_with_the_settings_of_the_model_for_fewer_steps_at_a_lower_rate():
    before = TrainingConfiguration(epochs=30, batch_size=8, seed=7, learning_rate=0.01)
    stored = before.model_dump(mode="json")
    model = replace(load_model(AMMONIA), trained_on={"configuration": stored})
    found = settings_to_go_on(model, seed=3)
    assert (found.steps, found.epochs, found.time_limit_minutes) == (1000, None, None)
    assert (found.batch_size, found.seed, found.seed_of_split) == (8, 3, 7)
    assert found.learning_rate == pytest.approx(0.004)
    with pytest.raises(InputError, match="must say how it was trained"):
        settings_to_go_on(replace(model, trained_on={}), seed=3)


def test_the_molecule_of_the_source_is_found_among_others_and_must_be_of_its_level():
    peroxide = replace(group(4, seed=2, name="peroxide", numbers=(8, 8, 1, 1)), multiplicities=(1, 1))
    data = Dataset((group(5, seed=1), peroxide))

    def source(numbers, **changes):
        found = Teacher(landscape_of_model(jahn_teller()))
        vars(found).update({"atomic_numbers": numbers, "multiplicities": (1, 1)} | changes)
        return found

    assert own_group(data, source((8, 8, 1, 1))) == "peroxide"
    with pytest.raises(InputError, match="holds 0"):
        own_group(data, source((1, 8, 1)))
    for changes, what in (({"charge": 1}, "charge"), ({"multiplicities": (1, 3)}, "multiplicities")):
        with pytest.raises(InputError, match=f"must have the {what}"):
            own_group(data, source((8, 8, 1, 1), **changes))
    known = Dataset((replace(peroxide, theory="another model"),))
    with pytest.raises(InputError, match="theory of the source, a model, but has another model"):
        own_group(known, source((8, 8, 1, 1)))


def test_a_model_that_is_not_learned_cannot_learn_on():
    with pytest.raises(InputError, match="must be a learned one"):
        single_model(tully(1))


def test_rounds_go_on_from_the_weights_of_the_round_before_and_are_done_once(tmp_path, unchecked_annotations):
    first = load_model(AMMONIA)
    random = np.random.default_rng(4)
    positions = first.starting_geometry.numpy() + 0.05 * random.standard_normal((30, 4, 3))
    found = surfaces(first, torch.from_numpy(positions))
    arrays = {"positions": positions, "energies": found.energies.numpy(), "forces": found.forces.numpy()}
    whole = group_from_arrays("ammonia", atomic_numbers=[7, 1, 1, 1], charge=0, **arrays)
    data, near = Dataset((whole.select(range(20)),)), whole.select(range(20, 30))
    stored = first.trained_on["configuration"] | {"learning_rate": 1e-9, "weight_decay": 0.0}
    model = replace(first, trained_on={"configuration": stored})
    settings = settings_to_go_on(model, seed=3).model_copy(update={"steps": 1, "batch_size": 4})
    lessons = Lessons(model, data, settings, lambda number: tmp_path / f"round_{number}" / "m.safetensors")
    second, n_frames = lessons.learn(2, near)
    assert n_frames == 18 + 10 and second.trained_on["seed"] == 3 + 1009
    assert second.trained_on["start"].startswith("it began with the weights of another model")
    for one, other in zip(first.potential.parameters(), second.potential.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    # The third begins with the second, whatever the first was; what is done is not done again.
    file = tmp_path / "round_2" / "m.safetensors"
    before = file.stat().st_mtime_ns
    assert lessons.learn(2, near)[1] == 28 and file.stat().st_mtime_ns == before
    other = load_model(path("ammonia/ammonia_trajectories.safetensors"))
    third, _ = replace(lessons, first=other).learn(3, near)
    assert third.trained_on["seed"] == 3 + 2018
    for one, same in zip(second.potential.parameters(), third.potential.parameters(), strict=True):
        torch.testing.assert_close(one, same, rtol=1e-4, atol=1e-6)
