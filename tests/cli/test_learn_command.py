"""`nadyn learn` on the command line: what is missing or does not fit is said before any work."""

import pytest
import yaml

from nadyn.cli.main import main

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
