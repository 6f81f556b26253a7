"""A time limit is a limit, whatever the machine does; and the best of all that was trained is kept."""

import itertools
import json

import pytest
import torch
from slow_clock import Killed, StepClock
from teacher import configuration, dataset, geometries, labelled, teacher

from nadyn.checks.errors import InputError
from nadyn.data import Dataset
from nadyn.models import load_model
from nadyn.models.model_file import digest
from nadyn.training import loop, stages
from nadyn.training.budget import Budget
from nadyn.training.checkpoint import beside, best_weights, read_progress, write_checkpoint
from nadyn.training.output import checkpoint_path
from nadyn.training.schedule import Length, Schedule
from nadyn.training.search import winner
from nadyn.training.second_order import encoding
from nadyn.training.train import train
from nadyn.training.validation import Errors

# In a clock of its own.
LIMIT = 600.0


def _settings(seconds=LIMIT, **changes):
    # 22 training frames in batches of five: four steps an epoch.
    values = {"epochs": None, "time_limit_minutes": seconds / 60.0, "checkpoint_every": 3}
    return configuration(**(values | changes))


def _steps(budget_seconds, cost, *, n_steps=None, validation=0.0, per_epoch=10):
    """Play a training: its length in steps and in seconds; `validation` may depend on the time."""
    now = [0.0]
    budget = Budget(Length(n_steps, budget_seconds), per_epoch, lambda: now[0], began=0.0)
    schedule = Schedule(1.0, 1)
    if n_steps is not None:
        schedule = schedule.changed(0, n_steps)
    budget.begin(0)
    for step in itertools.count(1):
        now[0] += cost(now[0])
        changed = budget.decide(schedule, step)
        if changed is not None:
            schedule = schedule.changed(step, changed)
        last = schedule.n_steps == step
        if step % per_epoch == 0 or last:
            took = validation(now[0]) if callable(validation) else validation
            now[0] += took
            budget.validated(took)
        if last:
            return step, now[0], schedule


def test_a_time_limit_becomes_a_number_of_steps_with_a_margin():
    _, seconds, schedule = _steps(3600.0, lambda now: 0.5)
    # The pace is known after 45 seconds, four parts in a hundred of the rest are kept.
    assert schedule.changes == ((91, 91 + int(0.96 * (3600 - 45.5) / 0.5)),)
    assert seconds == pytest.approx(0.96 * 3600, rel=0.01)
    # Validations are a part of the plan.
    _, seconds, schedule = _steps(3600.0, lambda now: 0.5, validation=5.0)
    assert len(schedule.changes) == 1
    assert 0.94 * 3600 < seconds <= 3600


@pytest.mark.parametrize("factor", [1.5, 4.0, 30.0])
@pytest.mark.parametrize("slow_from", [1.0, 50.0, 900.0, 3000.0, 3400.0])
@pytest.mark.parametrize("n_steps", [None, 6000])
def test_steps_that_become_slower_leave_a_limit_a_limit(factor, slow_from, n_steps):
    _, seconds, schedule = _steps(
        3600.0, lambda now: 0.5 * (factor if now > slow_from else 1.0), n_steps=n_steps, validation=1.0
    )
    assert 0.9 * 3600 < seconds < 1.02 * 3600
    lengths = [length for _, length in schedule.changes]
    assert lengths == sorted(lengths, reverse=True)
    assert len(lengths) < 60


def test_steps_that_are_slow_for_a_while_cost_no_more_than_they_must():
    steps, seconds, schedule = _steps(3600.0, lambda now: 2.0 if 900 < now < 1000 else 0.5)
    # 75 seconds of work are lost, no more.
    assert steps > 0.85 * 3600 / 0.5
    assert seconds <= 3600
    assert max(length for _, length in schedule.changes) == schedule.changes[0][1]


def test_one_slow_validation_is_not_taken_for_all():
    # The last one before the number of steps is fixed takes 20 times as long as the others.
    _, seconds, _ = _steps(3600.0, lambda now: 0.5, validation=lambda now: 10.0 if 38 < now < 45 else 0.5)
    assert 0.75 * 3600 < seconds <= 3600


