"""`nadyn intersect`: crossings of a model as geometries, numbers and pictures; refusals before any search."""

import json

import numpy as np
import pytest

from nadyn.cli.main import main
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
        ([MODEL, "--source", "source.yaml"], "a model or a `--source`"),
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
