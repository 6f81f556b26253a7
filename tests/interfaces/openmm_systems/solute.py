"""Four atoms with a force field of every kind among eight others, in OpenMM."""

import numpy as np
import openmm
from contracts.models import MODELS

from nadyn.units import ANGSTROM_PER_BOHR

# The atoms of the model, in its order, are somewhere among the others.
PARTICLES = (2, 5, 3, 9)
ELEMENTS = ["Ar"] * 12
for _index, _name in zip(PARTICLES, "NHHF", strict=True):
    ELEMENTS[_index] = _name
BOX = 2.4


def places(seed: int = 0) -> np.ndarray:
    """Return positions [nm]: the solute in the middle, the others on a ring around it."""
    rng = np.random.default_rng(seed)
    result = np.zeros((12, 3))
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.stack([0.62 * np.cos(angles), 0.62 * np.sin(angles), 0.2 * np.cos(2 * angles)], axis=1)
    others = [index for index in range(12) if index not in PARTICLES]
    result[others] = ring + rng.uniform(-0.03, 0.03, ring.shape)
    own = MODELS["springs"].positions(1)[0].numpy() * ANGSTROM_PER_BOHR * 0.1
    result[list(PARTICLES)] = own - own.mean(axis=0) + rng.uniform(-0.004, 0.004, own.shape)
    return result + BOX / 2


def force_field(kinds: tuple[int, ...] = tuple(range(12)), *, periodic: bool = False) -> openmm.System:
    """Return a system of some of the twelve; bonds, angles and a torsion are those of the solute."""
    system = openmm.System()
    pairs = openmm.NonbondedForce()
    rng = np.random.default_rng(7)
    charges, sizes = rng.uniform(-0.5, 0.5, 12), rng.uniform(0.2, 0.3, 12)
    charges -= charges.mean()
    for kind in kinds:
        system.addParticle(14.0 + kind)
        pairs.addParticle(charges[kind], sizes[kind], 0.4)
    if periodic:
        system.setDefaultPeriodicBoxVectors(*(np.eye(3) * BOX))
        pairs.setNonbondedMethod(openmm.NonbondedForce.PME)
        pairs.setCutoffDistance(1.0)
        pairs.setEwaldErrorTolerance(1e-6)
        pairs.setUseDispersionCorrection(False)
    own = [kinds.index(particle) for particle in PARTICLES if particle in kinds]
    system.addForce(pairs)
    if len(own) == 4:
        n, h, i, f = own
        bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
        torsions, others = openmm.PeriodicTorsionForce(), openmm.RBTorsionForce()
        for one in (h, i, f):
            bonds.addBond(n, one, 0.11, 2e4)
            pairs.addException(n, one, 0.0, 1.0, 0.0)
        angles.addAngle(h, n, i, 1.9, 300.0)
        angles.addAngle(h, n, f, 1.9, 300.0)
        torsions.addTorsion(h, n, i, f, 2, 0.3, 7.0)
        others.addTorsion(h, n, i, f, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
        for force in (bonds, angles, torsions, others):
            system.addForce(force)
    return system


def context(system: openmm.System, where: np.ndarray) -> openmm.Context:
    """Return a context in double precision at positions [nm]."""
    platform = openmm.Platform.getPlatformByName("Reference")
    found = openmm.Context(system, openmm.VerletIntegrator(0.0005), platform)
    found.setPositions(where)
    return found


def energy(of: openmm.Context, where: np.ndarray | None = None) -> float:
    """Return the potential energy [kJ/mol], perhaps at other positions."""
    if where is not None:
        of.setPositions(where)
    return of.getState(energy=True).getPotentialEnergy()._value


def forces(of: openmm.Context) -> np.ndarray:
    """Return forces [kJ/mol/nm]."""
    return np.array(of.getState(forces=True).getForces(asNumpy=True)._value)
