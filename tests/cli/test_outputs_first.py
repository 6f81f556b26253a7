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
    assert "must end in one of .png, .pdf, .svg, but ends in '.foo'" in error
