"""`nadyn swarm`: shards of one run, as tasks of an array; what is refused, and how it ends."""

import json
import os
import shutil
import signal
from collections import namedtuple

import pytest
import yaml

from nadyn.checks.errors import InputError, RunError
from nadyn.cli.main import main
from nadyn.dynamics.run import loop as runner
from nadyn.interfaces.swarm import process
from nadyn.interfaces.swarm.plan import bytes_of_swarm, plan_swarm
from nadyn.trajectory import digest_by_trajectory, open_run
from nadyn.trajectory.swarm_folder import open_swarm

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -2, "momentum_au": 14, "width_au": 0.7, "state": 0},
    "method": "fssh",
    "dt_fs": 0.5,
    "time_fs": 12,
    "output": "run.h5",
}


def call(*arguments):
    with pytest.raises(SystemExit) as leaving:
        main(["swarm", "run.yaml", "--quiet", *arguments])
    return leaving.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(RUN), encoding="utf-8")
    return tmp_path


def test_an_array_of_jobs_in_any_order_is_the_run(folder, capsys):
    sizes = []
    for shard in (2, 0, 1):
        assert call("--n", "11", "--width", "4", "--shard", str(shard)) == 0
        sizes.append(open_run(folder / f"run_swarm/shard_{shard:06d}.h5").n_trajectories)
    assert sizes == [3, 4, 4]
    runner.run({**RUN, "initial": {**RUN["initial"], "n": 11}}, progress=False)
    whole = digest_by_trajectory(["run.h5"])
    assert digest_by_trajectory(open_swarm(folder / "run_swarm").complete()) == whole
    capsys.readouterr()
    for given in (["run_swarm", "--digest"], ["run.h5", "--by-trajectory"]):
        with pytest.raises(SystemExit):
            main(["info", *given])
    assert capsys.readouterr().out.split() == [whole, whole]
    # A second start goes on, which here is nothing.
    before = (folder / "run_swarm/shard_000001.h5").stat().st_mtime_ns
    assert call("--n", "11", "--width", "4", "--shard", "1") == 0
    assert (folder / "run_swarm/shard_000001.h5").stat().st_mtime_ns == before


def test_a_shard_that_is_told_to_end_has_a_checkpoint_and_exit_code_75(folder, monkeypatch, capsys):
    judge = runner.statuses

    def send(old, step, model, limits):
        if step.state.step == 7:
            signal.raise_signal(signal.SIGTERM)
        return judge(old, step, model, limits)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "statuses", send)
        assert call("--n", "3", "--shard", "0") == 75
    assert "nothing is lost" in capsys.readouterr().err
    swarm = open_swarm(folder / "run_swarm")
    assert open_run(swarm.path(0)).step == 7 and not swarm.is_complete(0)
    with pytest.raises(InputError, match="must be complete, but 1 of 1 shard"):
        swarm.complete()
    assert call("--n", "3", "--shard", "0") == 0
    runner.run({**RUN, "initial": {**RUN["initial"], "n": 3}}, progress=False)
    assert digest_by_trajectory(swarm.complete()) == digest_by_trajectory(["run.h5"])


def test_an_interrupt_before_the_first_step_says_so(folder, monkeypatch, capsys):
    def told_to_end(swarm):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("nadyn.interfaces.swarm.plan.bytes_of_swarm", told_to_end)
    assert call("--n", "3", "--shard", "0") == 75
    assert capsys.readouterr().err.startswith("interrupted before the first step; nothing is lost.")
    assert not (folder / "run_swarm").exists()


def test_a_shard_that_was_deleted_is_made_again_with_the_same_bits(folder):
    for shard in ("0", "1"):
        assert call("--n", "5", "--width", "3", "--shard", shard) == 0
    swarm = open_swarm(folder / "run_swarm")
    before = digest_by_trajectory(swarm.complete())
    swarm.path(1).unlink()
    with pytest.raises(InputError, match="the first of them 1"):
        swarm.complete()
    assert call("--n", "5", "--width", "3", "--shard", "1") == 0
    assert digest_by_trajectory(swarm.complete()) == before


