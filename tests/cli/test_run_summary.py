"""What `nadyn run` shows while it runs and says at its end agree with each other and with the file."""

import re

import pytest
import yaml

from nadyn.analysis import analyse
from nadyn.analysis.key_numbers import key_numbers
from nadyn.cli import main as program
from nadyn.dynamics.run import loop as runner
from nadyn.trajectory import digest, open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.fixture
def nadyn_run(tmp_path, monkeypatch, capsys):
    """Run Tully's first model with changes to a run file, and return exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")

    def call(*options, **changes):
        content = {
            "model": {"name": "tully", "variant": 1},
            "initial": {"position_au": -2, "momentum_au": 20, "n": 23, "state": 0},
            "method": "fssh",
            "dt_fs": 0.5,
            "time_fs": 12,
            "checkpoint_every": 5,
            "output": "run.h5",
        }
        (tmp_path / "run.yaml").write_text(yaml.safe_dump({**content, **changes}))
        with pytest.raises(SystemExit) as leaving:
            program.main(["run", "run.yaml", *options])
        return leaving.value.code, *capsys.readouterr()

    return call


def shown(table: str, name: str) -> str:
    """Return the value that the last live table gives for a name."""
    return re.findall(rf"(?:^|  ){re.escape(name)} +(.+?)(?:  |$)", table, flags=re.MULTILINE)[-1].strip()


def test_a_run_that_loses_everything_says_the_energy_error_and_fails(nadyn_run):
    code, out, err = nadyn_run(max_energy_step_ev=1e-5, dt_fs=2.0)
    assert code == 1
    assert "nadyn: none of 23 trajectories finished, most stopped for energy_step." in err
    error = float(re.search(r"Worst energy error ([0-9.e+-]+) eV", out)[1])
    assert error >= 1e-5
    assert analyse("run.h5")["energy_drift_max_ev"] == pytest.approx(error, rel=0.1)
    assert shown(err, "finished") == "0"
    assert nadyn_run("--overwrite", "--quiet", max_energy_step_ev=1e-5, dt_fs=2.0)[0] == 1


def test_trajectories_that_left_as_asked_are_finished_not_stopped(nadyn_run):
    code, out, err = nadyn_run(time_fs=40, stop={"beyond_au": 3})
    assert code == 0
    assert out.startswith("23 of 23 trajectories finished")
    assert (shown(err, "finished"), shown(err, "stopped"), shown(err, "left")) == ("23", "0", "0:00")
    assert sum(int(pair.split(":")[1]) for pair in shown(err, "on state").split()) == 23


def test_the_live_table_of_a_resumed_run_counts_the_hops_before(nadyn_run, monkeypatch):
    def interrupted(plan, ensemble, writer, table, interrupt):
        done, update = [], table.update

        def stop_after(current, **counts):
            update(current, **counts)
            done.append(1)
            interrupt.requested = len(done) >= 14

        table.update = stop_after
        return advance(plan, ensemble, writer, table, interrupt)

    advance = runner._advance
    monkeypatch.setattr(runner, "_advance", interrupted)
    code, _, _ = nadyn_run()
    assert code == program.EXIT_INTERRUPTED
    before = len(open_run("run.h5").hops["step"])
    monkeypatch.setattr(runner, "_advance", advance)
    code, out, err = nadyn_run("--resume")
    assert code == 0
    hops, refused = re.search(r"(\d+) hops, (\d+) refused", out).groups()
    assert 0 < before < int(hops) + int(refused)
    assert shown(err, "hops") == f"{hops} (+{refused} refused)"
    assert (shown(err, "finished"), shown(err, "left")) == ("23", "0:00")
    assert sum(int(pair.split(":")[1]) for pair in shown(err, "on state").split()) == 23


def test_a_complete_run_says_so_in_one_sentence_and_how_it_is_made_longer(nadyn_run):
    nadyn_run("--quiet")
    before = digest("run.h5")
    code, out, err = nadyn_run("--resume")
    assert (code, err, digest("run.h5")) == (0, "", before)
    assert out == (
        "run.h5 is complete at 12 fs and nothing was done: give a larger `time_fs` in run.yaml and --resume "
        "again to make it longer, or --overwrite to run it anew.\n"
    )
    assert nadyn_run("--resume", "--quiet")[:2] == (0, "")
    code, out, err = nadyn_run("--resume", time_fs=14)
    assert code == 0 and "23 of 23 trajectories finished" in out and "is complete" not in out
    hops, refused = re.search(r"(\d+) hops, (\d+) refused", out).groups()
    assert shown(err, "hops") == f"{hops} (+{refused} refused)"


@pytest.mark.parametrize("method", ["fssh", pytest.param("csdm", marks=pytest.mark.slow)])
def test_divided_steps_are_counted(nadyn_run, method):
    adaptive = {"energy_ev": 1e-6, "gap_ev": 1e-9, "shortest_dt_fs": 0.1}
    code, out, _ = nadyn_run(method=method, adaptive=adaptive)
    assert code == 0
    n, of = map(int, re.search(r"(\d+) of (\d+) steps were divided", out).groups())
    assert of == 23 * 24 and 0 < n < of
    numbers = analyse("run.h5")
    assert numbers["divided_steps"] == {"n": n, "of": of}
    assert (" refused" in out) == (method == "fssh")
    assert ("changes of the pointer state" in out) == (method == "csdm")
    names = [number.name for number in key_numbers(open_run("run.h5"), numbers)]
    assert "Divided steps" in names
    # Counted from the energies of whole steps, a tolerance that is never reached divides none.
    _, out, _ = nadyn_run("--overwrite", method=method, adaptive={**adaptive, "energy_ev": 10})
    assert f"0 of {of} steps were divided" in out
    assert "divided" not in nadyn_run("--overwrite", method=method)[1]


def test_cut_probabilities_are_counted_said_and_written(nadyn_run):
    # Twelve states and long steps: an active state that is nearly empty is filled again in one step.
    crowded = {
        "model": {"name": "sulfur_dioxide", "variant": "triplets"},
        "initial": {"sample": "wigner", "n": 20, "state": 1},
        "dt_fs": 2.0,
        "time_fs": 40,
        "decoherence": "none",
        "max_energy_step_ev": 10,
    }
    code, out, _ = nadyn_run(**crowded)
    assert code == 0
    n = int(re.search(r"Probabilities of hops had a sum above 1 (\d+) times", out)[1])
    assert 0 < n < 20 * 20
    assert analyse("run.h5")["cut_probabilities"] == {"n": n, "of": 20 * 20}
    # Between two states it cannot be, and a method that draws no hops has no such number.
    assert "were cut" not in nadyn_run("--overwrite", time_fs=6)[1]
    assert analyse("run.h5")["cut_probabilities"]["n"] == 0
    nadyn_run("--overwrite", method="mash", time_fs=1)
    assert "cut_probabilities" not in analyse("run.h5")


def test_the_count_of_divided_steps_survives_an_interruption(nadyn_run, monkeypatch):
    adaptive = {"energy_ev": 1e-6, "gap_ev": 1e-9, "shortest_dt_fs": 0.1}
    nadyn_run(adaptive=adaptive)
    whole = digest("run.h5")
    advance = runner._advance

    def interrupted(plan, ensemble, writer, table, interrupt):
        interrupt.requested = True
        return advance(plan, ensemble, writer, table, interrupt)

    monkeypatch.setattr(runner, "_advance", interrupted)
    assert nadyn_run("--overwrite", adaptive=adaptive)[0] == program.EXIT_INTERRUPTED
    monkeypatch.setattr(runner, "_advance", advance)
    assert nadyn_run("--resume", adaptive=adaptive)[0] == 0
    assert digest("run.h5") == whole
