"""What a round is going to be: when the last models are due, and how long there is time to train them."""

from types import SimpleNamespace

import numpy as np
import pytest

from nadyn.data import Dataset, write_dataset
from nadyn.data.validation import group_from_arrays
from nadyn.learning.context import Clock
from nadyn.learning.folder import Folder, write_json
from nadyn.learning.learn_file import ROUND_TRAINING, LearnConfiguration
from nadyn.learning.plan import Plan, affordable_steps, begun

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# Last models with the networks of rounds.
SAME = {"encoder": {"name": "moments"}}
BUDGET = {"labels": 2500, "minutes": 180, "final_minutes": 45, "rounds": 30}


def context(
    path,
    *,
    training_seconds: float,
    minutes: float,
    n_labels: int = 1000,
    final_rounds: tuple[int, ...] = (),
    **keys: object,
):
    folder = Folder(path)
    for number in (0, 1, 2):
        write_json(folder.round(number) / "round.json", {})
        if number:
            plan = {"final": number in final_rounds, "spent": "", "labels": 0, "steps": None}
            write_json(folder.round(number) / "plan.json", plan)
    seconds = {"1 training": training_seconds, "2 training": training_seconds}
    for number in final_rounds:
        seconds[f"{number} training"] = 1e6
    config = LearnConfiguration.model_validate(
        {"molecule": "x.xyz", "source": {"pyscf": {"method": "m"}}, "budget": BUDGET, "final": SAME, **keys}
    )
    clock = Clock(folder, before=minutes, seconds=seconds)
    return SimpleNamespace(
        config=config,
        folder=folder,
        clock=clock,
        desk=SimpleNamespace(store=range(n_labels)),
        n_states=3,
        narrator=SimpleNamespace(stage=lambda text: None),
    )


@pytest.mark.parametrize(
    ("seconds", "minutes", "steps"),
    [
        # 45 minutes, three quarters for training: 2025 s at 0.15 s a step of a round.
        (450.0, 140.0, None),
        (900.0, 140.0, 13500),
        (800.0, 100.0, None),
        (6000.0, 140.0, ROUND_TRAINING["steps"]),
    ],
)
def test_last_models_are_trained_for_as_long_as_there_is_time(tmp_path, seconds, minutes, steps):
    found = affordable_steps(context(tmp_path, training_seconds=seconds, minutes=minutes), 2)
    assert found == (None if steps is None else pytest.approx(steps, abs=2))


def test_time_is_taken_from_a_round_and_not_from_last_models_before(tmp_path):
    one = context(tmp_path, training_seconds=900.0, minutes=140.0, final_rounds=(2,))
    assert affordable_steps(one, 2) == pytest.approx(13500, abs=2)


def test_a_round_whose_clock_was_lost_does_not_count(tmp_path):
    one = context(tmp_path, training_seconds=900.0, minutes=140.0)
    one.clock.seconds["2 training"] = 5.0
    assert affordable_steps(one, 2) == pytest.approx(13500, abs=2)
    del one.clock.seconds["2 training"]
    assert affordable_steps(one, 2) == pytest.approx(13500, abs=2)


def test_fewer_processes_than_in_the_rounds_take_longer(tmp_path):
    one = context(tmp_path, training_seconds=900.0, minutes=140.0, processes=1)
    for number in (1, 2):
        plan = {"final": False, "spent": "", "labels": 0, "processes": 4, "steps": None}
        write_json(one.folder.round(number) / "plan.json", plan)
    # One after the other, and not four at a time; no fewer than in a round.
    assert affordable_steps(one, 2) == ROUND_TRAINING["steps"]
    assert affordable_steps(context(tmp_path / "b", training_seconds=900.0, minutes=140.0), 2) > 6000


def test_steps_of_rounds_that_are_given_count(tmp_path):
    one = context(tmp_path, training_seconds=900.0, minutes=140.0, training={"steps": 1000})
    assert affordable_steps(one, 2) == pytest.approx(2250, abs=2)


def test_networks_that_cost_more_a_step_are_trained_for_fewer(tmp_path):
    positions, energies = np.arange(24.0).reshape(4, 2, 3), np.zeros((4, 3))
    group = group_from_arrays("toy", atomic_numbers=[6, 8], positions=positions, energies=energies)
    asked = []

    def pace(configuration, dataset):
        asked.append((configuration.encoder.name, configuration.model.basis, dataset.n_frames))
        return {"moments": 0.2, "equivariant": 0.4}[configuration.encoder.name]

    def steps(name, **keys):
        one = context(tmp_path / name, training_seconds=900.0, minutes=140.0, **keys)
        write_dataset(one.folder.round(2) / "dataset.h5", Dataset((group,)))
        return affordable_steps(one, 2, pace=pace)

    costly = {"encoder": {"name": "equivariant"}}
    same = {"final": SAME | {"model": {"properties": []}}, "training": {"batch_size": 16}}
    assert steps("a", **same) == pytest.approx(13500, abs=2)
    assert steps("b", final=costly, training=costly) == pytest.approx(13500, abs=2)
    assert not asked
    assert steps("c", final=costly) == pytest.approx(6750, abs=2)
    basis = "3x0e + 1x1o + 1x1e"
    assert asked == [("equivariant", basis, 4), ("moments", basis, 4)]
    # As they are by default.
    assert steps("e", final={}) == pytest.approx(6750, abs=2)
    # After costlier rounds there is time for all steps.
    assert steps("d", training={"encoder": {"name": "equivariant"}}) is None


@pytest.mark.parametrize("keys", [{"final": {"steps": 9}}, {"training": {"epochs": 9}}])
def test_a_length_that_is_given_is_kept(tmp_path, keys):
    assert affordable_steps(context(tmp_path, training_seconds=1e5, minutes=140.0, **keys), 2) is None


def test_a_plan_stays_as_it_was_when_the_round_began(tmp_path):
    first = begun(context(tmp_path, training_seconds=900.0, minutes=140.0), 3, agreed=False)
    assert first.final
    assert first.spent == "the budget of 180 minutes is spent but for the last models"
    later = context(tmp_path, training_seconds=60.0, minutes=10.0)
    assert begun(later, 3, agreed=False) == first
    assert not Plan.of(later, agreed=False).final
    assert Plan.of(later, agreed=True).steps is None


@pytest.mark.parametrize(
    ("keys", "spent"),
    [
        ({"n_labels": 2375}, "2500 labels"),
        ({"budget": BUDGET | {"rounds": 2}}, "2 rounds"),
        ({"n_labels": 2374}, ""),
    ],
)
def test_the_budget_that_binds_is_named(tmp_path, keys, spent):
    plan = Plan.of(context(tmp_path, training_seconds=60.0, minutes=10.0, **keys), agreed=False)
    assert plan.final == bool(spent)
    assert spent in plan.spent
    assert bool(plan.spent) == bool(spent)
