"""Slips and broken files: one sentence that says what, where and what to do, and nothing is written."""

from pathlib import Path

import numpy as np
import pytest

from nadyn import shipped
from nadyn.analysis.hop_clusters import read_crossings
from nadyn.checks.errors import InputError
from nadyn.checks.output import check_new_folder
from nadyn.data import Dataset, group_from_arrays, write_dataset
from tests.cli.typed import typed

AMMONIA = Path(shipped.__file__).parent / "ammonia" / "ammonia.safetensors"


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _refused(*arguments):
    before = sorted(Path().iterdir())
    code, said = typed(*arguments)
    assert code == 2 and said.count("\n") == 1 and said.startswith("nadyn: "), said
    assert sorted(Path().iterdir()) == before
    return said


def test_a_model_is_cited_by_the_command():
    code, said = typed("cite", AMMONIA)
    assert code == 0 and "encoder moments\n" in said and "Drautz" in said, said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "'start.xyz' must exist, but does not"),
        ("4\n\nN nan 0 0\nH 0.9 0 0\nH 0 0.9 0\nH 0 0 0.9\n", "line 3 must read `symbol x y z`"),
        ("1\n\nXx 0 0 0\n", "'Xx' is none"),
        ("2\n\nO 0 0 0\nH 0 0 1\n", "must have the atoms of model ammonia in their order ([7, 1, 1, 1])"),
    ],
)
def test_a_run_file_names_no_geometry_that_the_run_would_refuse(text, sentence):
    if text is not None:
        Path("start.xyz").write_text(text, encoding="utf-8")
    assert sentence in _refused("init", "run", AMMONIA, "--geometry", "start.xyz")


def test_a_model_without_atoms_takes_no_geometry():
    Path("model.yaml").write_text("{name: tully, variant: 1}", encoding="utf-8")
    Path("start.xyz").write_text("1\n\nO 0 0 0\n", encoding="utf-8")
    said = _refused("init", "run", "model.yaml", "--geometry", "start.xyz")
    assert "`geometry` must be left out for model tully-1, which has no atoms" in said


@pytest.mark.parametrize("content", [b"model: {name: tully\n", bytes(range(200, 256))])
def test_a_model_file_that_is_no_yaml_is_named(content):
    Path("model.yaml").write_bytes(content)
    assert "configuration file 'model.yaml' must be YAML" in _refused("init", "run", "model.yaml")


def test_a_charge_leaves_electrons():
    Path("start.xyz").write_text("2\n\nH 0 0 0\nH 0 0 0.74\n", encoding="utf-8")
    said = _refused("init", "learn", "start.xyz", "--charge", "2")
    assert "`--charge` must leave electrons, but H2 with charge 2 has none" in said


def test_a_shift_beside_which_energies_lose_their_digits_is_refused():
    positions, energies = np.eye(3)[None, :2], np.array([[-1.0, -0.5, -0.2]])
    group = group_from_arrays("H2", atomic_numbers=[1, 1], positions=positions, energies=energies, charge=0)
    write_dataset("data.h5", Dataset((group,)))
    said = _refused("data", "shift", "data.h5", "--output", "o.h5", "--energy-ev", "1e12")
    assert "a shift must keep the digits of energies" in said and "loses" in said
    assert typed("data", "shift", "data.h5", "--output", "o.h5", "--energy-ev", "1e6")[0] == 0


def test_a_family_of_commands_lists_them_and_says_nothing_empty():
    code, said = typed("data")
    # Older typer leaves with 0.
    assert code in (0, 2) and "shift" in said and "nadyn: " not in said


def test_a_crossing_that_is_nowhere_is_named():
    Path("c.xyz").write_text("2\n\nH 0 0 0\nH 0 0 1\n2\n\nH 0 0 0\nH 0 nan 1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"'c.xyz': positions must be finite, but those of geometry 1 are"):
        read_crossings("c.xyz")


def test_a_folder_for_results_is_refused_before_the_search():
    Path("taken").write_text("", encoding="utf-8")
    said = _refused("intersect", AMMONIA, "--output", "taken/crossings")
    assert "folder 'taken/crossings' must be a folder, but " in said and "taken' is a file" in said
    said = _refused("intersect", AMMONIA, "--output", "/proc/nothing")
    assert "must be in a folder that can be written to" in said
    check_new_folder(Path("new/deeper"))
