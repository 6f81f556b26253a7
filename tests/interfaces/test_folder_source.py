"""A folder that another program fills, as SHARC or as a script."""

import re
import subprocess
import sys

import numpy as np
import pytest
from sharc_texts import qm_out

from nadyn.checks.errors import InputError
from nadyn.electronic.labels import LabelSource, Quality
from nadyn.interfaces.folder_source import FolderSection
from nadyn.structures import read_xyz

NUMBERS = (8, 1, 1)
N_ATOMS = len(NUMBERS)
RANDOM = np.random.default_rng(6)
POSITIONS = np.array([[0.0, 0.0, 0.2], [0.0, 1.4, -0.9], [0.1, -1.4, -0.9]])
FORCES = RANDOM.normal(size=(3, N_ATOMS, 3))
D = RANDOM.normal(size=(3, 3, N_ATOMS, 3))
D = D - D.transpose(1, 0, 2, 3)
ENERGIES = np.array([-76.0, -75.7, -75.8])

SCRIPT = """
lines = open("geometry.xyz").read().splitlines()
atoms = [line.split() for line in lines[2:]]
header = 'Properties=species:S:1:pos:R:3:forces_0:R:3:forces_1:R:3 energies="-10.0 -7.5"'
rows = [" ".join([*atom, "0.1 0.2 0.3", "0 0 0.4"]) for atom in atoms]
open("label.xyz", "w").write("\\n".join([lines[0], header, *rows]) + "\\n")
"""


def _sharc(tmp_path, **section):
    given = {"folder": str(tmp_path / "asked"), "theory": "test", "states": (2, 0, 1)} | section
    return FolderSection(**given).source(NUMBERS)


def _xyz(tmp_path, **section):
    return _sharc(tmp_path, states=(2,), answers="xyz", gives=("forces",), **section)


def _only(source):
    (place,) = (path for path in source.folder.iterdir() if path.is_dir())
    return place


def test_what_is_asked_and_not_answered_is_pending_and_what_has_come_is_read(tmp_path):
    source = _sharc(tmp_path)
    assert isinstance(source, LabelSource)
    assert source.multiplicities == (1, 1, 3)
    assert source.label(POSITIONS) is None
    place = _only(source)
    assert sorted(path.name for path in place.iterdir()) == ["QM.in", "geometry.xyz"]
    assert "states 2 0 1" in (place / "QM.in").read_text()
    np.testing.assert_allclose(read_xyz(place / "geometry.xyz").positions, POSITIONS, atol=1e-11)
    # Days later, in another process.
    again = _sharc(tmp_path)
    assert again.label(POSITIONS) is None
    (place / "QM.out").write_text(qm_out((2, 0, 1), ENERGIES, FORCES, D))
    label = again.label(POSITIONS)
    assert label.quality == Quality.TRUSTED
    np.testing.assert_allclose(label.energies, ENERGIES)
    np.testing.assert_allclose(label.forces, FORCES)
    np.testing.assert_allclose(label.interstate_couplings[0], D[0, 1] * 0.3, rtol=1e-9)
    assert np.isnan(label.interstate_couplings[1:]).all()
    assert label.seconds == 12.0
    assert len(list(source.folder.iterdir())) == 2


def test_a_geometry_has_one_place_and_another_geometry_another(tmp_path):
    source = _sharc(tmp_path)
    moved = POSITIONS.copy()
    moved[0, 0] += 1e-4
    minus_zero = np.where(POSITIONS == 0.0, -0.0, POSITIONS)
    assert source.place(POSITIONS) == source.place(POSITIONS + 1e-12) == source.place(minus_zero)
    assert source.place(POSITIONS) != source.place(moved)


def test_a_half_written_answer_is_pending_and_named(tmp_path):
    source = _sharc(tmp_path)
    source.label(POSITIONS)
    out = _only(source) / "QM.out"
    out.write_text(qm_out((2, 0, 1), ENERGIES, FORCES, D)[:-3])
    assert source.label(POSITIONS) is None
    assert source.unfinished() == [out]


