"""Tables show every letter of every cell, whatever the width, on a terminal and in a pipe."""

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nadyn.cli.main import main
from nadyn.cli.tables import print_table

RUN = (
    "{model: {name: tully, variant: 1}, initial: {position_au: -3, momentum_au: 9, n: 2}, time_fs: 1, "
    "method: fssh, seed: 3}"
)
PATH = "/a/folder/with/a/long/name/" + "x" * 90 + "/model[1].safetensors"


def printed(table, width, *, terminal):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_table(console, table)
    return console.file.getvalue()


def pairs():
    table = Table(show_header=False)
    table.add_row(Text("model"), Text(PATH))
    table.add_row("method", "fssh")
    return table


def numbers(columns):
    table = Table(title="errors")
    for column in range(columns):
        table.add_column(rf"quantity {column} \[eV]", justify="right")
    table.add_row("first", *(f"{column}.123456" for column in range(1, columns)))
    return table


def letters(text):
    return "".join(letter for letter in text if letter not in "│┃ \n")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_no_letter_of_a_long_value_is_lost(width, terminal):
    text = printed(pairs(), width, terminal=terminal)
    assert "…" not in text
    assert PATH in letters(text)
    if not terminal:
        assert any(line.endswith(PATH) or f" {PATH} " in line for line in text.splitlines())


@pytest.mark.parametrize("width", [10, 30, 80, 120])
@pytest.mark.parametrize("columns", [3, 9])
def test_no_number_is_cut_or_broken(width, columns):
    text = printed(numbers(columns), width, terminal=True)
    assert "…" not in text
    assert all(f"{column}.123456" in text for column in range(1, columns))
    assert text.count("quantity") == columns


def test_what_is_too_wide_is_one_line_an_entry():
    text = printed(numbers(3), 20, terminal=False)
    assert text == "errors\nquantity 0 [eV] first: quantity 1 [eV] 1.123456, quantity 2 [eV] 2.123456\n"


def test_info_says_the_whole_name_of_a_model_in_a_folder_far_down(tmp_path, monkeypatch, capsys):
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    (folder / "pair.yaml").write_text(RUN, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["run", str(folder / "pair.yaml"), "--quiet"])
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit) as leaving:
        main(["info", str(folder / "run.h5")])
    text = capsys.readouterr().out
    assert leaving.value.code == 0
    assert f"trajectories {folder / 'run.h5'}\n" in text and "…" not in text
    assert "population estimator: fraction of trajectories on each state" in text
