"""`nadyn demo`, short: shipped data and model, trajectories, analysis and report, from the command line."""

import contextlib
import io
import json
import re
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

from nadyn.cli.demo import _new_folder, run_file
from nadyn.cli.main import main
from nadyn.trajectory import open_run


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder of a demo of 8 trajectories of 4 fs, begun in an empty folder."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # As a user runs it; checking every shape would take longer than the demo itself.
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as leaving:
            main(["demo", "--n", "8", "--time-fs", "4"])
    assert leaving.value.code == 0
    (folder / "printed.txt").write_text(printed.getvalue(), encoding="utf-8")
    return folder / "nadyn-demo"


def test_the_demo_leaves_model_run_file_trajectories_analysis_and_report(demo):
    assert {path.name for path in demo.iterdir()} == {
        "ammonia_trajectories.safetensors",
        "analytic_surfaces.json",
        "run.yaml",
        "run.h5",
        "analysis.json",
        "report.html",
    }
    run = open_run(demo / "run.h5")
    assert run.positions.shape == (21, 8, 4, 3)
    assert run.time_fs[-1] == pytest.approx(4.0)
    numbers = json.loads((demo / "analysis.json").read_text(encoding="utf-8"))
    assert np.asarray(numbers["populations"]).shape == (21, 2)
    assert numbers["populations"][0] == [0.0, 1.0]


def test_the_demo_says_its_choice_of_decoherence_and_what_the_reference_differs_in(demo):
    assert run_file(n=1, time_fs=60.0)["decoherence"] == "none"
    assert "(`decoherence: none`), as in the reference." in (demo.parent / "printed.txt").read_text("utf-8")
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert "analytic surfaces ends at 60 fs, this run at 4 fs: " in page and "was run with" not in page


def test_the_demo_says_once_on_how_many_frames_the_model_is_judged_and_breaks_no_sentence(demo):
    text = (demo.parent / "printed.txt").read_text("utf-8")
    assert text.count("100 frames") == 1
    assert "near the crossing, unseen in training (100 frames)\n" in re.sub(" +\n", "\n", text)
    assert "their coupling changes sign there (Li-Valero-Truhlar 2007" in text


def test_a_second_demo_leaves_the_first_alone(demo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(demo.parent)
    assert _new_folder() == Path("nadyn-demo-2")
    monkeypatch.chdir(tmp_path)
    assert _new_folder() == Path("nadyn-demo")
    with pytest.raises(SystemExit) as leaving:
        main(["demo", "--folder", str(demo)])
    assert leaving.value.code == 2
    assert "must be a new or an empty folder" in capsys.readouterr().err


def test_a_page_is_replaced_only_on_demand(demo, tmp_path, capsys):
    page = tmp_path / "page.html"
    page.write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit) as leaving:
        main(["report", str(demo / "run.h5"), "--output", str(page)])
    assert leaving.value.code == 2
    assert "verwrite" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "mine"


def test_the_report_of_the_demo_needs_no_other_file(demo):
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=\"(?!data:|#)", page) == []
    assert re.findall(r"url\((?!\s*['\"]?(?:#|data:))|@import", page) == []


def test_the_reference_stands_beside_the_populations_of_the_demo(demo):
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert "Diamonds: analytic surfaces, 3000 trajectories" in page
    reference = json.loads((demo / "analytic_surfaces.json").read_text(encoding="utf-8"))
    assert reference["run"] | {"seed": 1} == {
        key: value for key, value in run_file(n=3000, time_fs=60.0).items() if key not in ("model", "output")
    }


def test_hardly_a_trajectory_of_the_demo_stops_within_four_femtoseconds(demo):
    status = np.asarray(open_run(demo / "run.h5").status)
    assert np.count_nonzero(status != 0) <= 1
