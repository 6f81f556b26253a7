"""What a loop that has not converged says of going on."""

from dataclasses import replace

import pytest

from nadyn.analysis.learning_record import LearningRecord, RoundRecord
from nadyn.learning.going_on import how_to_go_on


def record(converged):
    one = RoundRecord(
        number=0,
        final=False,
        frames=0,
        labels=0,
        swarms=(),
        outside_method=0,
        asked=(),
        fresh=None,
        answers=(),
        seconds={"labels": 1200.0},
    )
    last = replace(one, number=1, seconds={"labels": 60.0, "training": 6000.0, "running": 60.0})
    return LearningRecord(
        title="C2H4",
        config={"budget": {"labels": 2500, "minutes": 140}},
        rounds=(one, last),
        verdict="Not converged.",
        converged=converged,
        goals={},
    )


def test_it_says_what_labels_took_and_how_to_ask_for_twice_as_many():
    # 21 of 122 minutes; twice the clock, in tens.
    assert how_to_go_on(record(False), "ethylene") == (
        "Labels took 21 of 122 minutes. For twice as many: "
        "nadyn learn ethylene --resume --labels 5000 --minutes 250"
    )


@pytest.mark.parametrize("converged", [True, None])
def test_where_there_is_an_answer_or_none_yet_it_says_nothing(converged):
    assert how_to_go_on(record(converged), "ethylene") == ""
