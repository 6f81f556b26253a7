"""A run as geometries, table, NetCDF, atoms of ASE and folders of SHARC: the numbers are those of the run."""

import csv
import shutil
from dataclasses import replace

import ase.io
import h5py
import numpy as np
import pytest
import toy_run

import nadyn
from nadyn.analysis.populations import populations
from nadyn.checks.errors import InputError
from nadyn.cli.main import main
from nadyn.data.readers.geometries import read_xyz_frames
from nadyn.data.readers.table import read_file
from nadyn.trajectory import load_trajectories, open_run
from nadyn.trajectory.writers import chosen as writing
from nadyn.trajectory.writers.chosen import geometries
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE

N = toy_run.N_TRAJ


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Five trajectories, one of which stops, with hops."""
    file = tmp_path_factory.mktemp("run") / "r.h5"
    toy_run.run(file, n_steps=24, resume=False)
    found = load_trajectories(file)
    assert found.hops["accepted"].any() and not found.alive.all()
    return file


def command(*words):
    with pytest.raises(SystemExit) as left:
        main(["convert", *map(str, words)])
    return left.value.code


def test_geometries_of_chosen_trajectories(path, tmp_path):
    assert command(path, tmp_path / "a.xyz", "--trajectories", "1,3") == 0
    found = load_trajectories(path)
    numbers, positions = read_xyz_frames(tmp_path / "a.xyz")
    alive = [found.positions[found.alive[:, traj], traj] for traj in (1, 3)]
    assert numbers == (6, 1, 1, 8)
    np.testing.assert_allclose(positions, np.concatenate(alive), rtol=1e-14)
    frames = ase.io.read(tmp_path / "a.xyz", ":")
    assert [atoms.info["traj"] for atoms in frames] == [1] * len(alive[0]) + [3] * len(alive[1])
    np.testing.assert_array_equal(
        [atoms.info["state"] for atoms in frames[: len(alive[0])]], found.active_state[found.alive[:, 1], 1]
    )
    energies = found.energies[found.alive[:, 1], 1] * ELECTRONVOLT_PER_HARTREE
    np.testing.assert_allclose([a.info["model_energies"] for a in frames[: len(alive[0])]], energies)


def test_labels_of_the_model_are_not_read_as_data(path, tmp_path):
    assert command(path, tmp_path / "a.xyz") == 0
    with pytest.raises(InputError, match="`energies` or `energy_0` must be there, but none is"):
        read_file(tmp_path / "a.xyz")


def test_hops_and_ends(path):
    found, hops = load_trajectories(path), geometries(path, "hops")
    made = found.hops["accepted"] & (found.hops["time_fs"] <= found.end_fs[found.hops["traj"]] + 1e-9)
    assert len(hops) == made.sum()
    for one in hops:
        time = float(one.words["hop_fs"])
        assert -1e-4 < time - one.time_fs < 1 and one.time_fs in found.time_fs
        assert one.words["hop"] == "0-1"
    ends = geometries(path, "ends")
    assert [one.traj for one in ends] == list(range(N))
    for one in ends:
        last = np.flatnonzero(found.alive[:, one.traj])[-1]
        np.testing.assert_array_equal(one.positions, found.positions[last, one.traj])
        assert one.words["status"] == found.status[one.traj]


def test_atoms_of_ase_have_the_kinetic_energy(path, tmp_path):
    assert command(path, tmp_path / "a.traj", "--trajectories", "2") == 0
    found, frames = load_trajectories(path), ase.io.read(tmp_path / "a.traj", ":")
    alive = found.alive[:, 2]
    kinetic = (found.momenta[alive, 2] ** 2 / (2 * found.masses[:, None])).sum(axis=(1, 2))
    kinetic *= ELECTRONVOLT_PER_HARTREE
    np.testing.assert_allclose([atoms.get_kinetic_energy() for atoms in frames], kinetic, rtol=1e-12)
    np.testing.assert_allclose(frames[-1].positions, found.positions[alive, 2][-1] * ANGSTROM_PER_BOHR)
    assert len(nadyn.to_ase(path, kind="ends")) == N


def test_a_table(path, tmp_path):
    assert command(path, tmp_path / "t.csv") == 0
    found = load_trajectories(path)
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == found.alive.sum()
    for row in rows[:: len(rows) // 7]:
        traj = int(row["traj"])
        frame = found.time_fs.tolist().index(float(row["time_fs"]))
        assert int(row["state"]) == found.active_state[frame, traj]
        assert float(row["energy_1_ev"]) == found.energies[frame, traj, 1] * ELECTRONVOLT_PER_HARTREE
        assert np.isclose(float(row["electronic_population_0"]), abs(found.coefficients[frame, traj, 0]) ** 2)


def test_a_table_has_the_populations_that_a_run_has(tmp_path):
    """Diabatic ones where the basis is fixed, and those of methods that do not count active states."""
    start = {"sample": "wigner", "n": 3, "diabatic_state": 1}
    content = {"model": {"name": "pyrazine", "variant": 4}, "initial": start, "method": "spin_lsc"}
    run = nadyn.run(content | {"dt_fs": 0.5, "time_fs": 2, "output": str(tmp_path / "r.h5")}).path
    assert command(run, tmp_path / "t.csv") == 0
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = load_trajectories(run)
    assert len(rows) == found.alive.sum()
    for name, array in (
        ("diabatic_population", found.diabatic_populations),
        ("population", found.populations_adiabatic),
    ):
        for k in range(array.shape[2]):
            column = np.array([float(row[f"{name}_{k}"]) for row in rows])
            np.testing.assert_array_equal(column, array[:, :, k].T.ravel())


def test_a_table_names_diabatic_states_of_several_multiplicities(tmp_path):
    start = {"sample": "wigner", "n": 2, "diabatic_state": 1}
    content = {"model": {"name": "sulfur_dioxide", "variant": "triplets"}, "initial": start, "method": "fssh"}
    run = nadyn.run(content | {"dt_fs": 0.5, "time_fs": 1, "output": str(tmp_path / "r.h5")}).path
    assert command(run, tmp_path / "t.csv") == 0
    table = np.genfromtxt(tmp_path / "t.csv", delimiter=",", names=True)
    found = load_trajectories(run).diabatic_populations
    for k, name in enumerate(("S0", "S1", "S2", "T1", "T2", "T3")):
        np.testing.assert_array_equal(table[f"diabatic_population_{name}"], found[:, :, k].T.ravel())


def test_netcdf_has_names_and_units(path, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    assert command(path, tmp_path / "r.nc") == 0
    found = load_trajectories(path)
    with xarray.open_dataset(tmp_path / "r.nc", engine="h5netcdf") as data:
        assert data.positions.dims == ("frame", "traj", "atom", "x") and data.energies.units == "hartree"
        np.testing.assert_array_equal(data.positions, found.positions)
        both = data.coefficients_real.values + 1j * data.coefficients_imaginary.values
        np.testing.assert_array_equal(both, found.coefficients)
        np.testing.assert_array_equal(data.hop_to_state, found.hops["to_state"])
        np.testing.assert_array_equal(data.time_fs, found.time_fs)


def test_folders_of_sharc_are_read_back(path, tmp_path, monkeypatch):
    # The made-up atoms meet.
    monkeypatch.setattr("nadyn.data.validation._check_distances", lambda group: None)
    assert command(path, tmp_path / "sharc", "--trajectories", "0,4") == 0
    assert command(path, tmp_path / "sharc") == 2
    assert sorted(one.name for one in (tmp_path / "sharc").iterdir()) == ["TRAJ_00001", "TRAJ_00005"]
    found, (group,) = load_trajectories(path), read_file(tmp_path / "sharc").groups
    alive = found.alive[:, 0]
    n = int(alive.sum())
    assert group.tag[:n] == ("TRAJ_00001",) * n and group.forces is None
    np.testing.assert_array_equal(group.positions[:n], found.positions[alive, 0])
    # The zero of energy is taken off and put back.
    np.testing.assert_allclose(group.energies[:n], found.energies[alive, 0], rtol=0, atol=1e-14)
    listing = np.loadtxt(tmp_path / "sharc/TRAJ_00001/output.lis")
    np.testing.assert_array_equal(listing[:, 3] - 1, found.active_state[alive, 0])
    geometry = (tmp_path / "sharc/TRAJ_00005/geom").read_text().split()
    np.testing.assert_allclose([float(x) for x in geometry[2:5]], found.positions[0, 4, 0], atol=1e-9)


def _blocks(text):
    """Blocks of an output.dat by step, as SHARC's data_extractor.x sees them: a title, then numbers."""
    steps = []
    for block in text.split("End of header array data")[1].split("! ")[1:]:
        title, _, body = block.partition("\n")
        if title.startswith("0 "):
            steps.append({})
        steps[-1][int(title.split()[0])] = np.array(body.replace("*", " ").split(), dtype=float)
    return steps


