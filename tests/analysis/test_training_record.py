"""What a report says of the training of the model that was run."""

import json
import math

import numpy as np
import pytest
from member_runs import write_members
from synthetic_run import write_run

from nadyn.analysis import members_report, report
from nadyn.analysis.plots_training import parity_table
from nadyn.analysis.sections_of_training import training_sections
from nadyn.analysis.training_record import training_record
from nadyn.trajectory import open_run

DIGEST = "ab" * 32
_PARITY = [
    {
        "quantity": "energies above the lowest label",
        "unit": "eV",
        "columns": [
            {
                "name": "state 0",
                "n": 900,
                "mean_absolute_error": 0.0123,
                "label": [0, 1, 2],
                "prediction": [0, 1.1, 2],
            },
            {
                "name": "state 1",
                "n": 900,
                "mean_absolute_error": 0.0456,
                "label": [4, 5],
                "prediction": [4.1, 5],
            },
        ],
    },
    {"quantity": "couplings h", "unit": "eV/Å", "columns": []},
]


def history(scale=1.0):
    """Errors in atomic units, as a training writes them; no stress, couplings late."""
    return [
        {
            "step": step,
            "loss": 1.0,
            "energy_mae": [0.01 * scale / step, 0.03 * scale / step],
            "force_mae": [0.02, 0.02],
            "coupling_mae": [math.nan] if step == 10 else [0.5],
            "stress_mae": [],
        }
        for step in (10, 20, 40)
    ]


def run_of(folder, content, *, named="model.safetensors", digest=DIGEST):
    (folder / "model.history.json").write_text(json.dumps(content))
    state = np.ones((3, 4), int)
    config = {"model": named, "method": "fssh", "dt_fs": 1.0, "time_fs": 2.0, "seed": 3}
    return open_run(write_run(folder / "run.h5", state, n_states=2, config=config, model_digest=digest))


def content(**changes):
    return {
        "history": history(),
        "model_digest": DIGEST,
        "judged": "held-out frames",
        "parity": _PARITY,
    } | changes


@pytest.mark.parametrize("named", ["model.safetensors", "elsewhere/model.safetensors"])
def test_curves_are_means_over_states_in_electronvolts(tmp_path, named):
    found = training_record(run_of(tmp_path, content(), named=named))
    curves = {one.quantity: one for one in found.curves}
    assert list(curves) == ["energies", "forces", "couplings h"]
    np.testing.assert_allclose(
        curves["energies"].errors, 0.02 * 27.211386 / np.array([10, 20, 40]), rtol=1e-6
    )
    np.testing.assert_allclose(curves["forces"].errors, 0.02 * 27.211386 / 0.529177211, rtol=1e-6)
    assert curves["couplings h"].steps.tolist() == [20, 40]


def test_each_member_of_a_committee_has_its_curves(tmp_path):
    members = [{"history": history()}, {"history": history(2.0)}]
    run = run_of(tmp_path, {"members": members} | {k: v for k, v in content().items() if k != "history"})
    found = training_record(run)
    energies = [one for one in found.curves if one.quantity == "energies"]
    assert [one.member for one in energies] == [0, 1]
    np.testing.assert_allclose(energies[1].errors, 2 * energies[0].errors)
    assert "one line for each of 2 members" in training_sections(run)[0].caption


def test_the_page_shows_curves_and_parity_with_their_numbers(tmp_path):
    run = run_of(tmp_path, content())
    curves, parity = training_sections(run)
    assert "held-out frames" in parity.caption
    assert "state 0: 0.0123; state 1: 0.0456</td><td>eV</td><td>1,800" in parity.markup
    assert curves.table["step"][:3] == [10.0, 20.0, 40.0]
    assert parity_table(training_record(run).parity)["prediction"] == [0.0, 1.1, 2.0, 4.1, 5.0]
    text = report(tmp_path / "run.h5", tmp_path / "page.html").read_text()
    assert '<figure id="learning">' in text and '<figure id="parity">' in text


@pytest.mark.parametrize(
    "changes",
    [
        {"model_digest": "cd" * 32},
        {"parity": 3},
        {"history": [{"energy_mae": [1.0]}]},
        {"parity": [_PARITY[0] | {"columns": [_PARITY[0]["columns"][1] | {"label": [1.0]}]}]},
        {"parity": [_PARITY[0] | {"columns": [_PARITY[0]["columns"][1] | {"label": [], "prediction": []}]}]},
        {"parity": [_PARITY[0] | {"columns": [_PARITY[0]["columns"][1] | {"label": [math.nan, 5]}]}]},
    ],
)
def test_a_record_of_another_model_or_a_damaged_one_is_not_shown(tmp_path, changes):
    found = training_record(run_of(tmp_path, content(**changes)))
    assert found is None


def test_the_page_of_members_shows_the_training_of_their_committee(tmp_path):
    members = [{"history": history()}, {"history": history(2.0)}]
    plain = {"members": members} | {k: v for k, v in content().items() if k != "history"}
    (tmp_path / "m.history.json").write_text(json.dumps(plain | {"model_digest": "0" * 64}))
    text = members_report(write_members(tmp_path, [20.0, 25.0]), tmp_path / "page.html").read_text()
    assert '<figure id="learning">' in text and '<figure id="parity">' in text


@pytest.mark.parametrize("named", [{"name": "tully"}, "other.safetensors", "", "."])
def test_a_run_without_such_a_model_file_has_no_record(tmp_path, named):
    assert training_sections(run_of(tmp_path, content(), named=named)) == []
