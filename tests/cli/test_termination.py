"""SIGTERM, which queues send, does what Ctrl-C does: a checkpoint, a sentence, exit code 130."""

import importlib
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from nadyn.cli.main import main
from nadyn.dynamics.run import loop as runner
from nadyn.electronic.interrupt import DeferredInterrupt, termination_interrupts
from nadyn.trajectory import digest, open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.fixture(autouse=True)
def wanted():
    """Ctrl-C as a person has it: a shell keeps it from tests that it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -4, "momentum_au": 20, "n": 5, "state": 0},
    "method": "fssh",
    "dt_fs": 0.5,
    "time_fs": 20,
    "checkpoint_every": 30,
}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_keeps_its_last_step_and_says_how_to_go_on(
    tmp_path, monkeypatch, capsys, sent
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    judge = runner.statuses

    def send(old, step, model, limits):
        if step.state.step == 17:
            signal.raise_signal(sent)
        return judge(old, step, model, limits)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as leaving:
        patch.setattr(runner, "statuses", send)
        main(["run", "run.yaml", "--quiet"])
    assert leaving.value.code == 130
    assert "interrupted after step 17 of 40; nothing is lost. Go on with --resume." in capsys.readouterr().err
    assert open_run("run.h5").step == 17
    runner.run("run.yaml", resume=True, progress=False)
    runner.run({**RUN, "output": "whole.h5"}, progress=False)
    assert digest("run.h5") == digest("whole.h5")


def test_a_run_that_is_told_to_end_before_its_first_step_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as leaving:
        patch.setattr("nadyn.interfaces.direct_run.run", lambda *given, **options: signal.raise_signal(15))
        main(["run", "run.yaml", "--quiet"])
    assert leaving.value.code == 130
    assert capsys.readouterr().err.startswith("interrupted before the first step. Begin again")


def test_a_queue_may_say_it_twice_but_a_second_ctrl_c_acts_at_once():
    with DeferredInterrupt() as interrupt:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with DeferredInterrupt():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    with pytest.raises(SystemExit):
        main(["info", "absent.h5"])
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def in_a_finaliser(sent):
    class Loud:
        def __del__(self):
            signal.raise_signal(sent)

    Loud()


def in_an_import(sent):
    importlib.import_module("interrupted_module")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", [in_a_finaliser, in_an_import])
def test_where_python_throws_an_interrupt_away_it_is_raised_after_that(tmp_path, monkeypatch, where, sent):
    # As extensions do, the module makes an error of another kind of whatever happens in it.
    lines = ["import signal", "try:", f"    signal.raise_signal({int(sent)})", "except BaseException:"]
    (tmp_path / "interrupted_module.py").write_text("\n".join([*lines, "    raise ImportError"]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "interrupted_module", raising=False)
    with termination_interrupts(), pytest.raises(KeyboardInterrupt):
        where(sent)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.01)


def test_a_second_ctrl_c_in_an_import_acts_at_once(tmp_path, monkeypatch):
    (tmp_path / "interrupted_twice.py").write_text("import signal\n" + "signal.raise_signal(2)\n" * 2)
    monkeypatch.syspath_prepend(tmp_path)
    with termination_interrupts(), pytest.raises(KeyboardInterrupt):
        importlib.import_module("interrupted_twice")
    assert "interrupted_twice" not in sys.modules


def test_a_sample_that_is_told_to_end_writes_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "model.yaml").write_text("{name: pyrazine, variant: 4}", encoding="utf-8")
    before = sorted(tmp_path.iterdir())

    def told_to_end(*arguments, **options):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("nadyn.dynamics.initial.sample_oscillators", told_to_end)
    with pytest.raises(SystemExit) as leaving:
        main(["sample", str(tmp_path / "model.yaml"), "--n", "5", "--output", str(tmp_path / "initial.h5")])
    assert leaving.value.code == 130
    assert capsys.readouterr().err.endswith("nadyn: interrupted.\n")
    assert sorted(tmp_path.iterdir()) == before


def test_a_process_that_a_queue_ends_leaves_with_130_and_goes_on(tmp_path):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**RUN, "time_fs": 2000}), encoding="utf-8")
    command = [sys.executable, "-m", "nadyn", "run", "run.yaml", "--quiet", "--resume"]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (tmp_path / "run.h5").exists() or open_run(tmp_path / "run.h5").step == 0:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 130
    assert "nothing is lost. Go on with --resume." in error
    step = open_run(tmp_path / "run.h5").step
    assert f"interrupted after step {step} of 4000" in error
