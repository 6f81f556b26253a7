"""Runs of a periodic structure: bits after a resumption, cells and stress in the file, what is refused."""

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from contracts.untrained import untrained

from nadyn.analysis.summary import analyse
from nadyn.checks.configuration import parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.run import loop as runner
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.stress import strained_surface
from nadyn.interfaces.ase_trajectories import to_ase
from nadyn.trajectory import digest, open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.trajectory.writers.chosen import geometries
from nadyn.trajectory.writers.xyz import write_geometries
from nadyn.units import ANGSTROM_PER_BOHR, KELVIN_PER_HARTREE

NUMBERS = (9, 1, 6, 1, 7)
CELL = np.array([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]])
PLACES = np.array([[0.1, 0.2, -0.1], [3.0, 2.6, 0.4], [1.1, 0.9, 3.2], [4.4, 4.0, 4.1], [2.9, -0.2, 4.6]])
RESCALED = {"name": "velocity_rescaling", "temperature_kelvin": 300, "relaxation_fs": 20}
FULL = {"pressure_gpa": 1, "relaxation_ps": 0.05, "compressibility_per_gpa": 0.01, "cell": "full"}

pytestmark = pytest.mark.usefixtures("unchecked_annotations")


@pytest.fixture(scope="module")
def model():
    return untrained("moments", None, cutoff=5.0)


@pytest.fixture
def structure(tmp_path):
    path = tmp_path / "start.extxyz"
    cell, places = (array * ANGSTROM_PER_BOHR for array in (CELL, PLACES))
    Atoms(NUMBERS, positions=places, cell=cell, pbc=True).write(path)
    return str(path)


def config(structure, output, **keys):
    content = {
        "initial": {"structure": structure, "temperature_kelvin": 300, "n": 2},
        "method": "npt",
        "thermostat": RESCALED,
        "barostat": FULL,
        "dt_fs": 0.5,
        "time_fs": 6,
        "write_every": 2,
        "checkpoint_every": 3,
        "max_energy_step_ev": 100,
        "output": str(output),
    }
    content = {key: value for key, value in {**content, **keys}.items() if value is not None}
    return parse_configuration(content, RunConfiguration, where="test")


class _Stop(Exception):
    """What ends a run in the middle of this test."""


@pytest.mark.parametrize(
    "keys",
    [
        {},
        pytest.param(
            {"barostat": {**FULL, "cell": "isotropic"}, "thermostat": {"temperature_kelvin": 300}},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {
                "barostat": {**FULL, "cell": "isotropic"},
                "thermostat": {"name": "nose_hoover", "temperature_kelvin": 300},
            },
            marks=pytest.mark.slow,
        ),
        pytest.param({"method": "nvt", "barostat": None}, marks=pytest.mark.slow),
        pytest.param({"method": "nve", "barostat": None, "thermostat": None}, marks=pytest.mark.slow),
    ],
    ids=["full", "langevin", "nose_hoover", "nvt", "nve"],
)
def test_a_resumed_run_equals_an_undisturbed_one(keys, structure, model, tmp_path, monkeypatch):
    """Its lists of neighbours were made at other times; no bit of it depends on that."""
    one, two = (config(structure, tmp_path / f"{name}.h5", **keys) for name in ("one", "two"))
    runner.run(one, model=model, progress=False)
    judge = runner.statuses

    def fail(old, step, model, limits):
        if step.state.step == 8:
            raise _Stop
        return judge(old, step, model, limits)

    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(runner, "statuses", fail)
        runner.run(two, model=model, progress=False)
    result = runner.run(two, model=model, resume=True, progress=False)
    assert result.n_finished == 2
    assert digest(one.output) == digest(two.output)


