"""The end of a run is the start of another."""

import numpy as np
import pytest
import yaml

from nadyn.checks.errors import InputError
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run.forecast import forecast_run
from nadyn.trajectory import load_trajectories, open_run
from nadyn.trajectory.initial_conditions import (
    InitialConditions,
    read_initial_conditions,
    write_initial_conditions,
)

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def config(tmp_path, name, initial, **changes):
    content = {
        "model": {"name": "tully", "variant": 1},
        "initial": initial,
        "method": "fssh",
        "dt_fs": 0.4,
        "time_fs": 4,
        "output": str(tmp_path / name),
    }
    return {**content, **changes}


def run(content):
    return runner.run(content, progress=False)


PACKET = {"position_au": -3, "momentum_au": 30, "width_au": 1, "n": 9, "state": 0}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Nine trajectories, some of which have hopped."""
    folder = tmp_path_factory.mktemp("runs")
    run(config(folder, "a.h5", PACKET, time_fs=14))
    found = load_trajectories(folder / "a.h5")
    assert set(found.active_state[-1]) == {0, 1} and set(found.status) == {"finished"}
    return folder / "a.h5"


def test_two_halves_on_one_surface_have_the_bits_of_the_whole(tmp_path):
    run(config(tmp_path, "whole.h5", PACKET, method="nve", time_fs=8))
    run(config(tmp_path, "first.h5", PACKET, method="nve"))
    run(config(tmp_path, "second.h5", {"run": str(tmp_path / "first.h5")}, method="nve"))
    whole, second = (open_run(tmp_path / name) for name in ("whole.h5", "second.h5"))
    for name in ("positions", "momenta", "energies"):
        np.testing.assert_array_equal(getattr(whole, name)[-1], getattr(second, name)[-1])


def test_each_starts_where_and_on_which_state_it_ended(tmp_path, earlier):
    run(config(tmp_path, "b.h5", {"run": str(earlier)}, seed=2))
    before, after = load_trajectories(earlier), load_trajectories(tmp_path / "b.h5")
    np.testing.assert_array_equal(after.positions[0], before.positions[-1])
    np.testing.assert_array_equal(after.momenta[0], before.momenta[-1])
    np.testing.assert_array_equal(after.active_state[0], before.active_state[-1])
    np.testing.assert_array_equal(np.abs(after.coefficients[0]) ** 2, np.eye(2)[before.active_state[-1]])


def test_a_state_that_is_given_holds_for_all_and_n_takes_the_first(tmp_path, earlier):
    run(config(tmp_path, "b.h5", {"run": str(earlier), "state": 1, "n": 4}, seed=2))
    after = load_trajectories(tmp_path / "b.h5")
    assert after.active_state[0].tolist() == [1] * 4
    with pytest.raises(InputError, match="`n` must be at most 9"):
        run(config(tmp_path, "c.h5", {"run": str(earlier), "n": 10}, seed=2))


def test_only_what_came_to_the_end_goes_on(tmp_path):
    run(config(tmp_path, "a.h5", PACKET, time_fs=10, stop={"beyond_au": 3.2}))
    statuses = load_trajectories(tmp_path / "a.h5").status
    assert "left_region" in statuses and "finished" in statuses
    result = run(config(tmp_path, "b.h5", {"run": str(tmp_path / "a.h5")}, seed=2))
    n = sum(status == "finished" for status in statuses)
    assert open_run(tmp_path / "b.h5").n_trajectories == n
    written = config(tmp_path, "c.h5", {"run": str(tmp_path / "a.h5")}, seed=2)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(written))
    assert f"{n} trajectories" in dict(forecast_run(tmp_path / "c.yaml").facts)["starts"]
    assert any(f"{9 - n} of 9 trajectories" in notice for notice in result.notices)


def test_a_run_of_other_atoms_is_refused(tmp_path, earlier):
    with pytest.raises(InputError, match=r"run .* must be for the atoms and masses of model"):
        run(config(tmp_path, "b.h5", {"run": str(earlier)}, seed=2, model={"name": "pyrazine", "variant": 4}))
    with pytest.raises(
        InputError, match="must have one of `sample`, `position_au`, `structure`, `file` or `run`"
    ):
        run(config(tmp_path, "b.h5", {"run": str(earlier), "file": "x.h5"}))


def test_random_numbers_do_not_come_again(tmp_path, earlier):
    """Who has stayed in a state with them would stay again."""
    with pytest.raises(InputError, match="`seed` must not be that of run"):
        run(config(tmp_path, "b.h5", {"run": str(earlier)}))
    run(config(tmp_path, "c.h5", {"run": str(earlier)}, method="nve"))


def test_a_run_goes_on_without_the_file_of_its_start(tmp_path):
    first = tmp_path / "a.h5"
    run(config(tmp_path, "a.h5", PACKET, method="nve", time_fs=1.2))
    start = {"run": str(first)}
    run(config(tmp_path, "b.h5", start, method="nve", time_fs=1.2))
    first.unlink()
    content = config(tmp_path, "b.h5", start, method="nve", time_fs=2.4)
    result = runner.run(content, resume=True, progress=False)
    assert result.time_fs == pytest.approx(2.4)
    with pytest.raises(InputError, match=r"a\.h5"):
        run(config(tmp_path, "c.h5", start, method="nve"))


def test_a_mean_of_states_is_no_state_to_start_on(tmp_path):
    run(config(tmp_path, "a.h5", PACKET, method="ehrenfest"))
    start = {"run": str(tmp_path / "a.h5")}
    with pytest.raises(InputError, match=r"`state` must be given with run .* on a mean of the states"):
        run(config(tmp_path, "b.h5", start, seed=2))
    run(config(tmp_path, "b.h5", {**start, "state": 0}, seed=2))


def test_spin_adiabatic_states_are_no_states_to_start_in(tmp_path):
    """A start is in a state without spin-orbit coupling, and those are numbered otherwise."""
    start = {"sample": "wigner", "n": 3, "state": 2}
    keys = {"model": {"name": "sulfur_dioxide", "variant": "triplets"}, "time_fs": 0.8}
    mixed, free = tmp_path / "mixed.h5", tmp_path / "free.h5"
    run(config(tmp_path, mixed.name, start, **keys))
    run(config(tmp_path, free.name, start, representation="spin_free", **keys))
    assert load_trajectories(mixed).n_states == 12 > load_trajectories(free).n_states == 6
    with pytest.raises(InputError, match=r"`state` must be given with run .* are spin-adiabatic"):
        run(config(tmp_path, "b.h5", {"run": str(mixed)}, seed=2, **keys))
    run(config(tmp_path, "c.h5", {"run": str(mixed), "state": 2}, seed=2, **keys))
    run(config(tmp_path, "d.h5", {"run": str(free)}, seed=2, **keys))


def test_initial_conditions_keep_a_state_for_each(tmp_path):
    random = np.random.default_rng(2)
    written = InitialConditions(
        positions=random.normal(size=(5, 4, 3)),
        momenta=random.normal(size=(5, 4, 3)),
        weight=np.ones(5),
        masses=np.arange(1.0, 5.0),
        atomic_numbers=np.array([1, 6, 8, 1]),
        state=None,
        diabatic_state=None,
        origin="dice",
        temperature_kelvin=None,
        states=np.array([0, 2, 1, 0, 2]),
    )
    write_initial_conditions(tmp_path / "i.h5", written)
    read = read_initial_conditions(tmp_path / "i.h5")
    np.testing.assert_array_equal(read.states, written.states)
    assert read.state is None
