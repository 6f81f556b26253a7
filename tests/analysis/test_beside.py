"""Numbers of another run beside those of a run: read, refused, drawn and said."""

import html
import json

import numpy as np
import pytest
from synthetic_run import decaying_states, write_run
from test_products import HYDROGEN_LOST, METHYLAMINE, SHAPE, SPLIT

from nadyn.analysis import analyse, report
from nadyn.analysis.beside import read_beside, shown_frames
from nadyn.analysis.key_numbers import key_numbers
from nadyn.checks.errors import InputError
from nadyn.trajectory import open_run


def run_of_pieces(path, ends, states):
    positions = np.stack([np.stack([SHAPE] * len(ends))] * 3 + [np.stack(ends)])
    state = np.ones((4, len(ends)), int)
    state[2:] = states
    return write_run(path, state, n_states=2, positions=positions, atomic_numbers=METHYLAMINE)


@pytest.fixture
def two(tmp_path):
    ends = [HYDROGEN_LOST, HYDROGEN_LOST, SPLIT, SHAPE]
    one = run_of_pieces(tmp_path / "run.h5", ends, [0, 0, 1, 1])
    other = run_of_pieces(tmp_path / "other.h5", ends, [0, 1, 1, 1])
    numbers = {"name": "the <true> surfaces", **analyse(other)}
    (tmp_path / "other.json").write_text(json.dumps(numbers), encoding="utf-8")
    return one, tmp_path / "other.json"


def test_populations_and_products_of_another_run_stand_beside(two, tmp_path):
    path, beside = two
    text = report(path, tmp_path / "page.html", beside=beside).read_text(encoding="utf-8")
    assert "the &lt;true&gt; surfaces" in text and "<true>" not in text
    assert "Diamonds: the &lt;true&gt; surfaces, 4 trajectories" in text
    run = open_run(path)
    other = read_beside(beside, n_states=2, name="reference")
    cards = {one.name: one.detail for one in key_numbers(run, analyse(path), other)}
    assert "reference: 75.0 % (" in cards["State 1 at 3 fs"]
    assert "reference: 25.0 % (" in cards["CH4N + H, state 0"]
    # A product that only this run has stands alone.
    assert "reference" not in {one.name: one.detail for one in key_numbers(run, analyse(path))}["Hops"]


def test_a_run_beside_that_ends_otherwise_or_moves_otherwise_is_said_to(two, tmp_path):
    path, beside = two
    same = report(path, tmp_path / "same.html", beside=beside).read_text(encoding="utf-8")
    assert "ends at" not in same and "was run with" not in same and "do not say" not in same
    numbers = json.loads(beside.read_text(encoding="utf-8"))
    numbers["time_fs"] = [2.0 * time for time in numbers["time_fs"]]
    numbers["run"] |= {"method": "gfsh", "dt_fs": 0.5, "seed": 8, "decoherence": "none", "isotopes": {"H": 2}}
    beside.write_text(json.dumps(numbers), encoding="utf-8")
    text = html.unescape(report(path, tmp_path / "page.html", beside=beside).read_text(encoding="utf-8"))
    text = text.replace("<code>", "`").replace("</code>", "`")
    name = "the <true> surfaces"
    assert (
        f"{name} ends at 6 fs, this run at 3 fs: populations are compared at equal times, products as" in text
    )
    # What only one of the two says is no difference.
    assert (
        f"{name} was run with `method` gfsh instead of fssh, `dt_fs` 0.5 instead of 1.0, `isotopes` " in text
    )
    assert "`isotopes` {H: 2} instead of null.<" in text
    assert "They are of 6 fs, those of this run of 3 fs." in text
    cards = {
        one.name: one.detail
        for one in key_numbers(open_run(path), analyse(path), read_beside(beside, n_states=2))
    }
    assert cards["CH4N + H, state 0"].endswith(" at 6 fs")
    del numbers["run"]
    beside.write_text(json.dumps(numbers), encoding="utf-8")
    text = html.unescape(report(path, tmp_path / "page.html", beside=beside).read_text(encoding="utf-8"))
    assert f"The numbers of {name} do not say with which method, decoherence and time step" in text


def test_a_figure_shows_evenly_chosen_times_up_to_its_end(tmp_path):
    state = decaying_states(np.random.default_rng(1), n_traj=20, time=np.arange(101.0), lifetimes=[15.0])
    path = tmp_path / "long.json"
    path.write_text(json.dumps(analyse(write_run(tmp_path / "long.h5", state, n_states=2))))
    other = read_beside(path, n_states=2)
    frames = shown_frames(other, 60.0)
    assert len(frames) == 12 and other.time_fs[frames[-1]] == 60.0
    assert np.all(np.diff(other.time_fs[frames]) == 5.0)
    assert other.name == "long"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "must be a file that exists"),
        ("{", "cannot be read as JSON"),
        ("[1, 2]", "has no `time_fs`"),
        ('{"time_fs": [0.0]}', "has no `populations`"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "other.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        read_beside(path, n_states=2)


def test_another_number_of_states_is_refused(two):
    with pytest.raises(InputError, match=r"as many states as the run, 3, but .* has 2"):
        read_beside(two[1], n_states=3)
