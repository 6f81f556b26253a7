"""`nadyn train` and `nadyn evaluate`, from a dataset file to numbers and pictures."""

import json

import matplotlib.image
import numpy as np
import pytest
import yaml
from teacher import configuration, dataset

from nadyn.cli.main import main
from nadyn.data import write_dataset


def _run(*arguments):
    with pytest.raises(SystemExit) as leaving:
        main(list(map(str, arguments)))
    return leaving.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    write_dataset(tmp_path / "data.h5", dataset(30))
    settings = configuration(epochs=2).model_dump(mode="json", exclude_none=True)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return tmp_path


def test_train_and_evaluate_from_file_to_numbers_and_pictures(folder, capsys):
    code = _run("train", "data.h5", "--output", "m.safetensors", "--config", "train.yaml")
    output = capsys.readouterr().out
    assert code == 0
    assert "toy: 30 frames, 4 atoms, 2 states" in output
    assert "10 steps, ended as planned" in output
    for words in ("energy S0", "energy S1", "force S1", "coupling 0-1", "predicting nothing"):
        assert words in output
    assert {path.name for path in folder.iterdir()} == {
        *("data.h5", "train.yaml", "m.safetensors", "m.history.json"),
        *("m.learning_curves.png", "m.parity.png"),
    }

    code = _run(*("evaluate", "m.safetensors", "data.h5", "--json", "errors.json", "--figure", "parity.png"))
    output = capsys.readouterr().out
    assert code == 0
    errors = json.loads((folder / "errors.json").read_text(encoding="utf-8"))
    assert set(errors) == {"toy"}
    assert errors["toy"]["n_frames"] == 30
    assert len(errors["toy"]["force_mae_ev_per_angstrom"]) == 2
    assert len(errors["toy"]["coupling_mae_ev_per_angstrom"]) == 1
    assert f"{errors['toy']['energy_mae_ev'][0]:.4f}" in output
    for name in ("m.learning_curves.png", "m.parity.png", "parity.png"):
        picture = matplotlib.image.imread(folder / name)
        assert min(picture.shape[:2]) > 300
        # Not an empty sheet.
        assert np.unique(picture.reshape(-1, picture.shape[-1]), axis=0).shape[0] > 20


def test_labels_that_are_missing_are_null_in_the_file(folder, capsys):
    data = dataset(12)
    data.groups[0].forces[:, 1] = np.nan
    write_dataset(folder / "holes.h5", data)
    assert _run("train", "data.h5", "--output", "m.safetensors", "--config", "train.yaml", "--quiet") == 0
    assert _run("evaluate", "m.safetensors", "holes.h5", "--json", "errors.json") == 0
    capsys.readouterr()
    text = (folder / "errors.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["toy"]["force_mae_ev_per_angstrom"][1] is None


def test_what_is_in_the_way_is_one_line_and_exit_code_2(folder, capsys):
    (folder / "m.safetensors").write_text("precious", encoding="utf-8")
    assert _run("train", "data.h5", "--output", "m.safetensors") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "must be a new file" in message
    assert _run("train", "data.h5", "--output", "model.pt") == 2
    assert "`--output` must end in .safetensors" in capsys.readouterr().err
    assert _run("evaluate", "m.safetensors", "data.h5") == 2
    assert "must be a nadyn model file" in capsys.readouterr().err
    (folder / "wrong.yaml").write_text("learning_rte: 0.1", encoding="utf-8")
    assert _run("train", "data.h5", "--output", "n.safetensors", "--config", "wrong.yaml") == 2
    assert "Did you mean `learning_rate`?" in capsys.readouterr().err
