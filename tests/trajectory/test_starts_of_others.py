"""Initial conditions of Newton-X, and `geom` beside `veloc`, are read with the units of the programs."""

import gzip
import shutil

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.trajectory.initial_conditions import read_initial_conditions
from nadyn.trajectory.newtonx_initial import read_newtonx_initial, read_start_folders
from nadyn.trajectory.starts_of_others import find_starts
from nadyn.units import ELECTRON_MASS_PER_DALTON, ELECTRONVOLT_PER_HARTREE
from tests.cli.typed import typed

# Water, from the manual of CP2K (manual.cp2k.org, interface to Newton-X): the first condition of a file.
CONDITION = """\
 Initial condition =     1
 Geometry in COLUMBUS and NX input format:
 o     8.0    5.00630777    5.00000001    4.46399957   15.99491464
 h     1.0    6.37684065    5.00000128    5.50815661    1.00782504
 h     1.0    3.52303474    5.00000149    5.58297278    1.00782504
 Velocity in NX input format:
   -0.000089112    0.000000000   -0.000020915
    0.000417197    0.000000002    0.000694479
    0.000997296    0.000000013   -0.000362483
 Epot of initial state (eV):    0.0865  Epot of final state (eV):     19.0799
 Vertical excitation (eV):     18.9935  Is Ev in the required range? YES
 Ekin of initial state (eV):    0.0479  Etot of initial state (eV):    0.1343
 Oscillator strength:           0.1221
 State:                         10

"""
SECOND = CONDITION.replace("condition =     1", "condition =     2").replace("   5.00630777", "   5.10630777")
REFUSED = SECOND.replace("YES", "NO")


@pytest.fixture
def folders(request):
    return request.config.rootpath / "tests/data/fixtures/newtonx_starts"


def kinetic_ev(found):
    return 0.5 * (found.momenta**2 / found.masses[:, None]).sum(axis=(1, 2)) * ELECTRONVOLT_PER_HARTREE


def test_a_file_of_newton_x_has_the_kinetic_energy_that_it_says(tmp_path):
    (tmp_path / "final_output.1.11").write_text(CONDITION + SECOND)
    found = read_newtonx_initial(tmp_path / "final_output.1.11")
    np.testing.assert_allclose(kinetic_ev(found), 0.0479, atol=5e-5)
    np.testing.assert_array_equal(found.positions[:, 0, 0], [5.00630777, 5.10630777])
    assert found.atomic_numbers.tolist() == [8, 1, 1] and found.state is None
    np.testing.assert_allclose(found.masses[1] / ELECTRON_MASS_PER_DALTON, 1.00782504, rtol=1e-12)


def test_conditions_outside_of_the_window_are_left_out_and_counted(tmp_path):
    (tmp_path / "f").write_text(CONDITION + REFUSED)
    found = read_newtonx_initial(tmp_path / "f")
    assert len(found.weight) == 1 and found.positions[0, 0, 0] == 5.00630777
    assert "1 condition outside of the window of excitation left out." in found.notices
    (tmp_path / "g").write_text(REFUSED)
    with pytest.raises(InputError, match="must hold a condition in the window of excitation"):
        read_newtonx_initial(tmp_path / "g")


def test_folders_with_geom_and_veloc_are_read_in_the_order_of_their_numbers(folders, tmp_path):
    found = read_start_folders(folders)
    assert found.positions.shape == (2, 14, 3)
    assert found.positions[:, 0, 0].tolist() == [0.54290528, 0.52782175]
    mass = 1.00782504 * ELECTRON_MASS_PER_DALTON
    np.testing.assert_allclose(
        found.momenta[1, 13], mass * np.array([0.000676774, 0.001192134, -0.000574346])
    )
    # Wigner samples of C6H8 at 0 K have half of the zero-point energy of about 3.4 eV in the momenta.
    assert (np.abs(kinetic_ev(found) - 1.7) < 0.8).all()


