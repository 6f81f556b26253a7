"""A training that was interrupted at any moment ends with the model of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from teacher import configuration, dataset

from nadyn.data import write_dataset
from nadyn.models.model_file import digest
from nadyn.training import loop
from nadyn.training.checkpoint import read_progress, write_checkpoint
from nadyn.training.output import checkpoint_path
from nadyn.training.schedule import Schedule
from nadyn.training.step import train_step
from nadyn.training.train import train
from nadyn.training.validation import Errors


class Stop(Exception):
    """Raised in the middle of a training."""


def _stop_at(step):
    def report(progress):
        if progress.step == step:
            raise Stop

    return report


# 22 training frames in batches of 5: four steps an epoch, a checkpoint every three.
SETTINGS = configuration(epochs=4, checkpoint_every=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("undisturbed") / "model.safetensors"
    train(dataset(), path, SETTINGS)
    return digest(path)


# At the end of an epoch, and three times between a checkpoint and the next.
@pytest.mark.parametrize(
    "steps",
    [(8,), (4, 7, 12), *[pytest.param(steps, marks=pytest.mark.slow) for steps in ((6,), (13,))]],
)
def test_resumed_after_a_stop_a_training_ends_with_the_same_model(tmp_path, undisturbed, steps):
    path = tmp_path / "model.safetensors"
    for number, step in enumerate(steps):
        with pytest.raises(Stop):
            train(dataset(), path, SETTINGS, resume=number > 0, report=_stop_at(step))
        assert not path.exists()
    trained = train(dataset(), path, SETTINGS, resume=True)
    assert digest(path) == undisturbed
    assert [entry["step"] for entry in trained.outcome.progress.history] == [4, 8, 12, 16]


def test_the_digest_does_not_depend_on_the_name_of_the_file(tmp_path, undisturbed):
    train(dataset(), tmp_path / "another_name.safetensors", SETTINGS)
    assert digest(tmp_path / "another_name.safetensors") == undisturbed


# Nine epochs of four steps, of which the second is no better than the first.
IMPATIENT = configuration(epochs=9, warmup_steps=1, patience_epochs=1, checkpoint_every=10**6)


@pytest.fixture
def impatient(monkeypatch):
    """Scores of the first validations; what is learned on the way down is better than what was before."""
    at = []

    def step(*args, step, **keys):
        at.append(step + 1)
        return train_step(*args, step=step, **keys)

    def score(*args):
        return Errors({"energy": [0.1], "force": [0.1]}, score={4: 1.0, 8: 2.0, 12: 0.5}[at[-1]])

    monkeypatch.setattr(loop, "train_step", step)
    monkeypatch.setattr(loop, "validate", score)


@pytest.mark.usefixtures("impatient")
def test_where_patience_ends_the_rate_comes_down_before_the_training_ends(tmp_path):
    rates = []
    trained = train(
        dataset(), tmp_path / "a.safetensors", IMPATIENT, report=lambda step: rates.append(step.learning_rate)
    )
    assert trained.outcome.stopped_early
    # A quarter of eight steps would be less than an epoch.
    assert len(rates) == trained.outcome.progress.n_steps == 12
    assert trained.outcome.progress.best_step == 12
    planned = Schedule(IMPATIENT.learning_rate, 1).changed(0, 36)
    assert rates[:9] == pytest.approx([planned.rate(step) for step in range(9)], rel=1e-12)
    # The rest of the cosine passes in the last four steps; the next would have a hundredth.
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.2 * rates[8]
    assert planned.changed(8, 12).rate(12) == pytest.approx(0.01 * IMPATIENT.learning_rate)


# When patience ran out, and twice on the way down. Nothing is stored there but that it comes down.
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("stops", [(8,), (9,), (6, 11)])
def test_a_training_that_comes_down_ends_with_the_same_model_when_it_is_resumed(tmp_path, stops):
    rates = {}

    def keep(progress):
        rates.setdefault(progress.step, set()).add(progress.learning_rate)

    whole = train(dataset(), tmp_path / "a.safetensors", IMPATIENT, report=keep)
    path = tmp_path / "b.safetensors"
    for number, stop in enumerate(stops):
        with pytest.raises(Stop):
            train(dataset(), path, IMPATIENT, resume=number > 0, report=_stop_at(stop))
    second = train(dataset(), path, IMPATIENT, resume=True, report=keep)
    assert second.outcome.stopped_early
    assert second.outcome.progress.step == whole.outcome.progress.step == 12
    assert {len(values) for values in rates.values()} == {1}
    assert digest(path) == digest(tmp_path / "a.safetensors")


@pytest.mark.usefixtures("impatient")
def test_killed_as_soon_as_it_is_stored_that_patience_ran_out_it_ends_there_when_resumed(
    tmp_path, monkeypatch
):
    whole = train(dataset(), tmp_path / "a.safetensors", IMPATIENT)

    def write_and_stop(path, *, progress, **tensors):
        write_checkpoint(path, progress=progress, **tensors)
        if progress["progress"]["comes_down"]:
            raise Stop

    path = tmp_path / "b.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "write_checkpoint", write_and_stop)
        with pytest.raises(Stop):
            train(dataset(), path, IMPATIENT)
    second = train(dataset(), path, IMPATIENT, resume=True)
    assert second.outcome.progress.step == whole.outcome.progress.step
    assert digest(path) == digest(tmp_path / "a.safetensors")


def test_a_training_stopped_before_its_first_validation_ends_with_the_same_model(tmp_path, undisturbed):
    path = tmp_path / "model.safetensors"
    with pytest.raises(Stop):
        train(dataset(), path, SETTINGS, report=_stop_at(1))
    # No step had been stored, only the start.
    steps = []
    train(dataset(), path, SETTINGS, resume=True, report=lambda progress: steps.append(progress.step))
    assert steps[0] == 1
    assert digest(path) == undisturbed


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal: a shell starts what runs in its background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("step", [1, 5, 16])
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_the_end_of_the_step_and_stores_it(tmp_path, undisturbed, step):
    path = tmp_path / "model.safetensors"

    def press(progress):
        assert progress.step <= step
        if progress.step == step:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(dataset(), path, SETTINGS, report=press)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert read_progress(checkpoint_path(path))["progress"]["step"] == step
    trained = train(dataset(), path, SETTINGS, resume=True)
    assert trained.outcome.progress.step == 16
    assert digest(path) == undisturbed


@pytest.mark.slow
def test_killed_at_five_random_moments_a_training_ends_with_the_same_model(tmp_path):
    write_dataset(tmp_path / "data.h5", dataset(40))
    settings = configuration(epochs=40).model_dump(mode="json", exclude_none=True)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def command(name, *more):
        return [
            *(sys.executable, "-m", "nadyn", "train", "data.h5", "--config", "train.yaml", "--quiet"),
            *("--output", f"{name}.safetensors", *more),
        ]

    options = {"cwd": tmp_path, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "stdout": subprocess.DEVNULL}
    started = time.monotonic()
    subprocess.run(command("whole"), check=True, **options)
    whole = time.monotonic() - started
    checkpoint = tmp_path / "torn.safetensors.checkpoint"
    kills = 0
    while kills < 5:
        process = subprocess.Popen(command("torn", *(["--resume"] if checkpoint.exists() else [])), **options)
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
        deadline = time.monotonic() + 10 * whole
        # Not before it has gone on from where it was, and then at any moment.
        while time.monotonic() < deadline and process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                break
            time.sleep(0.01)
        time.sleep(0.017 * (kills + 1))
        assert process.poll() is None, "the training ended before it could be killed five times"
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    subprocess.run(command("torn", "--resume"), check=True, **options)
    assert digest(tmp_path / "torn.safetensors") == digest(tmp_path / "whole.safetensors")
