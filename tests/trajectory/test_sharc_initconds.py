"""Initial conditions of SHARC's own `wigner.py` are read, and what is written is read back."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.data.readers.geometries import read_xyz_frames
from nadyn.trajectory.initial_conditions import read_initial_conditions, write_initial_conditions
from nadyn.trajectory.sharc_initconds import is_initconds, read_initconds, write_initconds
from nadyn.units import ELECTRON_MASS_PER_DALTON


@pytest.fixture(scope="module")
def written_by_sharc(request):
    return request.config.rootpath / "tests/data/fixtures/sharc_initconds_4"


def test_conditions_of_sharc(written_by_sharc):
    assert is_initconds(written_by_sharc)
    found = read_initconds(written_by_sharc)
    assert found.positions.shape == (4, 3, 3) and found.atomic_numbers.tolist() == [8, 1, 1]
    np.testing.assert_allclose(
        found.masses, np.array([15.994915, 1.007825, 1.007825]) * ELECTRON_MASS_PER_DALTON
    )
    text = written_by_sharc.read_text()
    first = [float(word) for word in text.partition("Index     1\n")[2].splitlines()[1].split()[2:]]
    np.testing.assert_array_equal(found.positions[0, 0], first[:3])
    np.testing.assert_allclose(found.momenta[0, 0] / found.masses[0], first[4:], rtol=1e-12)
    # SHARC has taken out the motion of the whole.
    np.testing.assert_allclose(found.momenta.sum(axis=1), 0, atol=1e-3)


def test_what_is_written_is_read_back(written_by_sharc, tmp_path):
    before = read_initconds(written_by_sharc)
    write_initconds(tmp_path / "initconds", before)
    after = read_initconds(tmp_path / "initconds")
    np.testing.assert_allclose(after.positions, before.positions, atol=1e-10)
    np.testing.assert_allclose(after.momenta, before.momenta, rtol=1e-9)
    np.testing.assert_allclose(after.masses, before.masses, rtol=1e-8)


def command(*words):
    with pytest.raises(SystemExit) as left:
        main(list(map(str, words)))
    return left.value.code


def test_there_and_back_by_commands(written_by_sharc, tmp_path, capsys):
    assert command("convert", written_by_sharc, tmp_path / "i.h5") == 0
    assert command("convert", tmp_path / "i.h5", tmp_path / "initconds") == 0
    assert command("convert", tmp_path / "i.h5", tmp_path / "i.traj") == 2
    assert "OUT must end in .h5 or .xyz, or have no ending" in capsys.readouterr().err
    found = read_initial_conditions(tmp_path / "i.h5")
    assert len(found.weight) == 4
    assert command("convert", tmp_path / "i.h5", tmp_path / "i.xyz") == 0
    assert "note: momenta" in capsys.readouterr().out
    numbers, positions = read_xyz_frames(tmp_path / "i.xyz")
    assert numbers == (8, 1, 1)
    np.testing.assert_allclose(positions, found.positions, rtol=1e-15)
    write_initial_conditions(tmp_path / "s.h5", replace(found, state=2))
    assert command("convert", tmp_path / "s.h5", tmp_path / "on_two") == 0
    assert "note: the state is 2, for which a file of SHARC has no place" in capsys.readouterr().out
    write_initial_conditions(tmp_path / "w.h5", replace(found, weight=np.arange(1.0, 5.0)))
    assert command("convert", tmp_path / "w.h5", tmp_path / "weighted") == 0
    assert "note: weights differ, for which a file of SHARC has no place" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text.rpartition("Index")[0], "must hold 4 conditions, but holds 3: it was cut"),
        (lambda text: text.replace("Natom     3", "Natom     4"), "must hold 4 atoms with eight numbers"),
        (lambda text: text.replace("Ninit     4", "Ninit"), "must say `Ninit`"),
        (lambda text: text.replace("15.99491500", "15.99491x00", 3), "must hold finite numbers"),
        (
            lambda text: text.replace("Index     2\nAtoms\n O ", "Index     2\nAtoms\n N "),
            "must have the same atoms",
        ),
    ],
)
def test_a_damaged_file_is_refused(written_by_sharc, tmp_path, change, complaint):
    (tmp_path / "i").write_text(change(written_by_sharc.read_text()))
    with pytest.raises(InputError, match=complaint):
        read_initconds(tmp_path / "i")


def test_states_that_were_chosen_are_said_not_to_be_read(written_by_sharc, tmp_path):
    text = written_by_sharc.read_text().replace(
        "States\n", "States\n001  -76.0 -76.0 0.0 0.0 0.0 0.0 0.0 True\n"
    )
    (tmp_path / "initconds.excited").write_text(text)
    assert "are not read" in read_initconds(tmp_path / "initconds.excited").notices[0]
