"""A committee in one file: the same bits back, one hash over all members, no byte unnoticed."""

import pytest
import safetensors
import torch
from contracts.committees import committee
from contracts.untrained import untrained

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import surfaces
from nadyn.models import load_model, save_model
from nadyn.models.committee import Committee
from nadyn.models.isotopes import with_isotopes
from nadyn.models.model_description import describe
from nadyn.models.model_file import digest

GEOMETRY = torch.tensor(
    [[[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]]], dtype=torch.float64
)


def test_a_loaded_committee_has_the_members_and_the_calibration_that_were_saved(tmp_path):
    several = committee(3).running_on(1)
    save_model(several, tmp_path / "one.safetensors")
    loaded = load_model(tmp_path / "one.safetensors")
    assert isinstance(loaded, Committee)
    assert (loaded.member, loaded.calibration, loaded.trained_on) == (
        1,
        several.calibration,
        {"seeds": [0, 1, 2]},
    )
    for before, after in zip(several.members, loaded.members, strict=True):
        assert torch.equal(surfaces(before, GEOMETRY).forces, surfaces(after, GEOMETRY).forces)
    save_model(loaded, tmp_path / "two.safetensors", timings={"host": "elsewhere"})
    assert digest(tmp_path / "one.safetensors") == digest(tmp_path / "two.safetensors")
    save_model(several.running_on(0), tmp_path / "three.safetensors")
    assert digest(tmp_path / "one.safetensors") != digest(tmp_path / "three.safetensors")
    assert describe(tmp_path / "one.safetensors")["committee"] == "3 members; as one model it is member 1"


def test_a_changed_byte_of_any_member_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(committee(3), path)
    content = path.read_bytes()
    size = len(content)
    for place in (size // 3, size // 2, size - 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match="checksum"):
            load_model(path)


def test_a_file_of_one_model_is_what_older_versions_read(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(untrained("moments", "2x0e"), path)
    with safetensors.safe_open(path, framework="pt") as file:
        assert '"version": 1' in file.metadata()["nadyn"]
    save_model(committee(2), path)
    with safetensors.safe_open(path, framework="pt") as file:
        assert (
            '"kind": "committee"' in file.metadata()["nadyn"] and '"version": 2' in file.metadata()["nadyn"]
        )


def test_isotopes_are_those_of_every_member():
    heavy = with_isotopes(committee(2), {"H": 2})
    assert len({member.own_masses for member in heavy.members}) == 1
    assert float(heavy.masses[1]) == pytest.approx(3671.48, abs=0.1)
