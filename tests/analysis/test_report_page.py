"""The report is one page that needs nothing else, for every kind of run, finished or not."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from synthetic_run import decaying_states, write_run
from typer.testing import CliRunner

from nadyn.analysis import report
from nadyn.analysis.page_parts import svg, what_was_run, with_code
from nadyn.analysis.sections import sections
from nadyn.analysis.summary import summarise
from nadyn.checks.errors import InputError
from nadyn.cli.main import build_app
from nadyn.trajectory import open_run


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources, self.open_tags, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br", "path", "use", "image", "rect"):
            self.open_tags.append(tag)
        self.sources += [v for k, v in attributes if k in ("src", "href", "xlink:href", "srcset")]

    def handle_endtag(self, tag):
        if tag in self.open_tags:
            while self.open_tags.pop() != tag:
                pass

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def decay(tmp_path):
    time = np.arange(0.0, 41.0)
    state = decaying_states(np.random.default_rng(1), n_traj=60, time=time, lifetimes=[15.0])
    options = {
        "status": np.where(np.arange(60) == 4, 2, 0),
        "last_step": np.where(np.arange(60) == 4, 20, 40),
    }
    return write_run(tmp_path / "<run>&.h5", state, n_states=2, diabatic=np.ones((41, 60, 2)) / 2, **options)


def test_a_report_needs_no_other_file_and_escapes_what_it_shows(decay, tmp_path):
    text = report(decay, tmp_path / "report.html").read_text()
    page = Page(text)
    assert all(source.startswith(("#", "data:")) for source in page.sources)
    assert "url(http" not in text
    assert page.open_tags == []
    assert "&lt;run&gt;&amp;.h5" in text
    words = " ".join(page.words)
    for expected in (
        "Lifetime of state 1",
        "Populations",
        "First exits from state 1",
        "Hops",
        "Energy conservation",
        "Try a smaller time step.",
    ):
        assert expected in words
    assert len(re.findall(r'class=plot role=\w+ aria-label="[^"]{30,}', text)) == text.count("<figure") == 7


def test_ink_follows_the_colour_of_the_page(decay):
    run = open_run(decay)
    for section in sections(run, summarise(run)):
        drawn = svg(section.figure)
        assert "#1d2129" not in drawn
        assert "currentColor" in drawn


def test_notes_show_code_and_the_page_only_keys_that_say_something():
    assert with_code("use `--unit a=<b>` & go") == "use <code>--unit a=&lt;b&gt;</code> &amp; go"
    shown = what_was_run({"method": "nve", "n": None, "stop": {"beyond_au": None, "novelty": 0.5}, "seed": 0})
    assert "novelty: 0.5" in shown and "seed: 0" in shown
    assert "null" not in shown and "beyond_au" not in shown


@pytest.mark.parametrize(("n_states", "n_frames_written"), [(1, 1), (1, 9), (2, 2), (3, 1)])
def test_every_run_gives_a_report_from_its_first_frame_on(tmp_path, n_states, n_frames_written):
    state = np.minimum(np.arange(9)[:, None] // 3 * np.ones(4, int), n_states - 1)
    path = write_run(
        tmp_path / "run.h5",
        state,
        n_states=n_states,
        n_frames_written=n_frames_written,
        status=np.ones(4, int),
        last_step=np.full(4, n_frames_written - 1),
    )
    assert "The run is not finished" in report(path, tmp_path / "report.html").read_text()


def test_a_run_without_a_frame_is_refused(tmp_path):
    path = write_run(tmp_path / "run.h5", np.zeros((3, 4), int), n_states=2, n_frames_written=0)
    with pytest.raises(InputError, match=r"must hold a frame, but its run has only begun"):
        report(path, tmp_path / "report.html")


def test_the_commands_write_json_and_page(decay, tmp_path):
    runner = CliRunner()
    json_file, page = tmp_path / "out.json", tmp_path / "out.html"
    done = runner.invoke(
        build_app(["analyse", "report"]),
        ["analyse", str(decay), "--json", str(json_file)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    numbers = json.loads(json_file.read_text())
    assert numbers["n_stopped"] == {"not_finite": 1}
    assert "Lifetime of state 1" in done.output
    assert "Try a smaller time step." in done.output
    done = runner.invoke(
        build_app(["analyse", "report"]),
        ["report", str(decay), "--output", str(page)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert page.read_text().startswith("<!doctype html>")
