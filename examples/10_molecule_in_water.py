"""An excited molecule in a box of water: nadyn hops between its states, OpenMM gives the forces of the water.

    python examples/10_molecule_in_water.py [--waters 216] [--time-fs 20] [--dt-fs 0.25] [--output water]
    python examples/10_molecule_in_water.py --model charged/ammonia.safetensors

Ammonia on the shipped model, TIP3P water with flexible bonds, particle mesh Ewald. Mechanical embedding: the
water feels fixed charges of ammonia, the same in both states. With a model that has charges, the water feels
these (electrostatic embedding). Needs `pip install "nadyn[openmm]"`.
"""

import argparse
from io import StringIO
from pathlib import Path

import numpy as np

import nadyn
from nadyn.interfaces.openmm import in_surroundings
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import ANGSTROM_PER_BOHR, FEMTOSECOND_PER_AU, HARTREE_PER_KELVIN

# What the water sees of ammonia: charges and Lennard-Jones parameters, and no terms within it.
AMMONIA = """
<ForceField>
 <AtomTypes>
  <Type name="ammonia-N" class="NN" element="N" mass="14.003074"/>
  <Type name="ammonia-H" class="NH" element="H" mass="1.007825"/>
 </AtomTypes>
 <Residues>
  <Residue name="NH3">
   <Atom name="N" type="ammonia-N"/><Atom name="H1" type="ammonia-H"/>
   <Atom name="H2" type="ammonia-H"/><Atom name="H3" type="ammonia-H"/>
   <Bond from="0" to="1"/><Bond from="0" to="2"/><Bond from="0" to="3"/>
  </Residue>
 </Residues>
 <NonbondedForce coulomb14scale="0.833333" lj14scale="0.5">
  <Atom type="ammonia-N" charge="-1.026" sigma="0.342" epsilon="0.71"/>
  <Atom type="ammonia-H" charge="0.342" sigma="0.1" epsilon="0.01"/>
 </NonbondedForce>
</ForceField>
"""


def box_of_water(model, n_waters: int):
    """Return OpenMM's topology, system and positions [nm] of the molecule, first, in water at 300 K."""
    import openmm
    from openmm import app, unit

    order = sorted(range(4), key=lambda index: -model.atomic_numbers[index])
    topology = app.Topology()
    residue = topology.addResidue("NH3", topology.addChain())
    atoms = [
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("N", "H1", "H2", "H3")
    ]
    for hydrogen in atoms[1:]:
        topology.addBond(atoms[0], hydrogen)
    places = model.starting_geometry.double().numpy()[order] * ANGSTROM_PER_BOHR / 10
    field = app.ForceField("tip3p.xml", StringIO(AMMONIA))
    modeller = app.Modeller(topology, places * unit.nanometer)
    modeller.addSolvent(field, model="tip3p", numAdded=n_waters)
    length = modeller.topology.getUnitCellDimensions()[0]._value
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=min(0.8, 0.49 * length),
        # What ends abruptly, and a coarse mesh, would cost more energy than the step.
        switchDistance=min(0.7, 0.4 * length),
        ewaldErrorTolerance=1e-5,
        constraints=None,
        rigidWater=False,
    )
    # The water comes to rest around the molecule, which stays as it is, and is warmed up.
    frozen = openmm.XmlSerializer.clone(system)
    for index in range(4):
        frozen.setParticleMass(index, 0.0)
    integrator = openmm.LangevinMiddleIntegrator(300, 20.0, 0.0005)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(frozen, integrator)
    context.setPositions(modeller.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=200)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(400)
    now = context.getState(positions=True, velocities=True)
    found = now.getPositions(asNumpy=True), now.getVelocities(asNumpy=True)
    return modeller.topology, system, order, *(np.array(one._value) for one in found)


def main() -> None:
    """Make the box, excite the molecule, run, print what became of the energy and the states."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waters", type=int, default=216)
    parser.add_argument("--time-fs", type=float, default=20.0)
    parser.add_argument("--dt-fs", type=float, default=0.25)
    parser.add_argument("--model", type=Path, help="of ammonia, with charges")
    parser.add_argument("--output", type=Path, default=Path("water"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    ammonia = nadyn.load_model(options.model or nadyn.shipped.path("ammonia/ammonia.safetensors"))
    topology, system, order, positions, velocities = box_of_water(ammonia, options.waters)
    elements = [atom.element.symbol for atom in topology.atoms()]
    # The model sees its atoms in its own order.
    particles = np.argsort(order).tolist()
    embedding = "electrostatic" if options.model else "mechanical"
    model = in_surroundings(ammonia, system, particles, elements, embedding=embedding)

    masses = model.masses.numpy()
    # From nm/ps.
    momenta = velocities * 0.01 / ANGSTROM_PER_BOHR * FEMTOSECOND_PER_AU * masses[:, None]
    momenta[:4] = np.random.default_rng(1).normal(size=(4, 3)) * np.sqrt(
        masses[:4, None] * 300 * HARTREE_PER_KELVIN
    )
    start = InitialConditions(
        positions=positions[None] * 10 / ANGSTROM_PER_BOHR,
        momenta=momenta[None],
        weight=np.ones(1),
        masses=masses,
        atomic_numbers=np.array(model.atomic_numbers),
        state=1,
        diabatic_state=None,
        origin="ammonia in water at 300 K",
        temperature_kelvin=300.0,
    )
    write_initial_conditions(options.output / "initial.h5", start)
    nadyn.run(
        {
            "initial": {"file": str(options.output / "initial.h5")},
            "method": "fssh",
            "decoherence": {"name": "edc", "damps": "populations"},
            "rescale": "nac",
            "dt_fs": options.dt_fs,
            "time_fs": options.time_fs,
            "seed": 1,
            "output": str(options.output / "run.h5"),
        },
        model=model,
        overwrite=True,
        progress=False,
    )
    run = nadyn.load_trajectories(options.output / "run.h5")
    print(f"{len(elements)} atoms, {run.time_fs[-1]:g} fs, ended: {run.status[0]}")
    print(f"state {run.active_state[0, 0]} -> {run.active_state[-1, 0]}")
    print(f"largest error of the total energy: {27211.386 * run.energy_error_max[0]:.2f} meV")


if __name__ == "__main__":
    main()
