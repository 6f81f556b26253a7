"""Outputs that cannot be written are refused before the work, with exit code 2."""

import pytest

from nadyn.cli.main import main


def _refused(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert leaving.value.code == 2, error
    assert error.startswith("nadyn: ") and error.count("\n") == 1
    return error


# The inputs do not exist: a sentence about the output shows that it was looked at first.
COMMANDS = [
    ("evaluate", "absent.safetensors", "absent.h5", "--json"),
    ("evaluate", "absent.safetensors", "absent.h5", "--figure"),
    ("analyse", "absent.h5", "--json"),
    ("report", "absent.h5", "--output"),
]
every_output = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command[0]} {command[-1]}")


@every_output
def test_a_folder_is_no_output(command, tmp_path, capsys):
    assert "is a folder. Name a file in it." in _refused(capsys, *command, tmp_path)


@every_output
def test_the_folder_of_an_output_must_exist(command, tmp_path, capsys):
    error = _refused(capsys, *command, tmp_path / "absent" / "x.png")
    assert "absent' " in error and "does not. Create it" in error


def test_a_picture_of_an_unknown_kind_is_refused_with_the_known_ones(tmp_path, capsys):
    error = _refused(capsys, "evaluate", "absent.safetensors", "absent.h5", "--figure", tmp_path / "x.foo")
    assert "`--figure` must end in .png, .pdf or .svg, but is " in error


@pytest.mark.parametrize(
    ("command", "name", "sentence"),
    [
        ("report absent.h5 --output", "q.pdf", "`--output` must end in .html or .htm, but is "),
        ("report absent.h5 --output", "page", "`--output` must end in .html or .htm, but is "),
        ("analyse absent.h5 --json", "q.txt", "`--json` must end in .json, but is "),
        ("evaluate absent.safetensors absent.h5 --json", "q.yaml", "`--json` must end in .json, but is "),
        ("sample absent.safetensors --n 2 --output", "q.xyz", "`--output` must end in .h5 or .hdf5, but is "),
        ("label --source absent.yaml absent.xyz --output", "q.xyz", "`--output` must end in .h5 or .hdf5"),
        ("label --source absent.yaml absent.xyz --json", "q.h5", "`--json` must end in .json, but is "),
        ("label --source absent.yaml absent.xyz --store", "q.h5", "`--store` must be a folder, but "),
        ("train absent.h5 --output", "q.pt", "`--output` must end in .safetensors, but is "),
        ("convert absent.xyz", "q.csv", "OUT must end in .h5, .hdf5, .xyz or .extxyz, but is "),
        ("intersect absent.safetensors --output", "q.xyz", "`--output` must be a folder, but "),
        ("learn absent.xyz --method hf --output", "q.html", "`--output` must be a folder, but "),
        ("demo --folder", "q.pdf", "`--folder` must be a folder, but "),
    ],
)
def test_a_name_that_ends_like_another_kind_of_file_is_refused(command, name, sentence, tmp_path, capsys):
    assert sentence in _refused(capsys, *command.split(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_run_is_written_to_an_hdf5_file_or_not_at_all(tmp_path, capsys):
    text = "{model: {name: tully, variant: 1}, initial: {position_au: -3, momentum_au: 9, n: 2}, time_fs: 1, "
    (tmp_path / "run.yaml").write_text(f"{text}method: fssh, output: run.pdf}}", encoding="utf-8")
    assert "`output` must end in .h5 or .hdf5, but is " in _refused(capsys, "run", tmp_path / "run.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["run.yaml"]