def test_a_shard_that_was_damaged_is_named_and_made_again_once_it_is_gone(folder, capsys):
    assert call("--n", "3", "--shard", "0") == 0
    swarm = open_swarm(folder / "run_swarm")
    whole = digest_by_trajectory(swarm.complete())
    swarm.path(0).write_bytes(swarm.path(0).read_bytes()[:-3000])
    assert call("--n", "3", "--shard", "0") == 2
    assert "shard_000000.h5" in capsys.readouterr().err
    swarm.path(0).unlink()
    assert call("--n", "3", "--shard", "0") == 0
    assert digest_by_trajectory(swarm.complete()) == whole


def test_the_wall_time_ends_a_shard(folder):
    # The first step is longer than no time at all.
    (folder / "run.yaml").write_text(yaml.safe_dump({**RUN, "time_fs": 100_000, "write_every": 9999}))
    assert call("--n", "2", "--shard", "0", "--walltime-minutes", "0.02") == 75
    assert open_run(folder / "run_swarm/shard_000000.h5").step < 200_000


def test_a_folder_keeps_to_the_swarm_that_it_was_begun_with(folder, capsys):
    assert call("--n", "3", "--width", "2", "--shard", "0") == 0
    assert call("--n", "4", "--width", "2", "--shard", "0") == 2
    assert "`--n` must be 3" in capsys.readouterr().err
    assert call("--n", "3", "--width", "3", "--shard", "0") == 2
    assert "`--width` must be 2" in capsys.readouterr().err
    assert call("--n", "3", "--width", "2", "--shard", "2") == 2
    assert "an array of jobs 0-1" in capsys.readouterr().err
    (folder / "run.yaml").write_text(yaml.safe_dump({**RUN, "seed": 1}))
    assert call("--n", "3", "--width", "2", "--shard", "0") == 0
    capsys.readouterr()
    (folder / "run.yaml").write_text(yaml.safe_dump({**RUN, "seed": 2}))
    assert call("--n", "3", "--width", "2", "--shard", "0") == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert "`seed` must be as it was" in said and "left out, but is 2" in said
    (folder / "other").mkdir()
    (folder / "other/notes.txt").touch()
    assert call("--n", "3", "--shard", "0", "--output", "other") == 2
    assert "is neither" in capsys.readouterr().err


def test_what_does_not_go_together_is_refused(folder, capsys):
    assert call("--shard", "0") == 2
    assert "`n` must be the number of trajectories" in capsys.readouterr().err
    assert call("--n", "2", "--shard", "0", "--workers", "2") == 2
    assert call("--n", "2", "--scheduler", "tcp://a:1", "--workers", "2") == 2
    (folder / "run.yaml").write_text(yaml.safe_dump({**RUN, "initial": {**RUN["initial"], "first": 3}}))
    assert call("--n", "2", "--shard", "0") == 2
    assert "`initial.first` must be left out" in capsys.readouterr().err
    assert not (folder / "run_swarm").exists()


def test_the_size_is_that_of_the_files_and_a_small_disk_is_refused_first(folder, monkeypatch, capsys):
    swarm = plan_swarm(folder / "run.yaml", n=160, width=80, folder=None)
    size = bytes_of_swarm(swarm)
    for shard in ("0", "1"):
        assert call("--n", "160", "--width", "80", "--shard", shard) == 0
    there = sum(path.stat().st_size for path in swarm.complete())
    assert there == pytest.approx(size, rel=0.25)
    shutil.rmtree(folder / "run_swarm")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    assert call("--n", "160", "--width", "80") == 1
    assert "must have room for" in capsys.readouterr().err
    assert not (folder / "run_swarm").exists()