def test_states_that_are_out_of_order_are_sorted_within_their_multiplicity(tmp_path):
    source = _sharc(tmp_path)
    source.label(POSITIONS)
    (_only(source) / "QM.out").write_text(qm_out((2, 0, 1), ENERGIES[[1, 0, 2]], FORCES[[1, 0, 2]], D))
    label = source.label(POSITIONS)
    np.testing.assert_allclose(label.energies, ENERGIES)
    np.testing.assert_allclose(label.forces, FORCES)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("QM.out", qm_out((3,), ENERGIES, FORCES, D), "Check the states and the atoms"),
        ("QM.out", qm_out((2, 0, 1), ENERGIES, FORCES), "must be there, but is missing"),
        ("FAILED", "the orbitals rotate\n", "the orbitals rotate"),
    ],
)
def test_what_is_no_answer_is_a_failed_label_with_its_place(tmp_path, name, text, reason):
    source = _sharc(tmp_path)
    source.label(POSITIONS)
    place = _only(source)
    (place / name).write_text(text)
    label = source.label(POSITIONS)
    assert label.quality == Quality.FAILED
    assert reason in label.reason
    assert place.name in label.reason
    assert source.unfinished() == []


def test_files_are_copied_into_every_place(tmp_path):
    (tmp_path / "MOLCAS.template").write_text("basis cc-pvdz\n")
    section = FolderSection(folder="asked", theory="test", states=(1,), files=("MOLCAS.template",))
    source = section.beside(tmp_path).source(NUMBERS)
    source.label(POSITIONS)
    assert (_only(source) / "MOLCAS.template").read_text() == "basis cc-pvdz\n"
    assert source.gives == {"forces"}


def test_a_script_answers_with_an_xyz_file(tmp_path):
    source = _xyz(tmp_path)
    assert source.label(POSITIONS) is None
    place = _only(source)
    assert [path.name for path in place.iterdir()] == ["geometry.xyz"]
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=place, check=True)
    label = source.label(POSITIONS)
    assert label.quality == Quality.TRUSTED
    assert label.energies[1] - label.energies[0] == pytest.approx(2.5 / 27.211386, rel=1e-6)
    np.testing.assert_allclose(label.forces[1] * 51.422067, np.tile([0.0, 0.0, 0.4], (N_ATOMS, 1)), rtol=1e-6)


def test_a_force_that_a_script_leaves_out_is_unknown(tmp_path):
    source = _xyz(tmp_path)
    source.label(POSITIONS)
    place = _only(source)
    script = SCRIPT.replace("forces_1", "velocities")
    subprocess.run([sys.executable, "-c", script], cwd=place, check=True)
    label = source.label(POSITIONS)
    assert np.isfinite(label.forces).all(axis=(1, 2)).tolist() == [True, False]


def test_no_beginning_of_an_xyz_answer_is_read(tmp_path):
    source = _xyz(tmp_path)
    source.label(POSITIONS)
    place = _only(source)
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=place, check=True)
    path = place / "label.xyz"
    whole = path.read_text()
    for end in (0, 1, 40, len(whole) - 30, len(whole) - 1):
        path.write_text(whole[:end])
        assert source.label(POSITIONS) is None, whole[:end]
        assert source.unfinished() == [path]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("energies=", "forces_of=", "must be there, but none is"),
        ('-10.0 -7.5"', '-10.0"', "must hold 2 energies, but holds 1"),
        ("O ", "S ", "must be of the atoms"),
        ("\nO ", "\nO 5", "must be of the geometry in geometry.xyz"),
    ],
)
def test_a_wrong_xyz_answer_is_a_failed_label(tmp_path, before, after, reason):
    source = _xyz(tmp_path)
    source.label(POSITIONS)
    place = _only(source)
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=place, check=True)
    path = place / "label.xyz"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    label = source.label(POSITIONS)
    assert label.quality == Quality.FAILED
    assert re.search(reason, label.reason), label.reason


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"states": (0, 2)}, "must fit 10 electrons"),
        ({"states": (0, 0)}, "Try .2. for two singlets"),
        ({"states": (1,), "charge": 1}, "must fit 9 electrons"),
        ({"answers": "xyz", "gives": ("dipoles",)}, "no place for them"),
        ({"files": ("nowhere.template",)}, "must exist"),
        ({"folder": "no/such/parent/asked"}, "Create it first"),
        ({"states": (1,), "gives": ("interstate_couplings",)}, "for one state"),
    ],
)
def test_a_section_that_cannot_work_is_refused(tmp_path, section, sentence):
    with pytest.raises(InputError, match=sentence):
        _sharc(tmp_path, **section)


def test_a_folder_is_not_asked_for_something_else(tmp_path):
    _sharc(tmp_path)
    with pytest.raises(InputError, match=r"has theory 'test', and now it is 'another'. Name another folder"):
        _sharc(tmp_path, theory="another")
    with pytest.raises(InputError, match="has states"):
        _sharc(tmp_path, states=(3,))
