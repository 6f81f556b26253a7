"""Who has been on the lowest state for long enough ends there, as a result whose geometry is not final."""

from dataclasses import dataclass, replace
from html import unescape

import numpy as np
import pytest
import torch
from spin_models import SpinCrossing

from nadyn.analysis import analyse, report
from nadyn.analysis.exits import first_exits
from nadyn.analysis.fates import ended_as_asked
from nadyn.analysis.geometry import Quantity
from nadyn.analysis.key_numbers import note_on_settled
from nadyn.analysis.plots import geometry_figure
from nadyn.analysis.populations import populations
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run.settling import StepsOnLowest, counted_step, counting, settled
from nadyn.dynamics.state.memory import recall
from nadyn.dynamics.state.step import Hops, Step
from nadyn.trajectory import digest, open_run

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

STEPS = 12


def config(tmp_path, name="run.h5", **changes):
    content = {
        "model": {"name": "pyrazine", "variant": 4},
        "initial": {"sample": "wigner", "n": 40, "diabatic_state": 1},
        "method": "fssh",
        "dt_fs": 0.25,
        "time_fs": 40,
        "write_every": 1,
        "checkpoint_every": 9,
        "stop": {"lowest_state_fs": STEPS * 0.25},
        "output": str(tmp_path / name),
    }
    return {**content, **changes}


def run(content, **options):
    runner.run(content, progress=False, **options)
    return open_run(content["output"])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("settling")
    return run(config(folder)), run(config(folder, "whole.h5", stop=None))


def _stays(active):
    """The first frame so many steps after the one from which on all are on the lowest state; -1 without."""
    ends = []
    for states in active.T:
        found = [k for k in range(STEPS, len(states)) if not states[k - STEPS : k + 1].any()]
        ends.append(found[0] if found else -1)
    return np.array(ends)


def test_a_trajectory_ends_after_so_many_steps_in_a_row_and_not_before(both):
    ended, whole = both
    expected = _stays(np.asarray(whole.active_state))
    settled = np.array([ended.status_names[int(code)] == "settled" for code in ended.status])
    np.testing.assert_array_equal(settled, expected >= 0)
    assert 8 < settled.sum() < 40
    np.testing.assert_array_equal(ended.last_step[settled], expected[settled])
    # One that had left the lowest state again began anew.
    hops = whole.hops
    assert ((hops["from_state"] == 0) & (hops["accepted"] == 1)).any()
    # Until then it is the trajectory without such an end, bit for bit.
    for traj, last in enumerate(ended.last_step.tolist()):
        np.testing.assert_array_equal(ended.positions[: last + 1, traj], whole.positions[: last + 1, traj])


def test_it_counts_as_staying(both):
    ended, whole = both
    assert ended_as_asked(ended).all()
    found, later = populations(ended), populations(whole)
    assert (found.counted == ended.n_trajectories).all()
    held = np.asarray(whole.active_state).copy()
    for traj, last in enumerate(ended.last_step.tolist()):
        held[last:, traj] = held[last, traj]
    np.testing.assert_allclose(found.mean[:, 0], (held == 0).mean(axis=1))
    # Those that would have come back are the difference.
    assert (found.mean[:, 0] >= later.mean[:, 0] - 1e-12).all()
    assert first_exits(ended, 1).n_left == first_exits(whole, 1).n_left


@dataclass(frozen=True)
class Batch:
    active_state: torch.Tensor
    extra: dict


def _step(batch, active, hops):
    """A step to these states, by attempted hops (row, from, to, accepted)."""
    row, start, end, accepted = torch.tensor(hops, dtype=torch.int64).reshape(-1, 4).T
    nothing = torch.zeros(len(row), dtype=torch.float64)
    table = Hops(row, start, end, accepted.bool(), *[nothing] * 6)
    return Step(replace(batch, active_state=torch.tensor(active)), table, torch.zeros(len(active)).bool())


def test_who_leaves_the_lowest_state_begins_anew():
    batch = counting(Batch(torch.tensor([1, 0, 0, 0]), {}))
    counts = []
    for active, hops in (
        # The hop that brings the first one there is at the end of a step, which it has not been there.
        ([0, 0, 1, 0], [(0, 1, 0, 1), (2, 0, 1, 1)]),
        # A hop that is refused is none.
        ([0, 1, 0, 0], [(1, 0, 1, 1), (2, 1, 0, 1), (0, 0, 1, 0)]),
        # In a step that was divided the last one goes up and comes back.
        ([2, 0, 0, 0], [(0, 0, 2, 1), (1, 1, 0, 1), (3, 0, 1, 1), (3, 1, 0, 1)]),
        ([0, 0, 0, 0], [(0, 2, 0, 1)]),
    ):
        batch = counted_step(_step(batch, active, hops)).state
        counts.append(recall(batch, StepsOnLowest).n.tolist())
    assert counts == [[0, 1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 0], [0, 1, 2, 1]]
    assert settled(batch, 2).tolist() == [False, False, True, False]
    # Nobody is counted where nobody asked.
    assert counted_step(_step(Batch(torch.tensor([0]), {}), [0], [])).state.extra == {}


