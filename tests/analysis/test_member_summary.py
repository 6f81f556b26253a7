"""What the runs of a committee come to: populations, yields, lifetime, what would help, page and table."""

import csv
import io
import json
import re

import numpy as np
import pytest
from member_runs import TIME, decay, write_member, write_members
from test_products import HYDROGEN_LOST, METHYLAMINE, SHAPE
from typer.testing import CliRunner

from nadyn.analysis import analyse_members
from nadyn.analysis.beside import read_beside
from nadyn.analysis.member_key_numbers import member_key_numbers, sentence_on_pairs
from nadyn.analysis.members_page import members_report
from nadyn.analysis.population_csv import populations_csv
from nadyn.cli.main import build_app

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


def at_end(numbers, name=""):
    return np.array(numbers[f"populations{name}"][-1], dtype=float)


def test_the_mean_over_members_stands_with_two_errors(tmp_path):
    numbers = analyse_members(write_members(tmp_path, [20.0, 25.0, 30.0, 35.0], n=200))
    each = np.array([one["populations"][-1] for one in numbers["members"]])
    assert at_end(numbers) == pytest.approx(each.mean(axis=0))
    assert (at_end(numbers, "_low") < at_end(numbers, "_sampling_low")).all()
    assert (at_end(numbers, "_high") > at_end(numbers, "_sampling_high")).all()
    # Pairs whose order is the same: what differs is the models.
    assert at_end(numbers, "_spread") == pytest.approx(each.std(axis=0, ddof=1), rel=0.15)
    truth = np.exp(-TIME[-1] / np.array([20.0, 25.0, 30.0, 35.0])).std(ddof=1)
    assert at_end(numbers, "_spread")[1] == pytest.approx(truth, rel=0.25)
    assert numbers["n_trajectories"] == 800 and numbers["pairing"] == "same starts and random numbers"
    json.dumps(numbers, allow_nan=False)


def test_where_models_differ_labels_help_and_where_they_do_not_trajectories_do(tmp_path):
    for name, lifetimes, n, helps in (
        ("models", [15.0, 25.0, 35.0, 45.0], 200, "more labels help most"),
        ("chance", [25.0] * 4, 30, "more trajectories help most"),
    ):
        (tmp_path / name).mkdir()
        found = analyse_members(write_members(tmp_path / name, lifetimes, n=n, paired=name == "models"))[
            "more"
        ]
        assert found["sentence"].endswith(f"so that {helps}.")
        better = {"models": "with_labels", "chance": "with_trajectories"}[name]
        assert found[better] < 0.75 * found["half_width"]
        assert found["half_width"] == pytest.approx(np.hypot(found["sampling"], found["model"]), rel=0.02)
        assert found["with_members"] is None


def test_of_two_members_more_members_help_and_the_weakness_is_said(tmp_path):
    numbers = analyse_members(write_members(tmp_path, [20.0, 35.0], n=200))
    assert "Two members hardly tell" in sentence_on_pairs(numbers)
    assert numbers["more"]["sentence"].endswith("so that more members help most.")
    # The interval carries no number.
    shown = {one.name: one for one in member_key_numbers(numbers)}
    assert shown["State 1 at 40 fs"].value == "—" and "50 or more" in shown["State 1 at 40 fs"].detail
    three = analyse_members(write_members(tmp_path, [20.0, 27.0, 35.0], n=200))
    assert "Three members tell little" in sentence_on_pairs(three)


def test_a_number_stands_in_a_headline_where_its_interval_carries_it(tmp_path):
    numbers = analyse_members(write_members(tmp_path, [24.0, 25.0, 26.0, 25.0], n=200))
    shown = {one.name: one for one in member_key_numbers(numbers)}
    assert float(shown["State 1 at 40 fs"].value) == pytest.approx(100 * at_end(numbers)[1], abs=0.051)
    assert re.search(
        r"± [\d.]+ from 800 trajectories, ± [\d.]+ from 4 members", shown["State 1 at 40 fs"].detail
    )
    assert shown["Lifetime of state 1"].unit == " fs"


