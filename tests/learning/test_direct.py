"""Trajectories on the source itself: what a run file says of judges is not for them."""

from nadyn.dynamics.run_file import StopSection
from nadyn.learning.direct import without_judges

JUDGES = {
    "committee": False,
    "energy_spread_ev": 0.3,
    "gap_spread_ev": 0.3,
    "force_spread_ev_per_angstrom": 3.0,
    "novelty": 0.1,
}


def test_limits_of_a_committee_and_of_novelty_are_left_out_and_others_kept():
    dynamics = {"method": "fssh", "stop": {**JUDGES, "dissociated": False}}
    assert without_judges(dynamics) == {"method": "fssh", "stop": {"dissociated": False}}
    assert dynamics["stop"]["novelty"] == 0.1
    assert without_judges({"method": "fssh", "stop": JUDGES}) == {"method": "fssh"}
    # A source is not asked whether a molecule has fallen apart: its trajectories go on.
    assert without_judges({"method": "fssh", "stop": {"dissociated": True}}) == {"method": "fssh"}
    assert without_judges({"method": "fssh", "stop": None}) == {"method": "fssh"}


def test_all_keys_of_stop_are_known_as_of_judges_or_of_trajectories():
    assert set(JUDGES) | {"beyond_au", "dissociated", "jump_ev"} == set(StopSection.model_fields)