@pytest.mark.parametrize("stops", [(5, 30), (11, 12, 70)])
def test_the_count_goes_on_after_an_interruption(tmp_path, both, monkeypatch, stops):
    content, left = config(tmp_path), list(stops)

    class Stop(Exception):
        pass

    judged = runner.judged_step

    def stopping(old, step, model, method):
        if left and old.step + 1 == left[0]:
            left.pop(0)
            raise Stop
        return judged(old, step, model, method)

    monkeypatch.setattr(runner, "judged_step", stopping)
    for number in range(len(stops)):
        with pytest.raises(Stop):
            run(content, resume=number > 0)
    run(content, resume=True)
    assert digest(content["output"]) == digest(both[0].path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"method": "ehrenfest"}, "for method ehrenfest, whose populations are not those of trajectories"),
        ({"method": "spin_lsc"}, "for method spin_lsc"),
        ({"method": "nve", "initial": {"sample": "wigner", "n": 4, "state": 0}}, "for method nve, whose"),
    ],
)
def test_methods_without_trajectories_on_a_state_that_changes_refuse_it(tmp_path, changes, why):
    with pytest.raises(InputError, match=rf"`stop.lowest_state_fs` must be left out {why}"):
        run(config(tmp_path, **changes))


SPINS = {"model": {"name": "sulfur_dioxide", "variant": "triplets"}, "initial": {"sample": "wigner", "n": 4}}
PULSE = {"peak_field_au": 0.005, "photon_energy_ev": 4.3, "fwhm_fs": 3, "centre_fs": 5}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        # Who waits for the pulse on the lowest state would end before it.
        (
            {"laser": PULSE | {"polarisation": [0, 0, 1]}},
            "with a laser, which excites what waits on the lowest state",
        ),
        ({"representation": "spin_adiabatic"}, "among spin-adiabatic states"),
        ({}, "among spin-adiabatic states"),
    ],
)
def test_a_laser_and_states_of_several_components_refuse_it(tmp_path, changes, why):
    with pytest.raises(InputError, match=rf"`stop.lowest_state_fs` must be left out {why}"):
        run(config(tmp_path, **SPINS, **changes))


def test_spin_adiabatic_states_without_coupling_have_components_too(tmp_path):
    model = SpinCrossing(multiplicities=(1, 3), spin_orbit=None, levels=(0.0, 0.1))
    start = {"position_au": -1, "momentum_au": 20, "n": 3, "state": 0}
    keys = {"model": None, "initial": start, "representation": "spin_adiabatic", "time_fs": 4}
    with pytest.raises(InputError, match=r"`stop.lowest_state_fs` must be left out among spin-adiabatic"):
        run(config(tmp_path, **keys), model=model)


def test_a_time_that_is_no_multiple_of_the_step_is_rounded_up(tmp_path):
    found = run(config(tmp_path, time_fs=6, stop={"lowest_state_fs": 0.6}))
    settled = np.array([found.status_names[int(code)] == "settled" for code in found.status])
    assert settled.any()
    for traj in np.flatnonzero(settled):
        last = int(found.last_step[traj])
        active = np.asarray(found.active_state)[: last + 1, traj]
        assert not active[-4:].any() and (len(active) == 4 or active[-5])


def test_page_and_terminal_say_what_is_taken_for_granted(both, tmp_path, capsys):
    ended, whole = both
    n = sum(ended.status_names[int(code)] == "settled" for code in ended.status)
    sentence = f"{n} of 40 trajectories ended after 3 fs on the lowest state (`stop.lowest_state_fs`)"
    with pytest.raises(SystemExit):
        main(["analyse", str(ended.path)])
    assert sentence in " ".join(capsys.readouterr().out.split())
    report(ended.path, tmp_path / "page.html")
    shown = unescape((tmp_path / "page.html").read_text("utf-8"))
    assert sentence in shown.replace("<code>", "`").replace("</code>", "`")
    assert note_on_settled(analyse(whole.path)) == ""
    # The spread of a coordinate at the end is of those that were there.
    figure = geometry_figure(ended, Quantity("coordinate", (0,)))
    shown = sum(patch.get_width() for patch in figure.axes[1].patches)
    assert shown == 40 - n
