"""A run is resumed before it began, after its end, and with a longer time; the bits are those of one run."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.dynamics.run import loop as runner
from nadyn.trajectory import digest, open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def config(tmp_path, name="run.h5", **changes):
    content = {
        "model": {"name": "tully", "variant": 1},
        "initial": {"position_au": -3, "momentum_au": 9, "width_au": 1, "n": 9, "state": 0},
        "method": "fssh",
        "dt_fs": 0.2,
        "time_fs": 40,
        "stop": {"beyond_au": 4.0},
        "output": str(tmp_path / name),
    }
    return {**content, **changes}


def run(content, **options):
    return runner.run(content, progress=False, **options)


def test_resuming_what_has_not_begun_begins(tmp_path):
    result = run(config(tmp_path, time_fs=8), resume=True)
    assert result.notices[0] == f"There was no {str(tmp_path / 'run.h5')!r} to go on with: the run begins."
    run(config(tmp_path, "plain.h5", time_fs=8))
    assert digest(tmp_path / "run.h5") == digest(tmp_path / "plain.h5")
    assert run(config(tmp_path, time_fs=8), resume=True).notices == ()


# 40 fs of 0.1 fs are 400 steps, a frame every 2 of them; alone 60 fs would have one every 3.
@pytest.mark.parametrize(
    ("method", "momentum", "dt_fs", "first_fs", "last_fs", "interval"),
    [
        pytest.param("fssh", 9, 0.1, 40, 60, 2, marks=pytest.mark.slow),
        ("ehrenfest", 40, 0.2, 8, 14, 1),
        ("mash", 40, 0.2, 8, 14, 1),
    ],
)
def test_a_longer_run_has_the_bits_of_one_that_was_as_long_from_the_beginning(
    tmp_path, method, momentum, dt_fs, first_fs, last_fs, interval
):
    start = {"position_au": -3, "momentum_au": momentum, "width_au": 1, "n": 9, "state": 0}
    short = config(tmp_path, method=method, initial=start, dt_fs=dt_fs, time_fs=first_fs)
    run(short)
    assert open_run(short["output"]).attributes["write_every"] == interval
    result = run({**short, "time_fs": last_fs}, resume=True)
    assert f"made longer, from {first_fs} to {last_fs} fs" in result.notices[0]
    whole = {**short, "time_fs": last_fs, "write_every": interval, "output": str(tmp_path / "whole.h5")}
    run(whole)
    first, second = open_run(short["output"]), open_run(whole["output"])
    # Some left the region before the first end, and some after it.
    assert min(first.last_step) < first_fs / dt_fs < max(first.last_step)
    for name in ("positions", "momenta", "coefficients", "active_state", "status", "last_step"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert digest(short["output"]) == digest(whole["output"])


def test_a_run_is_made_longer_again_and_again_by_the_same_job(tmp_path):
    for time_fs in (5, 9, 9, 16):
        run(config(tmp_path, time_fs=time_fs), resume=True)
    run(config(tmp_path, "whole.h5", time_fs=16, write_every=1))
    assert digest(tmp_path / "run.h5") == digest(tmp_path / "whole.h5")
    # The interval may be said now that it is known.
    run(config(tmp_path, time_fs=16, write_every=1), resume=True)


class _Stop(Exception):
    """What ends a run in the middle of these tests."""


@pytest.mark.parametrize("at_step", [26, pytest.param(45, marks=pytest.mark.slow)])
def test_killed_while_it_goes_on_a_longer_run_still_ends_with_the_same_bits(tmp_path, monkeypatch, at_step):
    run(config(tmp_path, time_fs=5))
    judge = runner.statuses

    def fail(old, step, model, limits):
        if step.state.step == at_step:
            raise _Stop
        return judge(old, step, model, limits)

    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(runner, "statuses", fail)
        run(config(tmp_path, time_fs=12), resume=True)
    # Whoever looks at it now sees a run that is under way.
    halted = open_run(tmp_path / "run.h5")
    assert {halted.status_names[int(code)] for code in halted.status} <= {"running", "left_region"}
    run(config(tmp_path, time_fs=12), resume=True)
    run(config(tmp_path, "whole.h5", time_fs=12, write_every=1))
    assert digest(tmp_path / "run.h5") == digest(tmp_path / "whole.h5")


def test_a_run_of_which_nothing_runs_any_more_is_made_longer(tmp_path):
    changes = {"stop": {"beyond_au": 1.5}, "initial": {"position_au": 1, "momentum_au": 60, "n": 5}}
    run(config(tmp_path, time_fs=6, **changes))
    assert set(open_run(tmp_path / "run.h5").status) == {7}
    run(config(tmp_path, time_fs=16, **changes), resume=True)
    run(config(tmp_path, "whole.h5", time_fs=16, write_every=1, **changes))
    assert digest(tmp_path / "run.h5") == digest(tmp_path / "whole.h5")


def test_checkpoints_keep_the_interval_of_the_file(tmp_path):
    run(config(tmp_path, time_fs=8))
    run(config(tmp_path, time_fs=16), resume=True)
    # 40 steps with 20 checkpoints; 80 steps alone would have one every 4.
    assert open_run(tmp_path / "run.h5").config["checkpoint_every"] == 2


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a run of 20 steps and as many frames."""
    folder = tmp_path_factory.mktemp("finished")
    runner.run(config(folder, time_fs=4), progress=False)
    return folder


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"time_fs": 2}, r"`time_fs` must be at least the 4 of .* but is 2\. A run can be made longer, not"),
        ({"write_every": 4}, r"`write_every` must be 1, as in .*, or left out, but is 4"),
        ({"time_fs": 8, "write_every": 4}, r"`write_every` must be 1, as in .*, or left out, but is 4"),
        ({"time_fs": 8, "seed": 2}, r"`seed` must be as it was when .* was started, 1, but is 2"),
        ({"time_fs": 8, "dt_fs": 0.1}, r"`dt_fs` must be as it was"),
    ],
)
def test_what_would_be_another_run_is_refused_and_the_file_stays(finished, changes, sentence):
    before = digest(finished / "run.h5")
    with pytest.raises(InputError, match=sentence):
        run({**config(finished, time_fs=4), **changes}, resume=True)
    assert digest(finished / "run.h5") == before
    assert [path.name for path in finished.iterdir()] == ["run.h5"]
