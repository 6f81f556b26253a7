"""A run in normal coordinates is written as one of the atoms that its model's file has."""

import shutil

import ase.io
import numpy as np
import pytest
import torch

import nadyn
from nadyn import shipped
from nadyn.data.readers.geometries import read_xyz_frames
from nadyn.data.readers.table import read_file
from nadyn.dynamics.run.molecule_of_run import molecule_of_run
from nadyn.models.analytic.lvc_template import read_lvc
from nadyn.trajectory import load_trajectories
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE
from tests.cli.typed import typed

N_TRAJ = 2


@pytest.fixture
def path(tmp_path):
    """Two trajectories of SO2 by a template in a folder of its own, its potential beside it."""
    for name in ("V0.txt", "singlets.template"):
        shutil.copy(shipped.path(f"sulfur_dioxide/{name}"), tmp_path / name)
    config = {
        "model": {"name": "lvc", "file": str(tmp_path / "singlets.template")},
        "initial": {"sample": "wigner", "n": N_TRAJ, "state": 1},
        "method": "fssh",
        "dt_fs": 0.2,
        "time_fs": 0.8,
        "output": str(tmp_path / "r.h5"),
    }
    nadyn.run(config, progress=False)
    return tmp_path / "r.h5"


def test_geometries_have_the_coordinates_of_the_run_and_its_kinetic_energy(path, tmp_path):
    run, frame = load_trajectories(path), read_lvc(tmp_path / "singlets.template").frame
    assert typed("convert", path, tmp_path / "a.xyz")[0] == 0
    numbers, positions = read_xyz_frames(tmp_path / "a.xyz")
    assert numbers == (16, 8, 8)
    q = run.positions.transpose(1, 0, 2, 3).reshape(-1, 3, 1)
    # The modes of the file are orthonormal to five digits.
    np.testing.assert_allclose(frame.coordinates(torch.from_numpy(positions)).numpy(), q, atol=2e-4)
    np.testing.assert_allclose(
        positions, frame.positions(torch.from_numpy(q)).numpy(), rtol=1e-12, atol=1e-14
    )
    frames = nadyn.to_ase(path)
    kinetic = np.array([atoms.get_kinetic_energy() for atoms in frames]) / ELECTRONVOLT_PER_HARTREE
    np.testing.assert_allclose(kinetic, run.kinetic_energy.T.ravel(), rtol=1e-4)
    np.testing.assert_allclose(frames[3].positions / ANGSTROM_PER_BOHR, positions[3], rtol=1e-12, atol=1e-14)
    # Normal coordinates move neither the whole nor turn it.
    momenta = np.array([atoms.get_momenta() for atoms in frames])
    assert np.abs(momenta.sum(axis=1)).max() < 1e-4 * np.abs(momenta).max()
    assert typed("convert", path, tmp_path / "a.traj", "--geometries", "ends")[0] == 0
    assert len(ase.io.read(tmp_path / "a.traj", ":")) == N_TRAJ


def test_folders_of_sharc_have_the_atoms_and_their_velocities(path, tmp_path):
    assert typed("convert", path, tmp_path / "sharc")[0] == 0
    (group,) = read_file(tmp_path / "sharc").groups
    run, molecule = load_trajectories(path), molecule_of_run(path)
    assert (group.name, group.masses) == ("SO2", None)
    np.testing.assert_allclose(
        group.positions[:5], molecule.of_atoms(run).positions[:, 0], rtol=1e-15, atol=1e-15
    )
    veloc = np.loadtxt(tmp_path / "sharc" / "TRAJ_00002" / "veloc")
    kinetic = 0.5 * (molecule.masses[:, None] * veloc**2).sum()
    assert kinetic == pytest.approx(run.kinetic_energy[0, 1], rel=1e-4)


def test_a_model_that_has_changed_or_is_gone_is_said(path, tmp_path):
    potential = tmp_path / "V0.txt"
    text = potential.read_text()
    potential.write_text(text.replace("1.36159121", "1.46159121"))
    code, said = typed("convert", path, tmp_path / "a.xyz")
    assert code == 2 and "its file has been changed since" in said
    potential.unlink()
    code, said = typed("convert", path, tmp_path / "a.xyz")
    assert code == 2 and "must be as it was, because geometries follow from it" in said


def test_coordinates_that_mean_no_molecule_are_still_refused(tmp_path):
    config = {
        "model": {"name": "tully", "variant": 1},
        "initial": {"position_au": -1.0, "momentum_au": 20.0, "n": 1, "state": 0},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 1.0,
        "output": str(tmp_path / "r.h5"),
    }
    nadyn.run(config, progress=False)
    assert molecule_of_run(tmp_path / "r.h5") is None
    code, said = typed("convert", tmp_path / "r.h5", tmp_path / "a.xyz")
    assert code == 2 and "must be of a molecule, but is of generalised coordinates" in said
