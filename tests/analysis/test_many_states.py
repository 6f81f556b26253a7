"""Runs of many states: nothing is cut, neither in figures nor on the terminal."""

import re

import numpy as np
import pytest
from synthetic_run import write_run
from typer.testing import CliRunner

from nadyn.analysis.answer import answer
from nadyn.analysis.multiplicities import diabatic_names
from nadyn.analysis.page_parts import svg
from nadyn.analysis.plots_style import COLOURS, state_colour
from nadyn.analysis.sections import sections
from nadyn.analysis.summary import summarise
from nadyn.cli.main import build_app
from nadyn.trajectory import open_run

N_STATES, N_TRAJ, N_FRAMES = 12, 25, 9


@pytest.fixture
def run(tmp_path):
    """Twelve spin-adiabatic states of three singlets and three triplets."""
    rng = np.random.default_rng(1)
    state = np.sort(rng.integers(0, N_STATES, (N_FRAMES, N_TRAJ)), axis=0)[::-1].copy()
    diabatic = rng.dirichlet(np.ones(6), size=(N_FRAMES, N_TRAJ))
    diabatic[3, :, 0] = -1e-5
    positions = rng.normal(size=(N_FRAMES, N_TRAJ, 2, 1))
    return open_run(
        write_run(
            tmp_path / "run.h5",
            state,
            n_states=N_STATES,
            diabatic=diabatic,
            multiplicities=(1, 1, 1, 3, 3, 3),
            positions=positions,
        )
    )


def test_every_state_has_its_own_colour():
    assert len({state_colour(k) for k in range(16)}) == 16
    # In a page a colour is found by its lower-case name, and only there.
    assert all(colour.lower() != colour for colour in COLOURS)


def test_legends_and_labels_stay_inside_their_figures(run):
    for section in sections(run, summarise(run)):
        svg(section.figure)  # A layout that does not fit is a warning, which is an error here.
        width, height = section.figure.bbox.size
        for axes in section.figure.axes:
            legend = axes.get_legend()
            parts = [axes.xaxis.label, axes.yaxis.label, *([legend] if legend else [])]
            # Within the invisible margin of a legend.
            for box in (part.get_window_extent() for part in parts):
                assert box.x0 >= -4 and box.y0 >= -4, section.name
                assert box.x1 <= width + 4 and box.y1 <= height + 4, section.name
            assert axes.bbox.height > 100, section.name


@pytest.mark.parametrize("columns", [80, 110, 160])
def test_no_cell_of_the_terminal_tables_is_cut(run, columns):
    runner = CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"})
    done = runner.invoke(build_app(["analyse", "run"]), ["analyse", str(run.path)], catch_exceptions=False)
    lines = done.output.splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in re.sub(r"\d…\d", "", done.output)
    # Of spin-adiabatic states there are too many to be told, and they are no answer.
    assert not re.findall(r"\d\.\d{3} \d\.\d{3}…\d\.\d{3}", done.output)
    assert "12 spin-adiabatic states" in done.output and "State 4" not in done.output
    assert len(re.findall(r"-?\d\.\d{3} ± \d\.\d{3}", done.output)) == 6 * (2 + 6)
    assert "-0.000" not in done.output
    for name in ("singlets", "triplets", *diabatic_names(run)):
        assert name in done.output


@pytest.mark.parametrize("columns", [80, 160])
def test_no_cell_of_many_states_without_spins_is_cut_either(tmp_path, columns):
    state = np.random.default_rng(1).integers(0, N_STATES, (N_FRAMES, N_TRAJ))
    path = write_run(tmp_path / "run.h5", state, n_states=N_STATES)
    runner = CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"})
    done = runner.invoke(build_app(["analyse", "run"]), ["analyse", str(path)], catch_exceptions=False)
    assert max(map(len, done.output.splitlines())) <= columns
    assert len(re.findall(r"\d\.\d{3} \d\.\d{3}…\d\.\d{3}", done.output)) == 6 * N_STATES
    # Of more than a hundred pairs of states eight are named, those of the most hops, and all are counted.
    named = re.search(r"Hops +(\d+) +(.*?); 0 refused", " ".join(done.output.split()))
    counts = [int(n) for n, _ in re.findall(r"(\d+) (\d+→\d+)", named[2])]
    rest, pairs = map(int, re.search(r"and (\d+) between (\d+) other pairs", named[2]).groups())
    assert len(counts) == 8 and counts == sorted(counts, reverse=True)
    assert sum(counts) + rest == int(named[1]) and pairs > 50


