"""First exits and quantum yields on the page: what is drawn is what the analysis counts."""

import numpy as np
import pytest
from looked_at_run import write_looked_at
from synthetic_run import decaying_states, write_run

from nadyn.analysis.exits import first_exits
from nadyn.analysis.plots_fates import yields_figure
from nadyn.analysis.quantum_yields import NEVER, QuantumYields, Share, yield_groups
from nadyn.analysis.sections import sections
from nadyn.analysis.sections_of_fates import exits_section, yields_section
from nadyn.analysis.summary import summarise
from nadyn.trajectory import open_run


def _share(name, n=3, fraction=0.6, low=0.2, high=0.9):
    return Share(name, n, fraction, low, high)


def test_first_exits_of_the_first_state_are_drawn_with_their_band(tmp_path):
    run = open_run(write_looked_at(tmp_path / "run.h5"))
    (section,) = exits_section(run)
    exits = first_exits(run, 1)
    assert section.title == "First exits from state 1"
    assert f"{exits.n_left} of {exits.n} left" in section.caption
    assert section.table["survival"] == exits.survival.tolist() and section.table["low"] == exits.low.tolist()
    drawn = section.figure.axes[0].lines[0]
    np.testing.assert_array_equal(drawn.get_ydata(), exits.survival)
    assert drawn.get_drawstyle() == "steps-post"


def test_a_run_that_leaves_no_state_has_no_exits(tmp_path):
    state = np.ones((5, 7), dtype=int)
    assert exits_section(open_run(write_run(tmp_path / "run.h5", state, n_states=2))) == []


def test_yields_of_a_run_are_those_of_its_products(tmp_path):
    (section,) = yields_section(open_run(write_looked_at(tmp_path / "run.h5")))
    table = section.table
    rows = list(zip(table["by_way_of"], table["product"], table["trajectories"], strict=True))
    assert [n for way, _, n in rows if way == "all"] == [5, 1]
    assert "whatever 1 trajectory of unknown product became" in section.caption
    first = table["low"][0], table["yield"][0], table["high"][0]
    assert first[1] == pytest.approx(5 / 6) and first[0] < first[1] < first[2]


def test_both_stand_on_the_page_behind_the_populations(tmp_path):
    run = open_run(write_looked_at(tmp_path / "run.h5"))
    names = [one.name for one in sections(run, summarise(run))]
    assert names.index("populations") < names.index("exits") < names.index("products") < names.index("yields")


def test_seams_are_shown_where_there_are_several():
    products = (_share("NH2 + H"), _share("NH3", fraction=0.4))
    one_seam = QuantumYields(products, (), {"1-0": products, NEVER: products}, 0)
    assert [name for name, _ in yield_groups(one_seam)] == ["all"]
    two = QuantumYields(products, (), {"1-0": products, "2-0": products[:1], NEVER: products}, 0)
    assert [name for name, _ in yield_groups(two)] == ["all", "1-0", "2-0"]
    axes = yields_figure(two).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        *("NH2 + H", "NH3", "NH2 + H, by 1-0", "NH3, by 1-0", "NH2 + H, by 2-0"),
    ]
    bars = [bar.get_width() for bar in axes.patches]
    assert bars == [0.6, 0.4, 0.6, 0.4, 0.6] and axes.yaxis_inverted()


def test_a_run_on_mean_states_has_neither(tmp_path):
    time = np.arange(0.0, 9.0)
    state = decaying_states(np.random.default_rng(1), n_traj=7, time=time, lifetimes=[5.0])
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=2, moves_on="mean of the states"))
    assert exits_section(run) == [] and yields_section(run) == []
