"""Where the interval says nothing the headline says nothing either: on the page, in the terminal, in JSON."""

import re
from html import unescape

import numpy as np
import pytest
from synthetic_run import write_run
from typer.testing import CliRunner

from nadyn.analysis import analyse, report
from nadyn.analysis.key_numbers import key_numbers, note_on_stopped
from nadyn.cli.main import build_app
from nadyn.trajectory import open_run
from nadyn.units import BOHR_PER_ANGSTROM


def stopping(n_stopped: int, n: int = 50) -> dict[str, np.ndarray]:
    stops = np.arange(n) < n_stopped
    return {"status": np.where(stops, 4, 0), "last_step": np.where(stops, 4, 10)}


@pytest.fixture
def mostly_stopped(tmp_path):
    """Of 50 trajectories on state 1, 48 are stopped there; the other two fall to state 0."""
    state = np.ones((11, 50), int)
    state[5:, 48:] = 0
    diabatic = np.repeat((state[..., None] == np.arange(2)).astype(float), 2, axis=2)[..., [0, 2, 3]] / 1.0
    options = {"diabatic": diabatic, "multiplicities": (1, 1, 3), **stopping(48)}
    return write_run(tmp_path / "run.h5", state, n_states=2, **options)


def test_the_populations_of_two_in_fifty_are_no_headline(mostly_stopped):
    run, numbers = open_run(mostly_stopped), analyse(mostly_stopped)
    found = {number.name: number for number in key_numbers(run, numbers)}
    for name in ("State 0 at 10 fs", "State 1 at 10 fs", "Singlets at 10 fs", "Triplets at 10 fs"):
        assert (found[name].value, found[name].unit) == ("—", ""), name
        assert found[name].detail.startswith("not known, for 48 of 50 trajectories were stopped"), name
    assert "95 %: 1.1 to 100.0 %" in found["State 0 at 10 fs"].detail
    assert note_on_stopped(run, numbers) == (
        "Populations at 10 fs are not known, for 48 of 50 trajectories were stopped."
    )
    assert found["Lifetime of state 1"].value == "—"
    assert found["Lifetime of state 1"].detail.startswith("48 of 50 trajectories were stopped on it")


def test_nor_are_they_in_json(mostly_stopped):
    numbers = analyse(mostly_stopped)
    assert numbers["populations"][4] == pytest.approx([0.0, 1.0])
    assert numbers["populations"][5] == numbers["populations"][-1] == [None, None]
    assert numbers["populations_electronic"][-1] == [None, None]
    assert numbers["diabatic_populations"][-1] == numbers["diabatic_populations_error"][-1] == [None] * 3
    assert numbers["multiplicity_populations"]["1"][-1] is None
    # What is known stays: the bounds, and where everyone was seen last.
    assert numbers["populations_low"][-1] == pytest.approx([0.011, 0.0], abs=1e-3)
    assert numbers["populations_high"][-1] == pytest.approx([1.0, 0.989], abs=1e-3)
    assert numbers["populations_held"][-1] == pytest.approx([0.04, 0.96])
    assert all(values["mean"][-1] is None for values in numbers["geometry"])


def test_nor_on_the_page_or_in_the_terminal(mostly_stopped, tmp_path, monkeypatch):
    page = unescape(report(mostly_stopped, tmp_path / "report.html").read_text())
    cards = dict(re.findall(r"<p class=name>([^<]+)</p>\n?<p class=value>([^<]*)", page))
    assert {name: cards[name] for name in cards if "at 10 fs" in name} == dict.fromkeys(
        ("Singlets at 10 fs", "Triplets at 10 fs", "State 0 at 10 fs", "State 1 at 10 fs"), "—"
    )
    monkeypatch.setenv("COLUMNS", "160")
    printed = CliRunner().invoke(build_app(["analyse", "report"]), ["analyse", str(mostly_stopped)]).output
    assert re.search(r"State 0 at 10 fs +— ", printed)
    last = [line for line in printed.splitlines() if line.strip().startswith("10 ")]
    assert len(last) == 2 and "100.0" not in printed.partition("Populations")[0].replace("to 100.0 %", "")
    assert "— 0.011…1.000" in last[0]


def test_half_of_the_trajectories_are_enough_and_weights_count(tmp_path):
    state = np.ones((11, 50), int)
    half = analyse(write_run(tmp_path / "half.h5", state, n_states=2, **stopping(25)))
    assert half["populations"][-1] == [0.0, 1.0]
    more = analyse(write_run(tmp_path / "more.h5", state, n_states=2, **stopping(26)))
    assert more["populations"][-1] == [None, None]
    heavy = np.where(np.arange(50) < 26, 0.5, 1.0)
    weighted = analyse(write_run(tmp_path / "w.h5", state, n_states=2, weight=heavy, **stopping(26)))
    assert weighted["populations"][-1] == [0.0, 1.0]