def test_the_file_holds_cells_and_the_stress_in_them(structure, model, tmp_path):
    runner.run(config(structure, tmp_path / "run.h5"), model=model, progress=False)
    run = open_run(tmp_path / "run.h5")
    cells, stress = np.array(run.cell), np.array(run.stress)
    np.testing.assert_allclose(cells[0], np.broadcast_to(CELL, (2, 3, 3)), atol=1e-6)
    # Each has gone its own way.
    assert np.abs(cells[-1, 0] - cells[-1, 1]).max() > 1e-4
    bound = model.for_atoms(NUMBERS, cell=torch.from_numpy(CELL), pbc=(True, True, True))
    for frame in (1, 3):
        found = strained_surface(
            bound,
            torch.from_numpy(np.array(run.positions[frame])),
            torch.tensor([0, 0]),
            cells=torch.from_numpy(cells[frame]),
        )
        np.testing.assert_array_equal(found.stress, stress[frame])
        np.testing.assert_array_equal(found.energies, run.energies[frame])


def test_the_numbers_of_a_run_are_those_of_its_frames(structure, model, tmp_path):
    keys = {"method": "nvt", "barostat": None, "time_fs": 24}
    result = runner.run(config(structure, tmp_path / "run.h5", **keys), model=model, progress=False)
    assert result.n_finished == 2
    run, numbers = open_run(tmp_path / "run.h5"), analyse(tmp_path / "run.h5", after_fs=4.0)["bulk"]
    volume = abs(np.linalg.det(CELL * ANGSTROM_PER_BOHR))
    assert numbers["volume_angstrom3"] == {"mean": pytest.approx(volume, rel=1e-6), "error": 0.0}
    # F, C, N and two H, of the most abundant isotopes.
    mass = 18.998403 + 12.0 + 14.003074 + 2 * 1.007825
    density = mass / 6.02214076e23 / (volume * 1e-24)
    assert numbers["density_g_per_cm3"]["mean"] == pytest.approx(density, rel=1e-6)
    kinetic = np.asarray(run.kinetic_energy)[4:]
    kelvin = 2 * kinetic.mean() * KELVIN_PER_HARTREE / (3 * 5 - 3)
    assert numbers["temperature_kelvin"]["mean"] == pytest.approx(kelvin, rel=1e-9)
    stress = np.trace(np.asarray(run.stress)[4:], axis1=2, axis2=3) / 3
    pressure = 2 * kinetic / (3 * abs(np.linalg.det(CELL))) - stress
    assert numbers["pressure_gpa"]["mean"] == pytest.approx(pressure.mean() * 29421.0157, rel=1e-6)
    assert numbers["pressure_gpa"]["error"] > 0
    # Too short to be cut into stretches.
    assert "diffusion" not in numbers


def test_copies_of_a_structure_start_with_other_momenta_of_one_temperature(structure, model, tmp_path):
    initial = {"structure": structure, "repeat": [3, 2, 1], "temperature_kelvin": 500, "n": 7}
    made = config(structure, tmp_path / "run.h5", initial=initial, time_fs=0.5, write_every=1)
    runner.run(made, model=model, progress=False)
    run = open_run(tmp_path / "run.h5")
    assert run.positions.shape == (2, 7, 30, 3)
    np.testing.assert_allclose(run.cell[0, 0], CELL * np.array([[3], [2], [1]]), atol=1e-6)
    momenta = np.array(run.momenta[0])
    assert np.abs(momenta.sum(axis=1)).max() < 1e-9
    kelvin = 2 * np.array(run.kinetic_energy[0]) * KELVIN_PER_HARTREE / (3 * 30 - 3)
    assert abs(kelvin.mean() - 500) < 3 * 500 * (2 / (87 * 7)) ** 0.5
    assert kelvin.std() > 10


def test_momenta_of_the_file_are_kept_where_no_temperature_is_named(model, tmp_path):
    cell, places = (array * ANGSTROM_PER_BOHR for array in (CELL, PLACES))
    atoms = Atoms(NUMBERS, positions=places, cell=cell, pbc=True)
    velocities = np.random.default_rng(1).normal(size=(5, 3))
    atoms.set_velocities(velocities)
    atoms.write(tmp_path / "moving.extxyz")
    initial = {"structure": str(tmp_path / "moving.extxyz"), "n": 1}
    made = config(None, tmp_path / "run.h5", initial=initial, time_fs=0.5, write_every=1)
    runner.run(made, model=model, progress=False)
    run = open_run(tmp_path / "run.h5")
    # ASE's unit of time is Å sqrt(u/eV), 10.1805 fs.
    expected = velocities / 10.180505 / ANGSTROM_PER_BOHR * 0.0241888433
    np.testing.assert_allclose(run.momenta[0, 0] / run.masses[:, None], expected, rtol=1e-6)