def test_what_is_given_in_steps_ends_after_them_where_the_time_suffices():
    steps, _, schedule = _steps(3600.0, lambda now: 0.5, n_steps=100)
    assert (steps, schedule.changes) == (100, ((0, 100),))


def test_one_step_is_made_where_no_time_is_left():
    assert _steps(0.0, lambda now: 0.5)[0] == 1


def _slower(title, step, now):
    return 1.0 if now < 0.05 * LIMIT else 4.0


AUTO = {"hidden": [16, 8], "basis": "auto"}
OPEN = {"hidden": [16, 8], "basis": "1x0e + 1x1o"}


def _without_couplings():
    return Dataset((labelled(teacher("1x0e + 1x1o"), geometries(24, spread=0.15), couplings=False),))


def _scores(monkeypatch, score):
    """Let the validation say what the test wants, by the number of its call."""
    calls = itertools.count()

    def validate(network, samples, pairs, nothing):
        return Errors({"energy": [0.1, 0.1], "force": [0.1, 0.1]}, score=score(next(calls)))

    monkeypatch.setattr(loop, "validate", validate)


@pytest.fixture
def without_work(monkeypatch):
    """Steps that only move the weights, and validations that do nothing: but for the clock."""

    def step(network, *args, **keys):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.01)
        return 0.1

    monkeypatch.setattr(loop, "train_step", step)
    _scores(monkeypatch, lambda call: 1.0 / (1 + call))


@pytest.mark.usefixtures("without_work")
@pytest.mark.parametrize(
    "model, data",
    [
        (AUTO, dataset),
        # Covered by those of every basis.
        pytest.param(OPEN, _without_couplings, marks=pytest.mark.slow),
        (AUTO, _without_couplings),
    ],
    ids=["search", "small networks", "small networks of every basis"],
)
def test_all_parts_are_within_the_limit_on_a_machine_that_becomes_slow(
    tmp_path, model, data, unchecked_annotations
):
    clock = StepClock(_slower)
    settings = _settings(model=model, small_starts=3)
    trained = train(data(), tmp_path / "m.safetensors", settings, report=clock.report, clock=clock)
    assert 0.85 * LIMIT < clock.now < 1.1 * LIMIT
    assert len({title for title, _, _ in clock.log}) >= 5
    # What comes before the training proper takes a quarter more than its share, and a step or two, no more.
    shares = {"longer trial 1": 0.2, "learning the matrix": 0.2}
    for title, moment in clock.began.items():
        share = next((share for start, share in shares.items() if title.startswith(start)), 1.0)
        assert moment < 1.25 * share * LIMIT + 8.0, title
    # The training proper has a share worth the name.
    assert trained.outcome.progress.step > 20
    assert trained.outcome.progress.step == trained.outcome.progress.n_steps


def test_the_time_that_machine_code_takes_is_not_taken_for_that_of_a_step(
    tmp_path, monkeypatch, unchecked_annotations
):
    """Made once and in no time, or in as much as the whole limit: trials have the same number of steps."""
    lengths = []
    for seconds in (0.0, 60.0):
        clock, made = StepClock(lambda title, step, now: 0.25), []

        def can_compile(device, precision, clock=clock, made=made, seconds=seconds):
            if not made:
                clock.now += seconds
            made.append(precision)
            return False

        monkeypatch.setattr(stages, "can_compile", can_compile)
        monkeypatch.setattr(encoding, "can_compile", can_compile)
        settings = _settings(60.0, model=AUTO)
        path = tmp_path / f"{seconds}.safetensors"
        trained = train(dataset(12), path, settings, report=clock.report, clock=clock)
        assert len(made) > 1
        lengths.append([trial.n_steps for trial in trained.trials])
    assert lengths[0] == lengths[1]
    # A trial of the first round has a twentieth of the limit.
    assert min(lengths[0]) > 0.05 * 60 / 0.25 / 2


