"""What `nadyn train` says beside its table: lines in a log file, and what the data cannot teach."""

import numpy as np
import pytest
from teacher import configuration, dataset

from nadyn.cli.training_table import TrainingLines
from nadyn.training.assignments import Assignment
from nadyn.training.notices import about_couplings, about_gaps, about_trials
from nadyn.training.progress import Progress
from nadyn.training.search import Trial
from nadyn.units import HARTREE_PER_EV


def test_a_log_has_a_line_at_the_start_every_half_minute_at_each_stage_and_at_the_end(monkeypatch):
    now, lines = [0.0], []
    monkeypatch.setattr("nadyn.cli.training_table.time.monotonic", lambda: now[0])
    log = TrainingLines(lines.append)
    progress = Progress(n_steps=1000, learning_rate=1e-3, loss=2.5, title="trial 1 of 2")
    for step in range(1, 101):
        now[0], progress.step = float(step), step
        progress.seconds_a_step = 1.0
        log.show(progress)
    assert [line.split(",")[1] for line in lines] == [f" step {step} of 1" for step in (1, 31, 61, 91)]
    assert lines[1] == "trial 1 of 2, step 31 of 1,000, 0:00:31 spent, 0:16:09 left, loss 2.500"
    progress.title = "trial 2 of 2"
    log.show(progress)
    progress.step, progress.history = 1000, [{"energy_mae": [1.0], "force_mae": [], "coupling_mae": []}]
    log.show(progress)
    assert len(lines) == 6
    assert "step 1,000 of 1,000" in lines[-1] and lines[-1].endswith("validation energy MAE (eV) 27.2114")


def test_a_pace_that_is_not_known_yet_is_left_out():
    lines = []
    TrainingLines(lines.append).show(Progress())
    assert lines == ["step 0, 0:00:00 spent"]


def test_states_without_any_coupling_are_pointed_out():
    data, settings = dataset(12), configuration(epochs=1)
    assert about_couplings(data, settings) is None
    data.groups[0].interstate_couplings[1:] = np.nan
    assert about_couplings(data, settings) is None
    data.groups[0].interstate_couplings[0] = np.nan
    assert "look for it first (`small_starts`)" in about_couplings(data, settings)
    without = settings.model_copy(update={"small_starts": 0})
    assert "crossings may be missed" in about_couplings(data, without)


def test_data_far_from_all_crossings_are_pointed_out():
    data = dataset(12)
    energies = data.groups[0].energies
    energies[:] = energies[:, :1] + HARTREE_PER_EV * np.array([0.0, 0.31])
    assert "the smallest is 0.31 eV" in about_gaps(data)
    energies[4, 1] -= 0.02 * HARTREE_PER_EV
    assert about_gaps(data) is None


@pytest.mark.parametrize(("n_steps", "short"), [((40, 160), True), ((300, 1200), False), ((), False)])
def test_trials_that_are_too_short_to_tell_are_pointed_out(n_steps, short):
    trials = tuple(Trial(Assignment("2x0e", ()), 0.0, number) for number in n_steps)
    assert ("trials of 40 steps are too short" in str(about_trials(trials))) == short