def test_starts_of_a_file_bring_their_cell_with_them(model, structure, tmp_path):
    """The model is bound to no cell: without that of the file there would be none."""
    keys = {"method": "nve", "barostat": None, "thermostat": None, "time_fs": 1}
    runner.run(config(structure, tmp_path / "one.h5", **keys), model=model, progress=False)
    one = open_run(tmp_path / "one.h5")
    starts = InitialConditions(
        positions=np.array(one.positions[0]),
        momenta=np.array(one.momenta[0]),
        weight=np.ones(2),
        masses=one.masses,
        atomic_numbers=one.atomic_numbers,
        state=0,
        diabatic_state=None,
        origin="by hand",
        temperature_kelvin=None,
        cell=np.array(one.cell[0, 0]),
        pbc=(True, True, True),
    )
    write_initial_conditions(tmp_path / "i.h5", starts)
    two = config(structure, tmp_path / "two.h5", **keys, initial={"file": str(tmp_path / "i.h5")})
    runner.run(two, model=model, progress=False)
    for name in ("positions", "energies", "cell"):
        here, there = (np.array(getattr(run, name)) for run in (one, open_run(two.output)))
        np.testing.assert_array_equal(here, there)


def test_what_constant_pressure_cannot_do_is_refused(structure, model, tmp_path):
    output = tmp_path / "run.h5"
    for keys, sentence in (
        ({"barostat": None}, "`barostat` must be given for method npt"),
        ({"thermostat": None}, "`thermostat` must be given for method npt"),
        ({"method": "nvt"}, "`barostat` must be left out for method nvt"),
        ({"initial": {"structure": structure, "n": 1, "repeat": [0, 1, 1]}}, "repeat"),
    ):
        with pytest.raises(InputError, match=sentence):
            runner.run(config(structure, output, **keys), model=model, progress=False)
    isolated = str(tmp_path / "isolated.xyz")
    Atoms(NUMBERS, positions=PLACES).write(isolated)
    for initial, sentence in (
        ({"structure": isolated, "n": 1}, "periodic in all directions"),
        ({"structure": isolated, "n": 1, "repeat": [2, 1, 1]}, "`initial.repeat` must be 1"),
        ({"structure": str(tmp_path / "none.cif"), "n": 1}, "must exist"),
    ):
        with pytest.raises(InputError, match=sentence):
            runner.run(config(structure, output, initial=initial), model=model, progress=False)
    assert not output.exists()


def test_a_run_goes_on_in_the_cell_that_it_has_ended_in(model, structure, tmp_path):
    first, second, bad = (str(tmp_path / name) for name in ("first.h5", "second.h5", "bad.h5"))
    runner.run(config(structure, first), model=model, progress=False)
    production = {"method": "nve", "barostat": None, "thermostat": None}
    start = {"run": first, "n": 1}
    runner.run(config(structure, second, initial=start, **production), model=model, progress=False)
    before, after = open_run(first), open_run(second)
    assert np.abs(np.asarray(before.cell[-1][0]) - CELL).max() > 1e-3
    for name in ("cell", "stress", "positions", "energies"):
        np.testing.assert_allclose(getattr(after, name)[0][0], getattr(before, name)[-1][0], rtol=1e-12)
    written = geometries(first, "ends", [1])
    write_geometries(tmp_path / "end.xyz", written, before.atomic_numbers)
    for atoms in (ase.io.read(tmp_path / "end.xyz"), to_ase(first, kind="ends")[1]):
        np.testing.assert_allclose(np.array(atoms.cell) / ANGSTROM_PER_BOHR, before.cell[-1][1], rtol=1e-12)
        assert atoms.pbc.all()
    with pytest.raises(InputError, match="must have ended in one cell"):
        runner.run(config(structure, bad, initial={"run": first}, **production), model=model, progress=False)