def test_numbers_of_isotopes_survive_the_plan(folder):
    from nadyn.interfaces.swarm.plan import make_folder, shard_config

    molecule = {"isotopes": {"H": 2, 3: 1}, "initial": {"sample": "wigner", "n": 2, "excited_modes": {6: 1}}}
    (folder / "run.yaml").write_text(yaml.safe_dump({**RUN, **molecule, "model": "a.safetensors"}))
    make_folder(plan_swarm(folder / "run.yaml", n=None, width=1, folder=None))
    swarm = open_swarm(folder / "run_swarm")
    assert shard_config(swarm, 1)["isotopes"] == {"H": 2, 3: 1}
    assert shard_config(swarm, 1)["model"] == str(folder / "a.safetensors")
    assert json.loads((folder / "run_swarm/swarm.json").read_text())["n"] == 2
    assert not [one for one in os.listdir(folder / "run_swarm") if one.startswith(".swarm")]


def test_a_process_that_is_told_to_end_before_it_listens_is_no_failure(tmp_path, monkeypatch):
    stop, asked = tmp_path / "stop", []

    def killed_as_it_begins(folder, shard, stop):
        asked.append(shard)
        stop.touch()
        return -signal.SIGTERM, {}, ""

    monkeypatch.setattr(process, "_wait_for", killed_as_it_begins)
    monkeypatch.setattr(process, "is_swarm", lambda folder: True)
    assert process.shard_in_process("swarm", 3, str(stop)) == {"done": False}
    # None begins once the swarm ends.
    assert process.shard_in_process("swarm", 4, str(stop)) == {"done": False}
    assert asked == [3]


def test_a_process_that_dies_again_and_again_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_wait_for", lambda *arguments: (-signal.SIGTERM, {}, ""))
    monkeypatch.setattr(process, "is_swarm", lambda folder: True)
    with pytest.raises(RunError, match="shard 3 ended 5 times, at last with signal 15"):
        process.shard_in_process("swarm", 3, str(tmp_path / "stop"))


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(InputError, match=r"all workers must see the folder.*that all machines"):
        process.shard_in_process(str(tmp_path / "run_swarm"), 0, str(tmp_path / "stop"))


def test_a_worker_without_nadyn_is_one_sentence(folder, monkeypatch):
    dask_workers = pytest.importorskip("nadyn.interfaces.swarm.dask_workers")
    pytest.importorskip("distributed")

    class Refused:
        key, status = "nadyn-shard-0", "error"

        def done(self):
            return True

        def result(self, timeout):
            try:
                raise ModuleNotFoundError("No module named 'nadyn'")
            except ModuleNotFoundError as error:
                raise RuntimeError("Error during deserialization of the task graph.\nMore lines") from error

    monkeypatch.setattr(dask_workers, "_LOOK_SECONDS", 0.0)
    tasks = dask_workers._Tasks({Refused(): 7})
    client = namedtuple("client", "status")("running")
    with pytest.raises(
        RunError, match="shard 7 was refused by one: ModuleNotFoundError, No module named 'nadyn'"
    ):
        dask_workers._look(client, tasks, None, "stop", None)


def test_a_scheduler_that_answers_late_is_waited_for_and_one_that_never_does_is_lost(monkeypatch):
    pytest.importorskip("distributed")
    from nadyn.interfaces.swarm import dask_workers

    class Late:
        key, status, answers = "nadyn-shard-0", "finished", 2

        def done(self):
            return True

        def result(self, timeout):
            self.answers -= 1
            if self.answers != 0:
                raise TimeoutError("timed out after 20 s.")
            return {"done": True}

    class Counting(list):
        add = list.append

        def update(self, progress):
            pass

    monkeypatch.setattr(dask_workers, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(dask_workers, "_progress", lambda client, tasks: [])
    tasks, table, client = dask_workers._Tasks({Late(): 7}), Counting(), namedtuple("client", "status")
    for left in (1, 0):
        dask_workers._look(client("running"), tasks, None, "stop", table)
        assert len(tasks.shards) == left == 1 - len(table)
    never = Late()
    never.answers = 0
    tasks = dask_workers._Tasks({never: 7})
    with pytest.raises(RunError, match="must answer until the swarm is complete"):
        for _ in range(40):
            dask_workers._look(client("running"), tasks, None, "stop", table)
    assert tasks.silent_seconds > 600