def test_the_lifetime_holds_the_mean_of_the_members(tmp_path):
    numbers = analyse_members(write_members(tmp_path, [20.0, 22.0, 25.0, 28.0], n=250))
    life = numbers["lifetimes_fs"]["1"]
    assert life["members"] == pytest.approx([20.0, 22.0, 25.0, 28.0], rel=0.15)
    assert life["value"] == pytest.approx(np.exp(np.mean(np.log(life["members"]))))
    assert life["low"] < life["sampling_low"] < life["value"] < life["sampling_high"] < life["high"]
    alike = analyse_members(write_members(tmp_path, [25.0] * 4, n=250))["lifetimes_fs"]["1"]
    # The same trajectories on all members leave the same error as on one, and no difference.
    assert alike["high"] == pytest.approx(alike["sampling_high"]) and alike["high"] > 1.05 * alike["value"]


def test_a_member_without_a_lifetime_is_named(tmp_path):
    numbers = analyse_members(write_members(tmp_path, [20.0, 2000.0]))
    assert numbers["lifetimes_fs"]["1"]["value"] is None
    assert numbers["lifetimes_fs"]["1"]["reason"].startswith("member 1: ")


def fragments_of(tmp_path, split, *, status=None):
    """Runs of methylamine in which so many of 40 trajectories have lost a hydrogen."""
    paths = []
    for member, n in enumerate(split):
        positions = np.broadcast_to(SHAPE, (5, 40, *SHAPE.shape)).copy()
        positions[-1, :n] = HYDROGEN_LOST
        paths.append(
            write_member(
                tmp_path / f"run_{member}.h5",
                member,
                np.zeros((5, 40), int) + (np.arange(5) < 2)[:, None],
                positions=positions,
                masses=np.full(7, 1837.0),
                atomic_numbers=METHYLAMINE,
                status=status,
                last_step=None if status is None else np.where(status == 0, 4, 3),
            )
        )
    return paths


def test_products_are_fractions_over_members_also_where_one_has_none(tmp_path):
    numbers = analyse_members(fragments_of(tmp_path, [20, 10, 0]))
    found = {(one["fragments"], one["state"]): one for one in numbers["products"]}
    lost = next(one for (name, state), one in found.items() if "+" in name and state == 0)
    whole = next(one for (name, state), one in found.items() if "+" not in name and state == 0)
    assert lost["fraction"] == pytest.approx(0.25) and lost["members"] == pytest.approx([0.5, 0.25, 0.0])
    assert whole["members"] == pytest.approx([0.5, 0.75, 1.0]) and lost["n"] == 30
    assert lost["low"] < 0.1 and lost["high"] > 0.5
    assert numbers["yields"][0]["fraction"] == pytest.approx(0.75)
    assert "products" not in analyse_members(fragments_of(tmp_path, [0, 0, 0]))


def test_what_still_runs_may_become_a_product_that_its_member_has_none_of(tmp_path):
    status = np.where(np.arange(40) < 20, 0, 1)
    numbers = analyse_members(fragments_of(tmp_path, [20, 10, 0], status=status))
    lost = next(one for one in numbers["yields"] if "+" in one["fragments"])
    # 20, 10 and none of those that finished lost one, and all that run on every member may.
    assert lost["members"] == pytest.approx([0.5, 0.25, 0.0])
    assert lost["high"] > (1.0 + 0.75 + 0.5) / 3
    state = next(one for one in numbers["products"] if "+" in one["fragments"] and one["state"] == 0)
    assert state["high"] > (1.0 + 0.75 + 0.5) / 3


def test_stopped_trajectories_widen_what_is_said_and_are_named(tmp_path):
    rng = np.random.default_rng(1)
    common = rng.uniform(size=100)
    status = np.where(np.arange(100) < 20, 2, 0)
    paths = [
        write_member(
            tmp_path / f"{k}.h5",
            k,
            decay(rng, 25.0, 100, common=common),
            status=status,
            last_step=np.where(status == 0, 20, 3),
        )
        for k in range(3)
    ]
    numbers = analyse_members(paths)
    assert at_end(numbers, "_high")[1] - at_end(numbers)[1] > 0.1
    assert "from those that were stopped" in numbers["more"]["sentence"]
    assert "and the stops" in numbers["more"]["sentence"]
    assert numbers["n_stopped"] == {"not_finite": 60} and numbers["n_finished"] == 240
    mostly = np.where(np.arange(100) < 60, 2, 0)
    paths[0] = write_member(
        tmp_path / "0.h5", 0, decay(rng, 25.0, 100), status=mostly, last_step=np.where(mostly == 0, 20, 3)
    )
    numbers = analyse_members(paths)
    assert numbers["populations"][-1] == [None, None]
    shown = {one.name: one for one in member_key_numbers(numbers)}
    assert shown["State 1 at 40 fs"].value == "—"


