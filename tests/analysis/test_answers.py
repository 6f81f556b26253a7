"""The answer of a page reads as English, whatever the numbers: one, many, all, none, stopped, not known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from synthetic_run import write_run

from nadyn.analysis.answer import answer
from nadyn.analysis.summary import summarise
from nadyn.trajectory import open_run

NUMBERS = np.array([7, 1, 1, 1])
_WHOLE = 1.9 * np.array([[0, 0, 0], [1, 0, 0.3], [-0.5, 0.85, 0.3], [-0.5, -0.85, 0.3]])
# Atoms that leave, and where to [bohr].
_LEAVING = {
    "whole": (),
    "NH2 + H": ((1, (30, 0, 0)),),
    "NH + H2": ((1, (30, 0, 0)), (2, (33, 0, 0))),
    "NH + H + H": ((1, (30, 0, 0)), (2, (0, 30, 0))),
    "N + H + H + H": ((1, (30, 0, 0)), (2, (0, 30, 0)), (3, (0, 0, 30))),
}


def ammonia(path, ends, *, fallen=None, stopped=0, **options):
    """A run of 21 frames whose trajectories end as said; the first ones fall to state 0 one after another,
    the last ones are stopped, as they are, halfway."""
    n = len(ends)
    state = np.ones((21, n), int)
    for traj in range(n if fallen is None else fallen):
        state[min(20, 1 + traj % 20) :, traj] = 0
    positions = np.broadcast_to(_WHOLE, (21, n, 4, 3)).copy()
    for traj, end in enumerate(ends):
        for atom, place in _LEAVING[end]:
            positions[10:, traj, atom] += place
    stops = np.arange(n) >= n - stopped
    written = write_run(
        path / "run.h5",
        state,
        n_states=2,
        positions=positions,
        atomic_numbers=NUMBERS,
        masses=np.array([14.003, 1.008, 1.008, 1.008]) * 1822.888,
        status=np.where(stops, 4, 0),
        last_step=np.where(stops, 12, 20),
        **options,
    )
    return open_run(written)


def told(run, **changes):
    return answer(run, summarise(run) | changes)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A run in which nothing happens, and its numbers."""
    run = ammonia(tmp_path_factory.mktemp("quiet"), ["whole"] * 5, fallen=0)
    return run, summarise(run)


def test_several_products_are_one_sentence_with_an_interval_each(tmp_path):
    kinds = ["NH2 + H"] * 10 + ["NH + H2"] * 5 + ["NH + H + H"] * 3 + ["N + H + H + H"] * 2 + ["whole"] * 20
    _, formed = told(ammonia(tmp_path, kinds))
    number = r"\d+\.\d"
    interval = rf"\((95 % interval: )?{number} to {number} %\)"
    assert re.sub(interval, "()", formed) == (
        "25.0 % of the 40 trajectories dissociate into NH₂ + H (), 12.5 % into H₂ + NH (), 7.5 % into "
        "NH + H + H () and 5.0 % in one rarer way; in 50.0 % NH₃ stays whole ()."
    )
    # The first interval says what it is, the others follow it.
    assert [found.startswith("95") for found in re.findall(interval, formed)] == [True, False, False, False]
    low, high = map(
        float, re.search(rf"NH₂ \+ H \(95 % interval: ({number}) to ({number}) %\)", formed).groups()
    )
    assert 10 < low < 25 < high < 45


def test_all_none_and_one_have_words_of_their_own(tmp_path):
    (tmp_path / "all").mkdir()
    decayed, formed = told(ammonia(tmp_path / "all", ["NH2 + H"] * 30))
    assert "After 20 fs all 30 trajectories are on state 0 (95 % interval: 88." in decayed
    assert re.fullmatch(
        r"All 30 trajectories dissociate into NH₂ \+ H \(95 % interval: 88\.\d to 100\.0 %\)\.", formed
    )
    (tmp_path / "none").mkdir()
    decayed, formed = told(ammonia(tmp_path / "none", ["whole"] * 30, fallen=3))
    assert "90.0 % of the 30 trajectories are on state 1 (95 % interval: " in decayed
    assert re.search(r" and 10\.0 % on state 0 \(\d+\.\d to \d+\.\d %\)\.$", decayed)
    assert formed == (
        "None of the 30 trajectories dissociates: NH₃ stays whole (95 % interval: at most 11.4 % dissociate)."
    )
    (tmp_path / "one").mkdir()
    decayed, formed = told(ammonia(tmp_path / "one", ["NH2 + H"]))
    assert decayed.endswith("After 20 fs the only trajectory is on state 0.")
    assert formed == "The only trajectory dissociates into NH₂ + H."


