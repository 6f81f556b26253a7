"""No output takes the place of a file that was read, whatever may be replaced."""

import shutil

import pytest

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.dynamics.run import loop as runner

RUN = {
    "model": {"name": "tully", "variant": 1},
    "initial": {"position_au": -3, "momentum_au": 20, "n": 3, "state": 0},
    "method": "fssh",
    "dt_fs": 0.5,
    "time_fs": 2,
}


def refusal(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([*map(str, arguments)])
    assert leaving.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_numbers_of_an_analysis_replace_neither_the_run_nor_what_is_no_json(tmp_path, capsys):
    run = tmp_path / "run.h5"
    runner.run({**RUN, "output": str(run)}, progress=False)
    before = run.read_bytes()
    assert "must not be a file that is read" in refusal(capsys, "analyse", run, "--json", run)
    other = shutil.copy(run, tmp_path / "other.h5")
    assert "`--json` must end in .json, but is " in refusal(capsys, "analyse", run, "--json", other)
    assert run.read_bytes() == other.read_bytes() == before


def test_numbers_of_an_evaluation_replace_neither_model_nor_data(tmp_path, capsys):
    model, data = tmp_path / "model.safetensors", tmp_path / "data.h5"
    shutil.copy(shipped.path("ammonia/ammonia.safetensors"), model)
    shutil.copy(shipped.path("ammonia/ammonia_near_intersection.h5"), data)
    for target in (model, data):
        before = target.read_bytes()
        assert "must not be a file that is read" in refusal(capsys, "evaluate", model, data, "--json", target)
        assert target.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ("train", "data.h5", "--output", "model.safetensors", "--from", "model.safetensors"),
        ("sample", "model.safetensors", "--n", "2", "--output", "model.safetensors"),
        ("convert", "data.h5", "data.h5"),
        ("report", "run.h5", "--output", "run.h5"),
        ("evaluate", "model.safetensors", "data.h5", "--figure", "data.h5"),
    ],
    ids=lambda command: command[0],
)
def test_no_command_replaces_what_it_reads(tmp_path, monkeypatch, capsys, command):
    shutil.copy(shipped.path("ammonia/ammonia.safetensors"), tmp_path / "model.safetensors")
    shutil.copy(shipped.path("ammonia/ammonia_near_intersection.h5"), tmp_path / "data.h5")
    runner.run({**RUN, "output": str(tmp_path / "run.h5")}, progress=False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    more = () if command[0] == "evaluate" else ("--overwrite",)
    assert "must not be a file that is read" in refusal(capsys, *command, *more)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_does_not_replace_its_run_file(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    text = "{model: {name: tully, variant: 1}, initial: {position_au: -3, momentum_au: 9, n: 2}, time_fs: 1, "
    path.write_text(text + f"method: fssh, output: {path}}}", encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    assert "must not be a file that is read" in refusal(capsys, "run", path, "--overwrite")
    assert path.read_text(encoding="utf-8") == before


def test_a_run_replaces_neither_its_model_nor_its_geometry(tmp_path):
    model = tmp_path / "model.safetensors"
    shutil.copy(shipped.path("ammonia/ammonia.safetensors"), model)
    before = model.read_bytes()
    content = {**RUN, "model": str(model), "initial": {"sample": "wigner", "n": 2, "state": 1}}
    with pytest.raises(InputError, match="must not be a file that is read"):
        runner.run({**content, "output": str(model)}, overwrite=True, progress=False)
    assert model.read_bytes() == before
