"""Where a committee objects: limits of a learn file, lenience of a round, and what counts as a result."""

import numpy as np
import pytest

from nadyn.learning import candidates
from nadyn.learning.objections import Objections
from nadyn.learning.picks import DOUBT, STOP
from nadyn.learning.swarm import swarm_file
from nadyn.units import EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

FINISHED, COMMITTEE = 0, 9


class FakeRun:
    """Four trajectories of five frames; each spread just under its limit unless a test raises it."""

    def __init__(self):
        shape = (5, 4)
        self.energy_spread = np.full(shape, 0.19 * HARTREE_PER_EV)
        self.gap_spread = np.full(shape, 0.24 * HARTREE_PER_EV)
        self.force_spread = np.full(shape, 2.4 / EV_PER_ANGSTROM_PER_AU)
        self.novelty = np.full(shape, 0.029)
        self.status = np.full(4, FINISHED)
        self.status_names = {FINISHED: "finished", COMMITTEE: "committee"}
        self.last_step = np.full(4, 4)
        self.committed_frames, self.attributes = 5, {"write_every": 1}
        self.time_fs = 0.5 * np.arange(5)
        self.positions = np.arange(60.0).reshape(5, 4, 1, 3)
        self.stops = {}

    def alive(self):
        return np.arange(5)[:, None] <= self.last_step[None, :]


LIMITS = {
    "energy_spread": 0.2 * HARTREE_PER_EV,
    "gap_spread": 0.25 * HARTREE_PER_EV,
    "force_spread": 2.5 / EV_PER_ANGSTROM_PER_AU,
    "novelty": 0.03,
}


@pytest.mark.parametrize("quantity", LIMITS)
def test_a_trajectory_that_was_objected_to_once_is_no_result(quantity):
    run, objections = FakeRun(), Objections()
    assert objections.results(run).all()
    getattr(run, quantity)[2, 1] = 1.01 * LIMITS[quantity]
    assert objections.results(run).tolist() == [True, False, True, True]
    assert objections.first(run).tolist() == [-1, 2, -1, -1]
    # What comes after an objection stays in doubt.
    assert objections.unquestioned(run)[:, 1].tolist() == [True, True, False, False, False]


def test_a_start_is_not_objected_to_and_no_number_is_an_objection():
    run = FakeRun()
    run.gap_spread[0] = np.nan
    run.novelty[0] = 1.0
    assert Objections().results(run).all()
    run.gap_spread[3, 0] = np.nan
    assert Objections().first(run).tolist() == [3, -1, -1, -1]


def test_a_stop_without_an_objection_before_is_no_result_either():
    run = FakeRun()
    run.status[2], run.last_step[2] = COMMITTEE, 3
    run.gap_spread[4, 2] = np.nan
    objections = Objections()
    assert objections.results(run).tolist() == [True, True, False, True]
    assert objections.first(run).tolist() == [-1, -1, -1, -1]


def test_the_first_objection_and_a_later_frame_are_in_doubt_and_the_end_is_a_stop():
    run = FakeRun()
    run.status[1], run.last_step[1] = COMMITTEE, 3
    run.gap_spread[2:, 1] = 1.0
    run.gap_spread[4, 3] = 1.0
    stops = candidates.stops(run, "round 1")
    assert [one.kind for one in stops] == [STOP] and "committee" in stops[0].why
    assert np.array_equal(stops[0].positions, run.positions[3, 1])
    seen = set()
    for seed in range(40):
        found = candidates.in_doubt(run, "round 1", Objections(), seed=seed)
        assert {one.kind for one in found} == {DOUBT}
        of_first = [one for one in found if "trajectory 1 " in one.why]
        assert np.array_equal(of_first[0].positions, run.positions[2, 1])
        assert "first objection" in of_first[0].why
        seen |= {int(one.positions[0, 0]) for one in of_first}
        # Objected to at its last frame: nothing comes later.
        assert sum("trajectory 3 " in one.why for one in found) == 1
        assert not any("trajectory 0 " in one.why for one in found)
    assert seen == {int(run.positions[frame, 1, 0, 0]) for frame in (2, 3)}


def test_a_trajectory_without_a_result_stands_where_it_was_first_in_doubt_or_where_it_stopped():
    run = FakeRun()
    run.gap_spread[2:, 1] = 1.0
    run.status[1], run.last_step[1] = COMMITTEE, 3
    run.status[2], run.last_step[2] = COMMITTEE, 3
    run.gap_spread[4, 3] = 1.0
    found = candidates.without_result(run, Objections())
    assert np.array_equal(found, np.stack([run.positions[2, 1], run.positions[3, 2], run.positions[4, 3]]))
    assert candidates.without_result(FakeRun(), Objections()).shape == (0, 1, 3)


def test_frames_at_random_come_from_before_the_first_objection():
    run = FakeRun()
    run.gap_spread[2:, 1:] = 1.0
    found = candidates.at_random(run, "round 1", Objections(), seed=1)
    allowed = [run.positions[frame, 0] for frame in range(1, 5)] + [run.positions[1, k] for k in (1, 2, 3)]
    assert len(found) == len(allowed)
    assert all(any(np.array_equal(one.positions, other) for other in allowed) for one in found)


def test_swarms_of_a_round_go_on_to_three_times_what_the_learn_file_allows():
    dynamics = {"method": "fssh", "stop": {"gap_spread_ev": 0.1, "dissociated": False, "novelty": 0.5}}
    arguments = {"model": "m", "starts": "s", "n": 4, "state": 1, "member": 2, "seed": 5}
    strict, lenient = (swarm_file(dynamics, **arguments, lenience=by)["stop"] for by in (1.0, 3.0))
    assert strict == {
        "gap_spread_ev": 0.1,
        "dissociated": False,
        "novelty": 0.5,
        "energy_spread_ev": 0.2,
        "force_spread_ev_per_angstrom": 2.5,
    }
    assert lenient == {**strict, "lenience": 3.0}
    assert Objections.of(dynamics) == Objections(gap_ev=0.1, novelty=0.5)


def test_a_committee_that_was_told_to_be_silent_objects_to_nothing():
    dynamics = {"stop": {"committee": False}}
    run, objections = FakeRun(), Objections.of(dynamics)
    for quantity in ("energy_spread", "gap_spread", "force_spread"):
        getattr(run, quantity)[2, 1] = 1e3 * LIMITS[quantity]
    assert objections.results(run).all()
    run.novelty[2, 1] = 1.01 * LIMITS["novelty"]
    assert objections.results(run).tolist() == [True, False, True, True]
    swarm = swarm_file(
        {"method": "fssh", **dynamics}, model="m", starts="s", n=1, state=1, member=0, seed=1, lenience=3.0
    )
    assert swarm["stop"] == {"committee": False, "novelty": 0.03, "lenience": 3.0}