def test_what_was_stopped_and_what_is_unknown_is_said(tmp_path):
    run = ammonia(tmp_path, ["NH2 + H"] * 8 + ["whole"] * 12, stopped=5, fallen=3)
    decayed, formed, stopped = told(run)
    assert " of the 15 trajectories that were not stopped are on state " in decayed
    assert formed.startswith("40.0 % of the 20 trajectories dissociate into NH₂ + H (95 % interval: ")
    assert "; in 35.0 % NH₃ stays whole (" in formed
    assert formed.endswith("; what became of the other 5 is not known.")
    assert stopped == (
        "5 of 20 trajectories (25.0 %) were stopped early; the intervals hold every fate that they could "
        "have had."
    )
    *_, stopped = told(run, n_stopped={"close_atoms": 1}, n_running=2)
    assert stopped == (
        "1 of 20 trajectories (5.0 %) was stopped early; the intervals hold every fate that it could have "
        "had. 2 trajectories are still running."
    )


def test_weights_are_named_and_other_estimators_speak_of_populations(tmp_path):
    run = ammonia(tmp_path, ["NH2 + H"] * 4 + ["whole"] * 6, fallen=4)
    heavy = replace(run, weight=np.arange(1.0, 11.0))
    decayed, formed = told(heavy)
    assert "81.8 % of the 10 trajectories, by weight, are on state 1 (" in decayed
    assert formed.startswith("18.2 % of the 10 trajectories, by weight, dissociate into ")
    decayed, _ = told(run, population_estimator="mean of |c|^2", populations=[[0.25, 0.75]])
    assert " the population of state 1 is 75.0 % (95 % interval: " in decayed
    assert " and that of state 0 is 25.0 % (" in decayed


@pytest.mark.parametrize(
    ("life", "words"),
    [
        ((7.25, 6.1, 8.9, 0.0), "State 1 decays with a lifetime of 7.25 fs (95 % interval: 6.1 to 8.9 fs)."),
        (
            (7.25, 6.1, None, 3.5),
            "State 1 decays after a delay of 3.5 fs with a lifetime of 7.25 fs (95 % interval: at least 6.1 "
            "fs).",
        ),
        ((None, None, None, None), "No lifetime of state 1 is given: because so."),
    ],
)
def test_a_lifetime_has_its_interval_or_a_reason(quiet, life, words):
    run, numbers = quiet
    found = dict(zip(("value", "low", "high", "delay"), life, strict=True)) | {"reason": "because so."}
    assert answer(run, numbers | {"lifetimes_fs": {"1": found}})[0].startswith(words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {
                "isomerised": 0.2,
                "isomerised_low": 0.1,
                "isomerised_high": 0.3,
                "n_known": 5,
                "n_trajectories": 5,
            },
            "20.0 % of the 5 trajectories isomerise about the central double bond (95 % interval: 10.0 to "
            "30.0 %).",
        ),
        (
            {
                "isomerised": 0.0,
                "isomerised_low": 0.0,
                "isomerised_high": 0.6,
                "n_known": 4,
                "n_trajectories": 5,
            },
            "None of the 4 trajectories that came to the end isomerises about the central double bond (95 % "
            "interval: 0.0 to 60.0 %, whatever became of the other one).",
        ),
        (
            {
                "isomerised": None,
                "isomerised_low": 0.1,
                "isomerised_high": 0.9,
                "n_known": 1,
                "n_trajectories": 5,
            },
            "How many isomerise about the central double bond is not known: only 1 of 5 trajectories came to "
            "the end, so it may be anything from 10.0 % to 90.0 %.",
        ),
    ],
)
def test_isomerisation_is_a_share_of_those_that_came_to_the_end(quiet, change, words):
    run, numbers = quiet
    assert answer(run, numbers | {"isomerisation": change})[1].endswith(words)


def test_scattering_says_where_how_many_went(quiet):
    run, numbers = quiet
    branching = {"T0": 0.5, "T1": 0.3, "R0": 0.2, "R1": None}
    errors = {"T0": 0.05, "T1": 0.04, "R0": 0.03, "R1": None}
    (words,) = answer(run, numbers | {"branching": branching, "branching_error": errors})
    assert words == (
        "50.0 ± 9.8 % of the 5 trajectories are transmitted on state 0, 30.0 ± 7.8 % are transmitted on "
        "state 1 and 20.0 ± 5.9 % are reflected on state 0 (± are 95 % intervals)."
    )
