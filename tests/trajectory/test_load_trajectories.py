"""A trajectory file as named arrays, by nadyn and by the few lines of h5py that the documentation has."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy_run

import nadyn
from nadyn.analysis.fates import final_state
from nadyn.checks.errors import InputError
from nadyn.trajectory import TrajectoryWriter, open_run
from nadyn.trajectory.trajectories import Trajectories

FILES = (Path(__file__).parents[2] / "docs" / "files_trajectories.md").read_text(encoding="utf-8")


@pytest.fixture
def finished(tmp_path):
    """Five trajectories of 20 steps, of which one was stopped at step 9, with a frame every 2 steps."""
    path = tmp_path / "run.h5"
    toy_run.run(path, n_steps=20, resume=False)
    return path


def test_arrays_are_those_of_the_file_as_long_as_a_trajectory_runs(finished):
    found, file = nadyn.load_trajectories(finished), open_run(finished)
    assert found.alive.sum(axis=0).tolist() == [11, 5, 11, 11, 11]
    for name in ("positions", "momenta", "energies", "kinetic_energy", "diabatic_populations"):
        values, stored = getattr(found, name), np.asarray(getattr(file, name))
        assert np.array_equal(values[found.alive], stored[found.alive]), name
        assert np.isnan(values[~found.alive]).all(), name
    assert np.array_equal(found.active_state >= 0, found.alive)
    assert np.array_equal(found.coefficients.real[found.alive], file.coefficients[..., 0][found.alive])
    assert np.array_equal(found.coefficients.imag[found.alive], file.coefficients[..., 1][found.alive])
    assert found.status == ("finished", "broken", "finished", "finished", "finished")
    assert found.end_fs == pytest.approx(file.last_step * found.time_fs[1] / 2)
    assert found.populations_adiabatic is None and found.method == "toy"
    assert (found.n_trajectories, found.n_states) == (5, 2)


def test_hops_have_a_time_and_a_truth(finished):
    found, file = nadyn.load_trajectories(finished), open_run(finished)
    assert found.hops["time_fs"] == pytest.approx(file.hops["step"] * found.time_fs[1] / 2)
    assert found.hops["accepted"].dtype == bool and found.hops["accepted"].any()
    assert np.array_equal(found.hops["gap"], file.hops["gap"])


def test_units_are_those_that_the_file_names(finished):
    with h5py.File(finished, "r") as file:
        named = {name: file[name].attrs["unit"] for name in file if "unit" in file[name].attrs}
    named["time_fs"] = named.pop("time")
    told = dict(Trajectories.units)
    assert {name: told.pop(name) for name in named} == named
    assert sorted(told) == ["cell", "end_fs", "populations_adiabatic", "stress"]


def test_some_of_the_frames_are_those_of_all(finished):
    whole = nadyn.load_trajectories(finished)
    for frames in (slice(None, None, 3), slice(-1, None), slice(2, 5)):
        some = nadyn.load_trajectories(finished, frames=frames)
        assert np.array_equal(some.time_fs, whole.time_fs[frames])
        assert np.array_equal(some.alive, whole.alive[frames])
        assert np.array_equal(some.positions, whole.positions[frames], equal_nan=True)


def test_a_run_that_has_only_begun_is_refused(tmp_path):
    TrajectoryWriter.create(tmp_path / "run.h5", toy_run.header(20), toy_run.start()).close()
    with pytest.raises(InputError, match="must hold a frame, but its run has only begun"):
        nadyn.load_trajectories(tmp_path / "run.h5")


def code_of_the_documentation() -> list[str]:
    section = FILES.partition("### Reading one")[2].partition("### ")[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


def test_the_lines_of_the_documentation_read_the_same(finished, monkeypatch):
    monkeypatch.chdir(finished.parent)
    by_nadyn, by_h5py, last_state = code_of_the_documentation()
    assert len([line for line in by_h5py.splitlines() if line and "import" not in line]) <= 10
    names: dict[str, object] = {}
    exec(by_nadyn, names)
    exec(by_h5py, names)
    found = nadyn.load_trajectories(finished)
    assert np.array_equal(names["positions"], found.positions, equal_nan=True)
    assert np.array_equal(names["state"], found.active_state)
    assert tuple(names["status"]) == found.status
    assert names["on_upper"][0] == found.active_state[0].mean()
    expected = final_state(open_run(finished))
    # This toy writes hops of its broken trajectory after its end, which no run does.
    sound = np.array(found.status) == "finished"
    assert np.array_equal(names["last_state"][sound], expected[sound])
    exec(last_state, names)
    assert np.array_equal(names["last_state"], expected)
    assert 0 < expected.sum() < len(expected)


def test_the_lines_of_the_documentation_read_a_run_that_is_under_way(tmp_path, monkeypatch):
    path, state = tmp_path / "run.h5", toy_run.start()
    writer = TrajectoryWriter.create(path, toy_run.header(20), state)
    for number in range(4):
        writer.write_frame(number, toy_run.frame(state))
        state = toy_run.step(toy_run.step(state, 2 * number + 1, 20), 2 * number + 2, 20)
        writer.checkpoint(2 * number + 2, state)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code_of_the_documentation()[1], names)
    found = nadyn.load_trajectories(path)
    assert found.status == ("running",) * 5 == tuple(names["status"])
    assert np.array_equal(names["state"][:4], found.active_state) and (names["state"][4:] == -1).all()
    writer.close()
