"""`nadyn intersect`: crossings of a model as geometries, numbers and pictures; refusals before any search."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nadyn.cli.main import main
from nadyn.data import Dataset, load_dataset, write_dataset
from nadyn.shipped import path
from nadyn.structures import read_xyz

MODEL = str(path("ammonia/ammonia.safetensors"))


def test_the_lowest_crossing_of_a_model_is_written(tmp_path, monkeypatch, capsys, unchecked_annotations):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["intersect", MODEL, "--n", "1", "--method", "projection", "--output", "out"])
    assert ended.value.code == 0
    record = json.loads((tmp_path / "out" / "crossings.json").read_text())
    one = record["crossings"][0]
    assert record["names"] == ["S0", "S1"] and abs(one["gap_ev"]) < 1e-3
    assert one["cone"]["words"] == "peaked, bifurcating" and one["loop"]["sign"] == -1
    structure = read_xyz(tmp_path / "out" / "crossings.xyz")
    np.testing.assert_allclose(structure.positions * 0.529177210544, one["positions_angstrom"], atol=1e-7)
    assert (tmp_path / "out" / "crossing_0.png").stat().st_size > 5000
    assert "peaked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "a model or a `--source`"),
        ([MODEL, "--source", "source.yaml"], "`--data`, what the model was trained on, must be given"),
        ([MODEL, "--data", "labels.h5"], "only there, but is not"),
        ([MODEL, "--method", "newton"], "`--method` must be both, projection or penalty"),
        ([MODEL, "--run", "a.h5", "--guess", "b.xyz"], "must not both be given"),
        ([MODEL, "--states", "0", "2"], "2"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["intersect", *arguments])
    assert ended.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "crossings").exists()


@pytest.mark.slow
def test_model_and_source_by_turns_are_told_in_a_table_and_gone_on_with(
    tmp_path, monkeypatch, capsys, unchecked_annotations
):
    monkeypatch.chdir(tmp_path)
    teacher = path("ammonia/ammonia_trajectories.safetensors")
    (tmp_path / "source.yaml").write_text(f"model: {{model: {teacher}}}\n")
    near = str(path("ammonia/ammonia_near_intersection.h5"))
    command = ["intersect", MODEL, "--source", "source.yaml", "--guess", near, "--n", "1", "--output", "out"]
    assert _ended([*command, "--data", near]) == 2
    assert "`--data` must have the theory of the source" in " ".join(capsys.readouterr().err.split())
    group = load_dataset(near).groups[0]
    write_dataset(tmp_path / "data.h5", Dataset((replace(group.select(range(9)), theory=""),)))
    command += ["--data", "data.h5"]
    # Both are models of one surface: they agree as they are, within what the page of crossings says.
    assert _ended(command) == 0
    record = json.loads((tmp_path / "out" / "rounds.json").read_text())
    (turn,) = record["rounds"]
    (one,) = turn["crossings"]
    assert one["agrees"] and abs(one["apart_ev"]) < 0.01 and one["rmsd_angstrom"] < 0.01
    assert abs(one["wrong_ev"]) < 0.05 and one["gap_ev"] < 0.1
    assert "the same lowest crossing, within 0.00" in record["verdict"]
    said = capsys.readouterr().out
    assert record["verdict"] in " ".join(said.split()) and "the model as it was given" in said
    labels = load_dataset(tmp_path / "out" / "labels.h5").groups[0]
    assert labels.n_frames == turn["trusted"] and labels.name == group.name
    crossings = json.loads((tmp_path / "out" / "crossings.json").read_text())
    assert crossings["crossings"][0]["energy_hartree"] == pytest.approx(one["energy"], abs=1e-5)
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert _ended(command) == 2
    assert "or --resume to go on" in " ".join(capsys.readouterr().err.split())
    assert _ended([*command, "--resume", "--lowest", "2"]) == 2
    assert "`lowest` must stay as it was" in " ".join(capsys.readouterr().err.split())
    assert _ended([*command, "--resume", "--labels", "500"]) == 0
    assert json.loads((tmp_path / "out" / "rounds.json").read_text()) == record


def _ended(command):
    with pytest.raises(SystemExit) as ended:
        main(command)
    return ended.value.code
