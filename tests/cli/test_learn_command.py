"""`nadyn learn` on the command line: what is missing or does not fit is said before any work."""

import re

import numpy as np
import pytest
import yaml

from nadyn.cli.main import main
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.learning.asked_for import write_down
from nadyn.learning.folder import Folder
from nadyn.learning.learn_file import LearnConfiguration

WATER = "3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "water.xyz").write_text(WATER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["learn", *arguments])
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return " ".join(text.split())


def test_a_method_is_asked_for(folder, capsys):
    assert "`--method` must name a level of theory" in refused(capsys, "water.xyz")


def test_a_method_and_a_source_do_not_go_together(folder, capsys):
    (folder / "learn.yaml").write_text(yaml.safe_dump({"source": {"ase": {"calculator": "emt"}}}))
    text = refused(capsys, "water.xyz", "--method", "sa2-casscf(2,2)/sto-3g", "--config", "learn.yaml")
    assert "`--method` must not be given beside `source`" in text


def test_a_state_that_the_source_does_not_have_is_refused(folder, capsys):
    text = refused(capsys, "water.xyz", "--method", "sa2-casscf(2,2)/sto-3g", "--state", "2")
    assert "`state` must be from 0 to 1" in text


def test_a_molecule_that_is_not_there_is_refused(folder, capsys):
    assert "ethylene.xyz" in refused(capsys, "ethylene.xyz", "--method", "sa2-casscf(2,2)/sto-3g")


def test_a_misspelt_key_has_its_neighbour(folder, capsys):
    content = {"molecule": "water.xyz", "source": {"ase": {"calculator": "emt"}}, "member": 3}
    (folder / "learn.yaml").write_text(yaml.safe_dump(content))
    assert "members" in refused(capsys, "learn.yaml")


def test_settings_without_a_source_stand_beside_a_method(folder, capsys):
    (folder / "learn.yaml").write_text(yaml.safe_dump({"members": 2, "state": 2}))
    text = refused(capsys, "water.xyz", "--method", "tda2-hf/sto-3g", "--config", "learn.yaml")
    assert "`state` must be from 0 to 1" in text
    (folder / "learn.yaml").write_text("- members\n")
    text = refused(capsys, "water.xyz", "--method", "tda2-hf/sto-3g", "--config", "learn.yaml")
    assert "must hold `key: value` lines" in text


def test_a_refused_call_leaves_nothing_that_stands_in_the_way(folder, capsys):
    # Water has ten electrons: three in the active space leave seven.
    text = refused(capsys, "water.xyz", "--method", "sa2-casscf(3,2)/sto-3g")
    assert "an even number of electrons" in text
    again = refused(capsys, "water.xyz", "--method", "sa2-casscf(2,2)/sto-3g", "--state", "2")
    assert "`state` must be from 0 to 1" in again


def test_a_charge_belongs_to_a_method(folder, capsys):
    arguments = ("water.xyz", "--method", "sa2-casscf(3,2)/sto-3g", "--charge", "1", "--state", "2")
    assert "`state` must be from 0 to 1" in refused(capsys, *arguments)
    (folder / "learn.yaml").write_text(yaml.safe_dump({"source": {"ase": {"calculator": "emt"}}}))
    text = refused(capsys, "water.xyz", "--config", "learn.yaml", "--charge", "1")
    assert "`--charge` must stand beside `--method`" in text


def test_a_budget_that_is_no_section_is_said(folder, capsys):
    (folder / "learn.yaml").write_text(yaml.safe_dump({"budget": 50}))
    arguments = ("water.xyz", "--method", "tda2-hf/sto-3g", "--config", "learn.yaml", "--labels", "20")
    assert "`budget`" in refused(capsys, *arguments)


def test_a_folder_that_would_take_the_place_of_the_learn_file_is_refused(folder, capsys):
    text = yaml.safe_dump({"molecule": "water.xyz", "source": {"ase": {"calculator": "emt"}}})
    (folder / "learn.yaml").write_text(text)
    assert "`--output` must be another folder" in refused(capsys, "learn.yaml", "--output", ".")
    assert (folder / "learn.yaml").read_text() == text


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"atomic_numbers": [3, 1]}, "must have the atoms of `molecule`, O H H, but has Li H"),
        ({"states": 3}, r"must have the multiplicities of states of `source`, \[1, 1\], but has \[1, 1, 1\]"),
        ({"theory": "another"}, "must have the theory of `source`, .* but has another"),
        ({"charge": 1}, "must have the charge of `source`, 0, but has 1"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_asked(folder, capsys, keys, sentence):
    given = {"atomic_numbers": [8, 1, 1], "states": 2, "theory": "", "charge": 0, **keys}
    numbers, n = given["atomic_numbers"], given["states"]
    group = group_from_arrays(
        "old",
        atomic_numbers=numbers,
        positions=3.0 * np.arange(3.0 * len(numbers)).reshape(1, -1, 3),
        energies=np.arange(float(n))[None],
        charge=given["charge"],
        multiplicities=(1 + given["charge"],) * n,
        theory=given["theory"],
    )
    write_dataset(folder / "old.h5", Dataset((group,)))
    text = refused(capsys, "water.xyz", "--method", "tda2-hf/sto-3g", "--data", "old.h5")
    assert re.search(sentence, text)
    assert not (folder / "water" / "learn.yaml").exists()


def test_a_folder_is_gone_on_with_by_its_name(folder, capsys):
    (folder / "water").mkdir()
    write_down(
        Folder(folder / "water"),
        LearnConfiguration.model_validate(
            {
                "molecule": str(folder / "water.xyz"),
                "source": {"pyscf": {"method": "tda2-hf/sto-3g"}},
                "state": 2,
            }
        ),
    )
    (folder / "water" / "starts.h5").touch()
    assert "`state` must be from 0 to 1" in refused(capsys, "water", "--resume")
    assert "`state` must be from 0 to 1" in refused(capsys, "water.xyz", "--resume")
    text = refused(capsys, "water.xyz", "--method", "tda3-hf/sto-3g", "--resume")
    assert "gone on with as it was begun, but source.pyscf.method has changed" in text
