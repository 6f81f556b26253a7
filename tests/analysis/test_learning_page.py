"""The page and the record of a learning loop, under way and ended."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.analysis.learning_page import learning_page
from nadyn.analysis.learning_record import (
    AnswerRecord,
    AskedRecord,
    FreshRecord,
    LearningRecord,
    RoundRecord,
    SwarmRecord,
    read_record,
    write_record,
)
from nadyn.checks.errors import InputError
from tests.analysis.member_runs import write_member
from tests.analysis.synthetic_run import write_run

GOALS = {"ended": 0.95, "populations": 0.05, "energy_ev": 0.08, "force_ev_per_angstrom": 0.25}
BEGINNING = RoundRecord(
    number=0,
    final=False,
    frames=0,
    labels=0,
    swarms=(),
    outside_method=0,
    asked=(AskedRecord("wigner", 57, 2, 1, {"CASSCF did not converge & <more>.": 1, "other orbitals.": 2}),),
    fresh=None,
    answers=(),
    seconds={"labels": 61.0},
)


def loop(rounds: tuple[RoundRecord, ...] = (BEGINNING,)) -> LearningRecord:
    return LearningRecord("C2H4, SA3", {"state": 1}, rounds, "Under way: 0 rounds.", None, GOALS)


def a_round(folder, number: int, *, final: bool = False) -> RoundRecord:
    (folder / f"round_{number:02d}").mkdir()
    swarms = []
    for member in range(2):
        state = np.ones((5, 8), int)
        state[2:, : 3 + member] = 0
        status = np.array([0, 0, 0, 0, 0, 0, 4, 2])
        write_run(
            folder / f"round_{number:02d}" / f"swarm_{member}.h5",
            state,
            n_states=2,
            status=status,
            last_step=np.where(status == 0, 4, 3),
        )
        swarms.append(SwarmRecord(member, f"swarm_{member}.h5", 8, {"finished": 6, "close_atoms": 2}, 6))
    return RoundRecord(
        number=number,
        final=final,
        frames=57,
        labels=60,
        swarms=tuple(swarms),
        outside_method=1,
        asked=(AskedRecord("random", 12), AskedRecord("stop", 40, 1)),
        fresh=FreshRecord(12, 0.0612, 0.004, 0.21, 0.02, 0.3),
        answers=(AnswerRecord("trajectories end as results", False, "75.0 % of 16 (goal 95 %)"),),
        seconds={"labels": 60.0, "training": 120.0, "running": 30.0},
    )


def test_a_record_is_read_as_it_was_written(tmp_path):
    record = loop((BEGINNING, a_round(tmp_path, 1)))
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_what_is_no_record_is_refused(tmp_path):
    with pytest.raises(InputError, match="must exist"):
        read_record(tmp_path)
    (tmp_path / "learning.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="must be the record of a learning loop"):
        learning_page(tmp_path)


def test_members_of_a_committee_stand_on_the_page_with_two_error_bars(tmp_path):
    one = a_round(tmp_path, 1)
    for member in range(2):
        write_member(tmp_path / "round_01" / f"swarm_{member}.h5", member, np.ones((5, 8), int))
    write_record(tmp_path, loop((BEGINNING, one)))
    text = learning_page(tmp_path).read_text()
    assert 'id="two_errors"' in text and "is known worst" in text
    one_swarm = replace(one, swarms=one.swarms[:1])
    write_record(tmp_path, loop((BEGINNING, one_swarm)))
    assert 'id="two_errors"' not in learning_page(tmp_path).read_text()


def test_the_page_of_a_loop_before_its_first_round(tmp_path):
    write_record(tmp_path, loop())
    text = learning_page(tmp_path).read_text()
    assert "Under way: 0 rounds." in text and "57 trusted, 3 not" in text
    # Reasons come from programs and are text, not markup.
    assert "did not converge &amp; &lt;more&gt;." in text
    assert text.count("<figure") == 2


def test_the_page_tells_the_newest_round(tmp_path):
    rounds = (BEGINNING, a_round(tmp_path, 1), a_round(tmp_path, 2, final=True))
    write_record(tmp_path, replace(loop(rounds), verdict="Converged.", converged=True))
    text = learning_page(tmp_path).read_text()
    assert "75.0 %" in text and "1 outside of the method" in text
    assert "0.061 eV" in text and "2, last models" in text
    assert text.count("<figure") == 5 and "Populations by member" in text
    assert "8 min" in text


def test_reasons_that_differ_in_numbers_alone_are_one_with_the_range_of_each(tmp_path):
    reasons = {
        "the energies are off within 0.1 angstrom by 0.12 eV.": 1,
        "the energies are off within 0.1 angstrom by 1.05 eV.": 2,
        "the energies are off within 0.1 angstrom by 0.3 eV.": 1,
        "S0 of O2 is another one.": 3,
    }
    asked = (AskedRecord("stop", 5, 7, 0, reasons),)
    write_record(tmp_path, loop((replace(BEGINNING, asked=asked),)))
    page = learning_page(tmp_path).read_text()
    assert "<td>4</td><td>the energies are off within 0.1 angstrom by 0.12 to 1.05 eV.</td>" in page
    assert "<td>3</td><td>S0 of O2 is another one.</td>" in page
