"""Where geometries to be labelled come from."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.dynamics.run.loop import run
from nadyn.learning.geometries import joined, read_geometries, stopped_geometries
from nadyn.structures import masses
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import BOHR_PER_ANGSTROM

WATER = (8, 1, 1)
N_FRAMES = 4
POSITIONS = np.random.default_rng(1).normal(size=(N_FRAMES, 3, 3)) * 3.0


def _xyz(path, frames, numbers=("O", "H", "D")):
    text = ""
    for positions in frames / BOHR_PER_ANGSTROM:
        rows = (f"{s} {x:.14f} {y:.14f} {z:.14f}" for s, (x, y, z) in zip(numbers, positions, strict=True))
        text += f"{len(positions)}\na comment\n" + "\n".join(rows) + "\n"
    path.write_text(text)
    return path


def test_all_frames_of_a_plain_xyz_file_are_read_isotopes_as_their_element(tmp_path):
    found = read_geometries(_xyz(tmp_path / "starts.xyz", POSITIONS))
    assert (found.atomic_numbers, found.name) == (WATER, "H2O")
    np.testing.assert_allclose(found.positions, POSITIONS, atol=1e-12)
    assert found.tags == ("starts",) * N_FRAMES


def test_initial_conditions_and_datasets_are_known_by_their_content(tmp_path):
    initial = InitialConditions(
        positions=POSITIONS,
        momenta=np.zeros_like(POSITIONS),
        weight=np.ones(N_FRAMES),
        masses=masses(WATER),
        atomic_numbers=np.array(WATER),
        state=1,
        diabatic_state=None,
        origin="here",
        temperature_kelvin=None,
    )
    write_initial_conditions(tmp_path / "initial", initial)
    group = group_from_arrays(
        "water", atomic_numbers=list(WATER), positions=POSITIONS, energies=np.zeros((N_FRAMES, 1))
    )
    other = group_from_arrays(
        "other", atomic_numbers=[1], positions=np.zeros((1, 1, 3)), energies=np.zeros((1, 1))
    )
    write_dataset(tmp_path / "data", Dataset((other, group)))
    for found in (read_geometries(tmp_path / "initial"), read_geometries(tmp_path / "data", group="water")):
        assert found.atomic_numbers == WATER
        np.testing.assert_array_equal(found.positions, POSITIONS)
    with pytest.raises(InputError, match=r"of one molecule, but are of other, water\. Name one"):
        read_geometries(tmp_path / "data")
    write_initial_conditions(tmp_path / "cell", replace(initial, cell=9.0 * np.eye(3), pbc=(True,) * 3))
    with pytest.raises(InputError, match="must be of isolated molecules, but are periodic"):
        read_geometries(tmp_path / "cell")


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory):
    """Every step changes the energy by more than is allowed."""
    path = tmp_path_factory.mktemp("run") / "run.h5"
    content = {
        "model": str(shipped.path("ammonia/ammonia.safetensors")),
        "initial": {"sample": "wigner", "n": 2, "state": 1},
        "method": "fssh",
        "time_fs": 1.0,
        "max_energy_step_ev": 1e-12,
    }
    run({**content, "output": str(path)}, progress=False)
    return path


def test_a_stopped_trajectory_gives_the_geometry_that_it_stopped_at(stopped_run):
    found = stopped_geometries(stopped_run)
    assert found.tags == ("energy_step",) * 2
    assert found.name == "NH3"
    written = open_run(stopped_run)
    far = np.abs(found.positions - written.positions[0]).max(axis=(1, 2))
    assert (far < 0.1).all()


def test_a_run_is_no_list_of_geometries(stopped_run):
    with pytest.raises(InputError, match="Give it as `--stopped`"):
        read_geometries(stopped_run)


def test_geometries_of_several_origins_are_taken_once_each(tmp_path):
    one = read_geometries(_xyz(tmp_path / "one.xyz", POSITIONS[:3]))
    two = read_geometries(_xyz(tmp_path / "two.xyz", POSITIONS[2:]))
    found = joined([one, two])
    np.testing.assert_allclose(found.positions, POSITIONS, atol=1e-12)
    assert found.tags == ("one", "one", "one", "two")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must hold a geometry|must be an .xyz"),
        ("2\n\nO 0 0 0\n", "must be readable"),
        ("1\n\nO 0 0 0\n2\n\nH 0 0 0\nH 0 0 1\n", "frame 1 has others"),
        ("1\n\nO 0 0 nan\n", "must be finite"),
    ],
)
def test_a_file_that_is_no_list_of_geometries_is_refused(tmp_path, text, sentence):
    path = tmp_path / "wrong.xyz"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_geometries(path)


def test_no_geometries_and_those_of_two_molecules_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Name a file, or `--stopped run\.h5`"):
        joined([])
    one = read_geometries(_xyz(tmp_path / "one.xyz", POSITIONS))
    two = read_geometries(_xyz(tmp_path / "two.xyz", POSITIONS, ("H", "O", "H")))
    with pytest.raises(InputError, match="are of H2O and H2O"):
        joined([one, two])


def test_atoms_in_one_place_are_refused(tmp_path):
    positions = POSITIONS.copy()
    positions[1, 2] = positions[1, 0]
    with pytest.raises(
        InputError, match=r"starts.xyz': frame 1 must keep its atoms apart, but 0 and 2 are 0"
    ):
        read_geometries(_xyz(tmp_path / "starts.xyz", positions))