def test_the_tenth_folder_comes_after_the_second(tmp_path):
    for number in (10, 2):
        folder = tmp_path / f"TRAJ{number}"
        folder.mkdir()
        (folder / "geom").write_text(f" H 1.0 {number}.0 0.0 0.0 1.00782504\n")
        (folder / "veloc").write_text(" 0.0 0.0 0.0\n")
    assert read_start_folders(tmp_path).positions[:, 0, 0].tolist() == [2.0, 10.0]


def test_commands_read_them_and_say_what_they_are(folders, tmp_path):
    (tmp_path / "final_output").write_bytes(gzip.compress((CONDITION + REFUSED).encode()))
    code, said = typed("info", tmp_path / "final_output")
    assert code == 0 and "H2O" in said and "1 condition" in said and "0.0479" in said
    code, said = typed("convert", tmp_path / "final_output", tmp_path / "i.h5")
    assert code == 0 and "note: 1 condition outside of the window" in said
    assert read_initial_conditions(tmp_path / "i.h5").positions.shape == (1, 3, 3)
    code, said = typed("convert", folders, tmp_path / "starts.h5")
    assert code == 0 and "wrote 2 initial conditions" in said
    code, said = typed("info", folders)
    assert code == 0 and "folder with `geom` and `veloc`" in said and "C6H8" in said
    code, said = typed("info", "--digest", folders)
    assert code == 2 and "must be a file of nadyn to have a digest" in said


def test_trajectories_that_were_run_are_data_and_no_starts(fixtures_of_data, tmp_path):
    assert find_starts(fixtures_of_data / "newtonx_2.6") is None
    assert find_starts(fixtures_of_data / "sharc_points") is None
    # With `geom` and `veloc` beside the results, as the programs leave them.
    shutil.copytree(fixtures_of_data / "newtonx_2.2" / "TRAJ2", tmp_path / "T" / "TRAJ2")
    for name in ("geom", "veloc"):
        shutil.copy(fixtures_of_data / "newtonx_starts" / "TRAJ48" / name, tmp_path / "T" / "TRAJ2")
    code, said = typed("convert", tmp_path / "T", tmp_path / "data.h5")
    assert code == 0 and "C6H8: 3 frames" in said


@pytest.fixture
def fixtures_of_data(folders):
    return folders.parent


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.partition(" Vertical")[0], "condition 2, must have a geometry, velocities and"),
        (lambda text: text.replace("   5.10630777", "        none"), "condition 2, must hold rows of symbol"),
        (lambda text: text.replace("1.00782504\n Vel", "2.01410178\n Vel"), "same atoms and masses"),
        (lambda text: text.replace("-0.000089112", "         nan"), "finite numbers and masses above 0"),
        (lambda text: text.replace("15.99491464", " 0.00000000"), "finite numbers and masses above 0"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, change, sentence):
    (tmp_path / "f").write_text(CONDITION + change(SECOND))
    with pytest.raises(InputError, match=sentence):
        read_newtonx_initial(tmp_path / "f")


def test_two_molecules_are_refused(folders, tmp_path):
    for name, text in (
        ("TRAJ1", "  O  8.0  0.0 0.0 0.0 15.99491464\n"),
        ("TRAJ2", " N 7.0 0.0 0.0 0.0 14.003\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "geom").write_text(text)
        (tmp_path / name / "veloc").write_text(" 0.0 0.0 0.0\n")
    with pytest.raises(InputError, match="must have the same atoms and masses"):
        read_start_folders(tmp_path)
    assert read_start_folders(tmp_path / "TRAJ1").weight.tolist() == [1.0]
    (tmp_path / "TRAJ2" / "veloc").write_text(" 0.0 0.0 0.0\n 0.0 0.0 0.0\n")
    with pytest.raises(InputError, match="as many rows of velocities"):
        read_start_folders(tmp_path / "TRAJ2")
    with pytest.raises(InputError, match="must hold a `geom` beside a `veloc`, but holds none"):
        read_start_folders(tmp_path / "TRAJ3")