def _by_step(title, step, now):
    """Slower from some step of the first trial on, and again in the training proper: no matter when."""
    if "trial" in title:
        return 1.0 if step < 3 else 2.0
    return 1.0 if step < 7 else 3.0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "m.safetensors"
    clock = StepClock(_by_step)
    train(dataset(12), path, _settings(60.0, model=AUTO), report=clock.report, clock=clock)
    return path, clock.log


# In the first trial, in a later one, before and after the length of the training proper is known and changed.
@pytest.mark.parametrize(
    "stops",
    [(3, 20), pytest.param((38,), marks=pytest.mark.slow), pytest.param((2, 30, 2), marks=pytest.mark.slow)],
)
def test_killed_and_resumed_on_a_machine_that_becomes_slow_it_ends_with_the_same_model(
    tmp_path, undisturbed, stops, unchecked_annotations
):
    whole, log = undisturbed
    # Something was shortened, so that there is something to repeat.
    planned = [n_steps for title, _, n_steps in log if "trial" not in title and n_steps]
    assert planned[-1] < planned[0]
    path = tmp_path / "m.safetensors"
    settings = _settings(60.0, model=AUTO)
    for number, stop in enumerate((*stops, None)):
        clock = StepClock(_by_step, stop_at=stop)
        options = {"resume": number > 0, "report": clock.report, "clock": clock}
        if stop is None:
            train(dataset(12), path, settings, **options)
        else:
            with pytest.raises(Killed):
                train(dataset(12), path, settings, **options)
    assert clock.log[-1] == log[-1]
    assert digest(path) == digest(whole)