def test_populations_counted_in_folders_of_sharc_are_those_of_the_run(path, tmp_path):
    """As its populations.py does: classical ones from block 8, quantum ones from |U c|² of blocks 2 and 5."""
    assert command(path, tmp_path / "sharc") == 0
    found = populations(open_run(path))
    n_frames, n_states = found.mean.shape
    classical, quantum, there = (
        np.zeros((n_frames, n_states)),
        np.zeros((n_frames, n_states)),
        np.zeros(n_frames),
    )
    for folder in sorted((tmp_path / "sharc").iterdir()):
        for step, block in enumerate(_blocks((folder / "output.dat").read_text())):
            turn = block[2].reshape(n_states, n_states, 2) @ [1.0, 1.0j]
            quantum[step] += np.abs(turn @ (block[5].reshape(n_states, 2) @ [1.0, 1.0j])) ** 2
            classical[step, int(block[8][1]) - 1] += 1
            there[step] += 1
    assert there.min() < there.max() == N
    np.testing.assert_array_equal(there, found.counted)
    np.testing.assert_allclose(classical / there[:, None], found.mean, rtol=0, atol=1e-15)
    np.testing.assert_allclose(quantum / there[:, None], found.electronic, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("a.foo",), "OUT of a run must end in .xyz, .traj, .csv or .nc"),
        (("a.csv", "--geometries", "hops"), "`--geometries` must come with an OUT that ends in"),
        (("a.xyz", "--geometries", "hop"), "`--geometries` must be all, hops, ends or stops"),
        (("a.xyz", "--trajectories", "9"), "`--trajectories` must be from 0 to 4"),
        (("a.xyz", "--trajectories", "1;2"), "`--trajectories` must be numbers as in 0,3,7"),
    ],
)
def test_what_cannot_be_written_is_refused(path, tmp_path, capsys, words, complaint):
    assert command(path, tmp_path / words[0], *words[1:]) == 2
    assert complaint in capsys.readouterr().err


def test_states_of_several_multiplicities_are_no_folders_of_sharc(path, tmp_path, capsys):
    other = tmp_path / "spins.h5"
    shutil.copy(path, other)
    with h5py.File(other, "r+") as file:
        file.attrs["multiplicities"] = "[1, 3]"
        del file.attrs["sha256"]
    assert command(other, tmp_path / "sharc") == 2
    assert "must be of states of one multiplicity" in capsys.readouterr().err


def test_what_stopped_a_trajectory_is_in_its_last_cell(path):
    found = load_trajectories(path)
    cells = np.random.default_rng(2).normal(size=(*found.alive.shape, 3, 3))
    cells[~found.alive] = np.nan
    names = ("positions", "momenta", "energies", "active_state")
    stops = {name: getattr(found, name)[0] for name in names}
    opened = replace(open_run(path), stops=stops)
    stopped = writing._stops(opened, replace(found, cell=cells), range(N))
    assert len(stopped) == N
    for one in stopped:
        last = np.flatnonzero(found.alive[:, one.traj])[-1]
        np.testing.assert_array_equal(one.cell, cells[last, one.traj])