def test_the_answer_among_spin_adiabatic_states_is_of_singlets_and_triplets(run):
    numbers = summarise(run)
    singlets = 100 * numbers["multiplicity_populations"]["1"][-1]
    half = 196 * numbers["multiplicity_populations_error"]["1"][-1]
    (told, *_) = answer(run, numbers)
    interval = f"(95 % interval: {singlets - half:.1f} to {singlets + half:.1f} %)"
    assert f"{singlets:.1f} % of the population are singlets {interval}" in told
    assert " are triplets (" in told and "on state" not in told
    names, last = diabatic_names(run), numbers["diabatic_populations"][-1]
    most = int(np.argmax(last))
    assert f"{100 * last[most]:.1f} % on {names[most]}" in told
    assert [one.name for one in sections(run, numbers)][:2] == ["diabatic", "multiplicities"]


def test_figures_end_where_nothing_is_known_any_more(tmp_path):
    n_frames = 101
    state = np.ones((n_frames, N_TRAJ), int)
    for last, shown in ((10, 12), (50, 56), (100, 101)):
        path = tmp_path / f"{last}.h5"
        stops = {"status": np.full(N_TRAJ, 4), "last_step": np.full(N_TRAJ, last)}
        run = open_run(write_run(path, state, n_states=2, **stops))
        found = {section.name: section for section in sections(run, summarise(run))}
        for name in ("populations", "geometry", "energy"):
            assert found[name].figure.axes[0].get_xlim()[1] == shown - 1, name
    # One that ends with a result is known to the end.
    stops["status"][0], stops["last_step"][:] = 8, 10
    run = open_run(write_run(tmp_path / "result.h5", state, n_states=2, **stops))
    found = next(section for section in sections(run, summarise(run)) if section.name == "populations")
    assert found.figure.axes[0].get_xlim()[1] == n_frames - 1


def test_a_legend_that_fits_into_one_row_has_one(tmp_path):
    stops = {
        "status": np.where(np.arange(N_TRAJ) < 9, 4, 0),
        "last_step": np.where(np.arange(N_TRAJ) < 9, 3, 8),
    }
    path = write_run(tmp_path / "run.h5", np.ones((N_FRAMES, N_TRAJ), int), n_states=2, **stops)
    run = open_run(path)
    found = next(section for section in sections(run, summarise(run)) if section.name == "populations")
    legend = found.figure.axes[0].get_legend()
    assert len(legend.get_texts()) == legend._ncols == 4


def test_of_many_states_the_empty_ones_are_not_drawn(tmp_path):
    state = np.full((N_FRAMES, N_TRAJ), 3)
    state[4:, ::2] = 7
    run = open_run(write_run(tmp_path / "run.h5", state, n_states=8))
    found = next(section for section in sections(run, summarise(run)) if section.name == "populations")
    labels = [text.get_text() for text in found.figure.axes[0].get_legend().get_texts()]
    assert labels == ["state 3", "state 7", "mean |c|²"]
    assert found.caption.endswith("States 0, 1, 2, 4, 5, 6 stay empty and are not drawn.")


def test_diabatic_states_have_names_by_multiplicity(run, tmp_path):
    assert diabatic_names(run) == ["S0", "S1", "S2", "T1", "T2", "T3"]
    other = write_run(
        tmp_path / "other.h5", np.zeros((2, 3), int), n_states=2, diabatic=np.ones((2, 3, 2)) / 2
    )
    assert diabatic_names(open_run(other)) == ["diabatic state 0", "diabatic state 1"]
