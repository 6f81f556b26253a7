"""Members that train at the same time make the committee of those that train one after the other."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from teacher import Stop, configuration, dataset

from nadyn.checks.errors import InputError, RunError
from nadyn.data import write_dataset
from nadyn.models.model_file import digest
from nadyn.training.committee import train_committee
from nadyn.training.side_by_side import side_by_side

SETTINGS = configuration(validation_fraction=0.2, checkpoint_every=3)


def _refuse(*, number, report):
    raise InputError(f"member {number} must not train.")


def _vanish(*, number, report):
    os._exit(7)


def _wait(*, number, report, folder):
    (folder / f"{number}").touch()
    if number == 0:
        while len(list(folder.iterdir())) < 2:
            time.sleep(0.02)
        raise RunError("the loss was not finite.")
    time.sleep(600)


def _call(function, **arguments):
    side_by_side(function, arguments, (0, 1), processes=2, n_members=2, report=lambda progress: None)


@pytest.mark.slow
def test_they_make_the_same_committee_and_say_how_far_they_are(tmp_path):
    seen = []
    for name, processes in (("alone", 1), ("together", 2)):
        path = tmp_path / f"{name}.safetensors"
        report = (lambda progress: seen.append(progress.title)) if processes == 2 else lambda progress: None
        train_committee(dataset(40), path, SETTINGS, n_members=3, processes=processes, report=report)
    assert digest(tmp_path / "alone.safetensors") == digest(tmp_path / "together.safetensors")
    assert "members 1 and 2 of 3" in seen or {"member 1 of 3", "member 2 of 3"} & set(seen)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.{end}" for name in ("alone", "together") for end in ("history.json", "safetensors")
    ]


@pytest.mark.slow
def test_one_that_is_refused_or_dies_or_fails_ends_the_others_with_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"member \d must not train"):
        _call(_refuse)
    with pytest.raises(RunError, match=r"member \d must train to its end, but its process ended with code 7"):
        _call(_vanish)
    started = time.monotonic()
    with pytest.raises(RunError, match="the loss was not finite"):
        _call(_wait, folder=tmp_path)
    assert time.monotonic() - started < 120
    assert not [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_middle_they_all_end_and_go_on_to_the_same_committee(tmp_path, how):
    settings = configuration(validation_fraction=0.2, checkpoint_every=3, epochs=40)
    write_dataset(tmp_path / "data.h5", dataset(40))
    (tmp_path / "train.yaml").write_text(settings.model_dump_json(), encoding="utf-8")
    rest = ["train", "data.h5", "--output", "m.safetensors", "--config", "train.yaml", "--resume"]
    command = [sys.executable, "-m", "nadyn", *rest, "--members", "3", "--processes", "2", "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not list(tmp_path.glob("m.safetensors.checkpoint-member-*")):
        time.sleep(0.05)
    time.sleep(1.0)
    assert process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == (130 if how == signal.SIGTERM else -9)
    assert how == signal.SIGKILL or "--members 3 --processes 2" in said
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL).returncode == 0
    train_committee(dataset(40), tmp_path / "undisturbed.safetensors", settings, n_members=3)
    assert digest(tmp_path / "m.safetensors") == digest(tmp_path / "undisturbed.safetensors")


def test_members_that_share_a_time_limit_go_on_so_many_at_a_time_as_before(tmp_path, monkeypatch):
    """More at a time have more time each, which is a part of what each of them is."""
    limits = []

    def stop(dataset, checkpoint, configuration, **more):
        limits.append(configuration.time_limit_minutes)
        raise Stop

    def here(finish, arguments, members, *, processes, n_members, report):
        for number in members:
            finish(number=number, report=report, **arguments)

    monkeypatch.setattr("nadyn.training.committee.learn", stop)
    monkeypatch.setattr("nadyn.training.committee.side_by_side", here)
    settings = configuration(validation_fraction=0.2, epochs=None, time_limit_minutes=12)
    path = tmp_path / "m.safetensors"
    for processes in (1, 3, 8):
        path = tmp_path / f"{processes}.safetensors"
        with pytest.raises(Stop):
            train_committee(dataset(40), path, settings, n_members=4, processes=processes)
    assert limits == [3, 6, 12]
    with pytest.raises(InputError, match="`--processes` must stay 4 when members that share a time limit"):
        train_committee(dataset(40), path, settings, n_members=4, processes=2, resume=True)