def test_nothing_is_said_of_isomers_where_most_were_stopped(tmp_path):
    trans = BOHR_PER_ANGSTROM * np.array(
        [[0, 0, 0], [1.33, 0, 0], [-0.6, 1.1, 0], [-0.6, -0.95, 0], [1.93, -1.1, 0], [1.93, 0.95, 0]]
    )
    cis = trans.copy()
    cis[[4, 5], 1] *= -1
    positions = np.broadcast_to(cis, (11, 50, 6, 3)).copy()
    positions[6:] = trans
    options = {"positions": positions, "atomic_numbers": np.array([6, 6, 9, 1, 9, 1])}
    for n_stopped, expected in ((20, 1.0), (30, None)):
        path = tmp_path / f"{n_stopped}.h5"
        write_run(path, np.zeros((11, 50), int), n_states=2, **options, **stopping(n_stopped))
        numbers = analyse(path)
        assert numbers["isomerisation"]["isomerised"] == (expected and pytest.approx(expected))
        assert numbers["isomerisation"]["isomerised_low"] == pytest.approx(0.6 if expected else 0.4, abs=0.15)
        (card,) = [one for one in key_numbers(open_run(path), numbers) if one.name == "Isomerised"]
        assert card.value == ("100.0" if expected else "—")


def test_nothing_is_said_of_products_where_most_were_stopped_while_whole(tmp_path):
    whole = BOHR_PER_ANGSTROM * np.array([[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    apart = whole + BOHR_PER_ANGSTROM * np.array([[0.0, 0, 0], [6, 0, 0], [0, 0, 0]])
    positions = np.broadcast_to(whole, (11, 50, 3, 3)).copy()
    positions[8:, 45:] = apart
    options = {"positions": positions, "atomic_numbers": np.array([8, 1, 1])}
    for n_stopped, value in ((10, "10.0"), (40, "—")):
        path = tmp_path / f"{n_stopped}.h5"
        write_run(path, np.zeros((11, 50), int), n_states=2, **options, **stopping(n_stopped))
        (card,) = [one for one in key_numbers(open_run(path), analyse(path)) if one.name.startswith("HO + H")]
        assert card.value == value and card.detail.startswith("5 trajectories of all 50")


def test_nothing_is_said_of_scattering_where_most_did_not_leave(tmp_path):
    state = np.zeros((11, 50), int)
    positions = np.where(np.arange(11)[:, None] < 5, -3.0, 3.0) * np.ones((11, 50))
    momenta = np.full((11, 50), 2.0)
    options = {"positions": positions[..., None, None], "momenta": momenta[..., None, None]}
    for n_stopped, shown in ((20, "1.000"), (30, "—")):
        path = tmp_path / f"{n_stopped}.h5"
        write_run(path, state, n_states=2, **options, **stopping(n_stopped))
        numbers = analyse(path)
        found = {number.name: number.value for number in key_numbers(open_run(path), numbers)}
        assert found["Transmitted, state 0"] == shown
        assert (numbers["branching"]["T0"] is None) == (shown == "—")
    # A page is made all the same.
    assert "Transmitted" in report(path, tmp_path / "report.html").read_text()


def test_trajectories_outside_of_the_method_are_counted_apart_in_every_headline(tmp_path):
    state = np.ones((11, 50), int)
    status = np.zeros(50, int)
    status[:3], status[3:8] = 11, 10
    last = np.where(status > 0, 4, 10)
    path = write_run(tmp_path / "run.h5", state, n_states=2, status=status, last_step=last)
    numbers = analyse(path)
    assert numbers["n_outside_method"] == 3 and numbers["n_finished"] == 42
    assert numbers["n_stopped"] == {"source_failed": 5, "outside_method": 3}
    assert numbers["populations_low"][-1][1] < 42 / 50
    found = {number.name: number for number in key_numbers(open_run(path), numbers)}
    assert found["Finished"].detail == "of 50; 3 outside of the method, 5 stopped early, 0 running"
    sentence = "Outside of the method: 3 trajectories went, of 50, where the level of theory itself"
    report(path, tmp_path / "report.html")
    assert sentence in unescape((tmp_path / "report.html").read_text())
    said = CliRunner().invoke(build_app(), ["analyse", str(path)]).output
    assert sentence in " ".join(said.split())