# Patience ends before the pace is known, and after; in the second half each step costs ten times as much.
@pytest.mark.parametrize("patience", [3, 30])
@pytest.mark.parametrize("slow_from", [None, 45, 160])
@pytest.mark.usefixtures("without_work")
def test_what_comes_down_ends_before_the_limit_and_uses_no_time_that_is_left(
    tmp_path, monkeypatch, patience, slow_from
):
    _scores(monkeypatch, lambda call: float(call))
    clock = StepClock(lambda title, step, now: 10.0 if slow_from and step > slow_from else 1.0)
    settings = _settings(patience_epochs=patience)
    trained = train(dataset(), tmp_path / "m.safetensors", settings, report=clock.report, clock=clock)
    progress = trained.outcome.progress
    assert clock.now < LIMIT + 10.0
    assert progress.step == progress.n_steps
    # The best is that of the first epoch of four steps: what the plan was, this is the end.
    ran_out = 4 + 4 * patience
    if slow_from is None or ran_out < slow_from:
        assert trained.outcome.stopped_early
        assert progress.step <= ran_out + max(4, ran_out // 4)
    if slow_from is None:
        assert progress.step == ran_out + max(4, ran_out // 4)


@pytest.mark.usefixtures("without_work")
def test_changes_of_the_length_are_in_the_checkpoint_at_once(tmp_path, monkeypatch):
    written = []

    def record(path, *, progress, **tensors):
        write_checkpoint(path, progress=progress, **tensors)
        written.append(read_progress(path)["changes"])

    monkeypatch.setattr(loop, "write_checkpoint", record)
    clock = StepClock(lambda title, step, now: 1.0 if step < 150 else 3.0)
    settings = _settings(checkpoint_every=10**6)
    train(dataset(), tmp_path / "m.safetensors", settings, report=clock.report, clock=clock)
    counts = [len(changes) for changes in written]
    # From none to all, one after another: none was made without being written.
    assert set(counts) == set(range(max(counts) + 1))
    assert max(counts) > 2


@pytest.mark.usefixtures("without_work")
def test_a_trial_that_is_better_than_what_came_after_it_is_the_model(tmp_path, monkeypatch):
    """The last of six trainings before the training proper is the best of all."""
    titles = []
    path = tmp_path / "m.safetensors"
    settings = configuration(epochs=10, model=AUTO)
    _scores(monkeypatch, lambda call: -50.0 if titles and titles[-1].startswith("longer trial 2") else 1.0)
    kept = {}

    def report(progress):
        titles.append(progress.title)
        if "trial" not in progress.title and not kept:
            for part in ("final-0", "final-1", "final-2", "final-3"):
                file = beside(checkpoint_path(path), part)
                if file.exists() and read_progress(file)["progress"]["best_score"] == -50.0:
                    kept.update(best_weights(file))

    trained = train(dataset(), path, settings, report=report)
    assert trained.learned.kept.startswith(
        "the training proper (40 steps) reached a validation score of 1.000"
    )
    weights = dict(trained.model.potential.named_parameters())
    assert set(kept) == set(weights)
    assert all(torch.equal(weights[name], kept[name]) for name in kept)
    assert load_model(path).trained_on["kept"] == trained.learned.kept
    finalists = [trial for trial in trained.trials if trial.finalist]
    assert trained.model.potential.settings.basis in {trial.assignment.basis for trial in finalists}
    assert trained.trials[winner(trained.trials)].score == -50.0


@pytest.mark.usefixtures("without_work")
def test_a_small_network_that_is_better_than_what_came_after_it_is_the_model(tmp_path, monkeypatch):
    titles = []
    _scores(monkeypatch, lambda call: -9.0 if titles and titles[-1].startswith("small network 2") else 1.0)
    settings = configuration(epochs=10, model=OPEN, small_starts=3)
    trained = train(
        _without_couplings(),
        tmp_path / "m.safetensors",
        settings,
        report=lambda progress: titles.append(progress.title),
    )
    assert "worse than the -9.000 of a small network before it (4 steps)" in trained.learned.kept
    assert trained.model.potential.settings.network.hidden == (8,)
    loaded = load_model(tmp_path / "m.safetensors")
    positions = geometries(3)
    assert torch.equal(loaded.evaluate(positions).hamiltonian, trained.model.evaluate(positions).hamiltonian)


@pytest.mark.usefixtures("without_work")
def test_the_training_proper_is_the_model_where_it_is_the_best(tmp_path):
    trained = train(dataset(), tmp_path / "m.safetensors", configuration(epochs=10, model=AUTO))
    assert trained.learned.kept == ""
    assert "kept" not in trained.model.trained_on
    history = json.loads((tmp_path / "m.history.json").read_text(encoding="utf-8"))
    assert trained.outcome.progress.best_score < min(trial["score"] for trial in history["trials"])


def test_the_best_weights_are_stored_and_not_the_last(tmp_path, monkeypatch):
    """The second of four validations is the best: the model holds the averages of that moment."""
    held = {}

    def validate(network, samples, pairs, nothing):
        step = len(held) + 1
        held[step] = {name: p.detach().clone() for name, p in network.named_parameters()}
        return Errors({"energy": [0.1], "force": [0.1]}, score={1: 3.0, 2: 1.0, 3: 2.0, 4: 1.5}[step])

    monkeypatch.setattr(loop, "validate", validate)
    trained = train(dataset(), tmp_path / "m.safetensors", configuration(epochs=4))
    assert (trained.outcome.progress.best_step, trained.outcome.progress.step) == (8, 16)
    for name, weight in load_model(tmp_path / "m.safetensors").potential.named_parameters():
        assert torch.equal(weight, held[2][name]), name
        assert weight.ndim == 0 or not torch.equal(weight, held[4][name]), name


def test_a_checkpoint_of_an_older_version_is_refused_with_advice(tmp_path, monkeypatch):
    def without_changes(path, *, progress, **tensors):
        write_checkpoint(path, progress={k: v for k, v in progress.items() if k != "changes"}, **tensors)

    clock = StepClock(lambda title, step, now: 1.0, stop_at=5)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_checkpoint", without_changes)
        with pytest.raises(Killed):
            train(dataset(), tmp_path / "m.safetensors", configuration(), report=clock.report)
    with pytest.raises(InputError, match=r"must be one of this version.*--overwrite"):
        train(dataset(), tmp_path / "m.safetensors", configuration(), resume=True)
