"""`nadyn train` and `nadyn evaluate`, from a dataset file to numbers and pictures."""

import contextlib
import io
import json
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
import yaml
from teacher import configuration, dataset

from nadyn.cli.main import main
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.models import load_model
from nadyn.models.model_file import digest
from nadyn.training.evaluation import compare, metrics
from nadyn.training.held_out import hold_out


def run_command(*arguments):
    """Exit code and what was printed, errors included."""
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        pytest.raises(SystemExit) as leaving,
    ):
        main(list(map(str, arguments)))
    return leaving.value.code, printed.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which `nadyn train` has run, and what it printed."""
    folder = tmp_path_factory.mktemp("trained")
    write_dataset(folder / "data.h5", dataset(20))
    settings = configuration(epochs=2).model_dump(mode="json", exclude_none=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        code, printed = run_command(
            *("train", folder / "data.h5", "--output", folder / "m.safetensors", "--charge", 2),
            *("--config", folder / "train.yaml"),
        )
    assert code == 0, printed
    return folder, printed


@pytest.fixture(scope="module")
def committee(trained, tmp_path_factory):
    """A folder in which `nadyn train --members` has run, and what it printed."""
    folder = tmp_path_factory.mktemp("committee")
    data = trained[0] / "data.h5"
    settings = configuration(epochs=1, validation_fraction=0.3).model_dump(mode="json", exclude_none=True)
    (folder / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        code, printed = run_command(
            *("train", data, "--output", folder / "m.safetensors", "--members", 2),
            *("--config", folder / "train.yaml"),
        )
    assert code == 0, printed
    return folder, data, printed


def test_members_are_told_apart_and_their_spread_is_judged(committee):
    folder, _, printed = committee
    for words in ("member 0: seed 1, ", "member 1: seed 7920, ", "member 2 of 2", "lowest ⅓", "|coupling|"):
        assert words in printed
    for name in ("learning_curves.0", "learning_curves.1", "parity", "reliability"):
        _assert_is_a_picture(folder / f"m.{name}.png")


def test_a_committee_is_evaluated_with_its_spread_and_told_by_info(committee, tmp_path, monkeypatch):
    folder, data, _ = committee
    monkeypatch.setenv("COLUMNS", "200")
    code, printed = run_command("evaluate", folder / "m.safetensors", data, "--json", tmp_path / "m.json")
    assert code == 0 and "calibrated" in printed
    found = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["toy"]
    assert found["committee"]["spread"]["energy"]["n_errors"] == 2 * 20 * 2
    assert len(found["committee"]["spread"]["force"]["within_one_and_two_of_thirds"]) == 3
    assert "the model was trained on this group" in found["notices"][0]
    code, printed = run_command("info", folder / "m.safetensors")
    assert code == 0 and "2 members; as one model it is member 0" in printed
    assert "6 frames that no member saw" in printed


def _assert_is_a_picture(path):
    picture = matplotlib.image.imread(path)
    assert min(picture.shape[:2]) > 300
    # Not an empty sheet.
    assert float(picture[..., :3].std()) > 0.05


def test_a_training_prints_its_errors_and_leaves_model_history_and_pictures(trained):
    folder, printed = trained
    assert "toy: 20 frames, 4 atoms, 2 states" in printed
    # 18 frames for training make three batches of five an epoch.
    assert "6 steps, ended as planned" in printed
    for words in ("energy S0", "energy S1", "force S1", "coupling 0-1", "predicting nothing"):
        assert words in printed
    written = {path.name for path in folder.iterdir() if path.name.startswith("m.")}
    assert written == {"m.safetensors", "m.history.json", "m.learning_curves.png", "m.parity.png"}
    _assert_is_a_picture(folder / "m.learning_curves.png")
    _assert_is_a_picture(folder / "m.parity.png")


def test_the_history_holds_errors_and_pairs_of_the_frames_that_judged(trained):
    folder, _ = trained
    history = json.loads((folder / "m.history.json").read_text(encoding="utf-8"))
    assert history["model_digest"] == digest(folder / "m.safetensors")
    assert history["judged"] == "held-out frames"
    judged = hold_out(load_dataset(folder / "data.h5", charge=2), configuration(epochs=2)).validation
    comparison = compare(load_model(folder / "m.safetensors"), judged.groups[0])
    errors = metrics(comparison)
    found = {panel["quantity"]: panel for panel in history["parity"]}
    for name, key in (
        ("energies above the lowest label", "energy_mae_ev"),
        ("forces", "force_mae_ev_per_angstrom"),
    ):
        own = [column["mean_absolute_error"] for column in found[name]["columns"]]
        np.testing.assert_allclose(own, errors[key], rtol=1e-4)
    # Few labels: all of them are kept.
    column = found["forces"]["columns"][1]
    difference = np.abs(np.array(column["prediction"]) - np.array(column["label"]))
    np.testing.assert_allclose(difference.mean(), column["mean_absolute_error"], rtol=1e-3)
    assert column["n"] == len(column["label"]) == comparison.forces[:, 1].size


@pytest.mark.parametrize("begun", [True, False])
def test_an_interrupted_training_prints_the_line_that_resumes_it(trained, tmp_path, monkeypatch, begun):
    folder, _ = trained
    monkeypatch.setenv("COLUMNS", "1000")
    output = tmp_path / "m.safetensors"

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    arguments = ("train", folder / "data.h5", "--output", output, "--config", folder / "train.yaml")
    with monkeypatch.context() as patch:
        patch.setattr(
            "nadyn.training.loop.train_step" if begun else "nadyn.training.train.hold_out", interrupt
        )
        code, printed = run_command(*arguments, "--quiet")
    assert code == 130
    if begun:
        line = next(line for line in printed.splitlines() if "go on with: nadyn " in line)
        code, printed = run_command(*line.partition("go on with: nadyn ")[2].split(), "--quiet")
        assert code == 0, printed
        assert output.exists()
    else:
        assert "interrupted before the first step; nothing was written" in printed
        assert list(tmp_path.iterdir()) == []


def test_resuming_a_complete_training_has_nothing_to_do_and_succeeds(trained):
    folder, _ = trained
    before = {path: path.read_bytes() for path in folder.glob("m.*")}
    code, printed = run_command(
        *("train", folder / "data.h5", "--output", folder / "m.safetensors"),
        *("--config", folder / "train.yaml", "--resume"),
    )
    assert code == 0 and "is complete: nothing to do" in " ".join(printed.split())
    assert {path: path.read_bytes() for path in folder.glob("m.*")} == before


def test_an_evaluation_writes_the_numbers_that_it_prints(trained, tmp_path):
    folder, _ = trained
    code, printed = run_command(
        *("evaluate", folder / "m.safetensors", folder / "data.h5"),
        *("--json", tmp_path / "errors.json", "--figure", tmp_path / "parity.png"),
    )
    assert code == 0, printed
    errors = json.loads((tmp_path / "errors.json").read_text(encoding="utf-8"))
    assert set(errors) == {"toy"}
    assert errors["toy"]["n_frames"] == 20
    assert len(errors["toy"]["force_mae_ev_per_angstrom"]) == 2
    assert len(errors["toy"]["coupling_mae_ev_per_angstrom"]) == 1
    assert f"{errors['toy']['energy_mae_ev'][0]:.4f}" in printed
    _assert_is_a_picture(tmp_path / "parity.png")


def test_an_evaluation_says_what_its_errors_are_worth_on_the_screen_and_in_the_file(trained, tmp_path):
    folder, _ = trained
    (group,) = load_dataset(folder / "data.h5").groups
    others = Dataset((replace(group.select(range(5)), name="other", charge=1, theory=""),))
    write_dataset(tmp_path / "other.h5", others)
    seen = "the model was trained on this group, of which at most 2 frames had been held out"
    charged = "the model was trained on `charge` 2, but this group has 1"
    for path, sentences in ((folder / "data.h5", [seen]), (tmp_path / "other.h5", [charged])):
        code, printed = run_command(
            *("evaluate", folder / "m.safetensors", path, "--json", tmp_path / "errors.json")
        )
        assert code == 0, printed
        (numbers,) = json.loads((tmp_path / "errors.json").read_text(encoding="utf-8")).values()
        assert len(numbers["notices"]) == len(sentences)
        for notice, sentence in zip(numbers["notices"], sentences, strict=True):
            assert notice.startswith(sentence) and f"Note: {notice}." in printed


def test_what_is_said_of_the_charge_is_kept_in_the_model_and_contradicts_no_file(
    trained, tmp_path, monkeypatch
):
    folder, _ = trained
    monkeypatch.setenv("COLUMNS", "300")
    _, printed = run_command("info", folder / "m.safetensors")
    rows = {
        cells[1].strip(): cells[2].strip()
        for line in printed.splitlines()
        if len(cells := line.split("│")) > 3
    }
    assert (rows["charge"], rows["multiplicities"]) == ("2", "1 1")
    (group,) = load_dataset(folder / "data.h5").groups
    write_dataset(tmp_path / "said.h5", Dataset((replace(group, charge=-2),)))
    code, printed = run_command(
        *("train", tmp_path / "said.h5", "--output", tmp_path / "m.safetensors", "--charge", 2)
    )
    assert code == 2 and "must not contradict the file, which says -2 of group 'toy', but is 2" in printed


def test_labels_that_are_missing_are_null_in_the_file(trained, tmp_path):
    folder, _ = trained
    data = dataset(12)
    data.groups[0].forces[:, 1] = np.nan
    write_dataset(tmp_path / "holes.h5", data)
    code, printed = run_command(
        *("evaluate", folder / "m.safetensors", tmp_path / "holes.h5"),
        *("--json", tmp_path / "errors.json"),
    )
    assert code == 0, printed
    text = (tmp_path / "errors.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["toy"]["force_mae_ev_per_angstrom"][1] is None


def test_what_is_in_the_way_is_one_line_and_exit_code_2(trained, tmp_path):
    folder, _ = trained
    data, output = folder / "data.h5", tmp_path / "m.safetensors"
    output.write_text("precious", encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text("learning_rte: 0.1", encoding="utf-8")
    for arguments, message in (
        (("train", data, "--output", output), "must be a new file"),
        (("train", data, "--output", tmp_path / "model.pt"), "`--output` must end in .safetensors"),
        (("evaluate", output, data), "must be a nadyn model file"),
        (
            ("train", data, "--output", tmp_path / "n.safetensors", "--config", tmp_path / "wrong.yaml"),
            "Did you mean `learning_rate`?",
        ),
    ):
        code, printed = run_command(*arguments)
        assert code == 2
        assert message in printed
        assert printed.splitlines()[-1].startswith("nadyn: ")
    assert output.read_text(encoding="utf-8") == "precious"