def test_where_most_are_stopped_labels_at_the_stops_are_what_helps(tmp_path):
    """And not what the widest interval of the first femtoseconds would say."""
    last = np.full(60, len(TIME) - 1)
    last[:40] = 3
    status = np.where(last < len(TIME) - 1, 5, 0)
    found = write_members(tmp_path, [20.0, 25.0, 30.0], last_step=last, status=status)
    sentence = analyse_members(found)["more"]["sentence"]
    assert sentence.startswith("After 6 fs no population is known, because more than half")
    assert "`nadyn label --stopped`" in sentence and "known worst" not in sentence


def test_the_json_can_stand_beside_another_run(tmp_path):
    numbers = analyse_members(fragments_of(tmp_path, [20, 10]))
    (tmp_path / "members.json").write_text(json.dumps(numbers), encoding="utf-8")
    other = read_beside(tmp_path / "members.json", n_states=2)
    assert other.n_trajectories == 80 and len(other.products) == 2
    assert other.config["method"] == "fssh" and "member" not in other.config


def test_the_table_has_a_column_for_each_number(tmp_path):
    numbers = analyse_members(write_members(tmp_path, [20.0, 30.0]))
    rows = list(csv.DictReader(io.StringIO(populations_csv(numbers))))
    assert len(rows) == 21 and float(rows[-1]["time_fs"]) == pytest.approx(40.0)
    assert float(rows[-1]["population_1_member_1"]) == pytest.approx(
        numbers["members"][1]["populations"][-1][1]
    )
    assert float(rows[-1]["sampling_high_1"]) == pytest.approx(at_end(numbers, "_sampling_high")[1])
    assert float(rows[-1]["model_0"]) == pytest.approx(at_end(numbers, "_model")[0])


def test_a_page_of_members_needs_no_other_file_and_escapes_what_it_shows(tmp_path):
    paths = write_members(tmp_path, [20.0, 25.0, 30.0], config={"model": "<b>m</b>"})
    text = members_report(paths, tmp_path / "page.html").read_text()
    assert text.count("<figure") == 1 and "What would help" in text and "<b>m</b>" not in text
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "run_2.h5" in text and "State 1 at 40 fs" in text


def test_the_commands_take_several_runs_and_write_what_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    paths = [str(path) for path in write_members(tmp_path, [20.0, 25.0, 30.0])]
    files = [str(tmp_path / name) for name in ("n.json", "n.csv", "n.png")]
    written = ["--json", files[0], "--csv", files[1], "--figure", files[2]]
    result = CliRunner().invoke(build_app(), ["analyse", *paths, *written])
    assert result.exit_code == 0, result.output
    assert "3 members of a committee" in result.output and "is known worst" in result.output
    assert json.loads((tmp_path / "n.json").read_text())["n_trajectories"] == 180
    assert (tmp_path / "n.png").read_bytes()[:4] == b"\x89PNG"
    page = CliRunner().invoke(build_app(), ["report", *paths, "--output", str(tmp_path / "page.html")])
    assert page.exit_code == 0 and (tmp_path / "page.html").exists()
    alone = CliRunner().invoke(build_app(), ["analyse", paths[0], "--csv", files[1], "--figure", files[2]])
    assert alone.exit_code == 0 and "population_1,low_1,high_1\n" in (tmp_path / "n.csv").read_text()
    for wrong in (
        [*paths, "--distance", "0,1"],
        [paths[0], "--csv", "n.txt"],
        [paths[0], "--figure", str(tmp_path / "n.jpg")],
        [*paths, "--json", paths[0]],
    ):
        assert CliRunner().invoke(build_app(), ["analyse", *wrong]).exit_code != 0, wrong
    beside = CliRunner().invoke(
        build_app(), ["report", *paths, "--beside", files[0], "--output", str(tmp_path / "p.html")]
    )
    assert beside.exit_code != 0 and "must come with one run" in str(beside.exception)
