"""Which runs may stand side by side as those of one committee, and whether they are pairs."""

import numpy as np
import pytest
from member_runs import TIME, write_member, write_members
from synthetic_run import write_run

from nadyn.analysis.members import open_members
from nadyn.checks.errors import InputError

STATE = np.ones((len(TIME), 6), int)


def test_runs_are_told_to_be_pairs_by_their_starts_and_seeds(tmp_path):
    for name, paired in (("pairs", True), ("apart", False)):
        (tmp_path / name).mkdir()
        found = open_members(write_members(tmp_path / name, [20.0, 30.0, 40.0], paired=paired))
        others = ~np.eye(3, dtype=bool)
        assert (found.pairs[others] == paired).all() and found.pairs.diagonal().all()
        assert found.pairing == ("same starts and random numbers" if paired else "independent")


def test_one_run_with_another_seed_shares_the_starts(tmp_path):
    paths = [write_member(tmp_path / "a.h5", 0, STATE), write_member(tmp_path / "b.h5", 1, STATE, seed=9)]
    found = open_members(paths)
    assert found.pairing == "same starts" and found.pairs.all() and not found.same_random_numbers.all()
    third = write_member(tmp_path / "c.h5", 2, STATE, seed=8, momenta=np.ones((*STATE.shape, 5, 1)))
    assert open_members([*paths, third]).pairing == "some share starts or random numbers"


def test_more_trajectories_of_one_member_are_pairs_as_far_as_they_go(tmp_path):
    paths = [
        write_member(tmp_path / "a.h5", 0, STATE),
        write_member(tmp_path / "b.h5", 1, np.ones((len(TIME), 9), int)),
    ]
    assert open_members(paths).pairs.all()


def test_runs_are_in_the_order_of_the_members(tmp_path):
    paths = [write_member(tmp_path / f"{k}.h5", k, STATE) for k in (2, 0, 1)]
    found = open_members(paths)
    assert found.numbers == (0, 1, 2) and [run.path for run in found.runs] == [paths[1], paths[2], paths[0]]


def test_runs_under_way_are_compared_as_far_as_all_have_come(tmp_path):
    paths = [
        write_member(tmp_path / "a.h5", 0, STATE),
        write_member(tmp_path / "b.h5", 1, STATE, n_frames_written=12),
    ]
    found = open_members(paths)
    assert found.n_frames == 12 and not found.equally_far


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"atomic_numbers": np.array([7, 1, 1, 1, 6])}, "must be of the same molecule, but are of"),
        ({"masses": np.full(5, 3674.0)}, "must be of the same molecule"),
        ({"n_states": 3}, "must have the same number of states, but have 2 and 3"),
        ({"committee": False}, "must be a run of a member of a committee, but its model is one alone"),
        ({"model_digest": "1" * 64}, "must be of members of one committee, but are of different model files"),
        ({"config": {"initial": {"state": 0}}}, "must begin in the same state, but begin in 1 and 0"),
        (
            {"dt_fs": 0.5, "config": {"dt_fs": 0.5}},
            "must have the same time step, but have 2.0 fs and 0.5 fs",
        ),
        ({"write_every": 2}, "must be equally long, but have 20 steps and 40 steps"),
        ({"config": {"decoherence": "none"}}, "must be run with the same keys, but `decoherence` is"),
        ({"config": {"method": "gfsh"}}, "must be run with the same keys, but `method` is fssh and gfsh"),
        ({"member": 0}, "must be runs of different members, but are both of member 0"),
        ({"energies": np.array([0.0, 0.1])}, "must be runs of different members, but are both of member 0"),
    ],
)
def test_what_are_no_members_side_by_side_is_refused_in_a_sentence(tmp_path, options, sentence):
    options = dict(options)
    shapes = {"atomic_numbers": np.array([7, 1, 1, 6, 1])} if "atomic_numbers" in options else {}
    first = write_member(tmp_path / "a.h5", 0, STATE, **shapes)
    other = write_member(tmp_path / "b.h5", options.pop("member", 1), STATE, **options)
    with pytest.raises(InputError, match=sentence) as error:
        open_members([first, other])
    assert str(error.value).count("\n") == 0 and "a.h5" in str(error.value) + str(first)


def test_another_state_at_the_start_is_refused_though_the_run_files_do_not_say(tmp_path):
    first = write_member(tmp_path / "a.h5", 0, STATE, config={"initial": {"file": "s.h5"}})
    other = write_member(tmp_path / "b.h5", 1, 0 * STATE, config={"initial": {"file": "t.h5"}})
    with pytest.raises(InputError, match="must begin in the same state, but begin in 1 and 0"):
        open_members([first, other])


def test_runs_of_different_things_are_pointed_to_the_report_beside(tmp_path):
    first = write_member(tmp_path / "a.h5", 0, STATE)
    other = write_run(tmp_path / "b.h5", STATE, n_states=2)
    with pytest.raises(InputError, match=r"report RUN\.h5 --beside OTHER\.json"):
        open_members([first, other])


def test_one_state_and_one_run_are_refused(tmp_path):
    paths = [write_member(tmp_path / f"{k}.h5", k, STATE, method="nve") for k in range(2)]
    with pytest.raises(InputError, match="must be a run that changes states"):
        open_members(paths)
    with pytest.raises(InputError, match="must be two or more"):
        open_members(paths[:1])
