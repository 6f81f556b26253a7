"""How many steps a run has: whole frames that cover the time asked for, and not one more."""

import pytest

from nadyn.checks.configuration import parse_configuration
from nadyn.dynamics.run_file import RunConfiguration


def n_steps(**keys):
    content = {"initial": {"position_au": -1, "momentum_au": 1, "n": 1}, "method": "nve", **keys}
    return parse_configuration(content, RunConfiguration, where="test").n_steps


@pytest.mark.parametrize(
    ("time_fs", "dt_fs", "steps"),
    [
        (1.0, 0.3, 4),
        (0.7, 0.5, 2),
        # Quotients that are whole numbers in decimals: 0.3 / 0.1 is a little less than 3, 0.6 / 0.2 too.
        (0.3, 0.1, 3),
        (0.6, 0.2, 3),
        (4.35, 0.01, 435),
        (0.5, 0.5, 1),
    ],
)
def test_the_last_step_reaches_the_time_asked_for(time_fs, dt_fs, steps):
    assert n_steps(time_fs=time_fs, dt_fs=dt_fs, write_every=1) == steps


def test_a_run_ends_with_a_whole_frame():
    assert n_steps(time_fs=1.0, dt_fs=0.3, write_every=3) == 6
    # About 200 frames without a number: one every 5 of 1,001 steps, and the last one is whole.
    assert n_steps(time_fs=100.01, dt_fs=0.1) == 1005


def test_frames_rarer_than_the_run_is_long_do_not_make_it_longer():
    assert n_steps(time_fs=5.0, dt_fs=0.25, write_every=100) == 20
    assert n_steps(time_fs=5.0, dt_fs=0.25, write_every=20) == 20
