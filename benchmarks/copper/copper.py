"""Copper as ASE's EMT has it: labels, and what a potential that learned them says of the crystal.

python copper.py label copper.h5                    300 frames of 32 to 108 atoms, with stress
python copper.py melt liquid.h5                     60 frames of the liquid
nadyn train copper.h5 liquid.h5 --config train.yaml --output copper.safetensors
python copper.py check copper.safetensors           beside the teacher: a0, B, C_ij, phonons, drift
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.eos import EquationOfState
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.phonons import Phonons
from ase.units import GPa

import nadyn
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.units import BOHR_PER_ANGSTROM, EV_PER_ANGSTROM_PER_AU, GIGAPASCAL_PER_AU, HARTREE_PER_EV

A0 = 3.59
# Repetitions of the cubic cell of four atoms; of each so many frames are shaken, and so many from dynamics.
CELLS = {(2, 2, 2): (90, 60), (2, 2, 3): (40, 30), (3, 3, 3): (30, 50)}
TEMPERATURES = (300, 600, 900, 1300, 2000)
LIQUID_CELLS = {(2, 2, 2): 30, (3, 3, 3): 30}
LIQUID_TEMPERATURES = (1300, 1600, 2000)
# Largest strain, and largest root mean square of displacements [Å].
STRAIN, SHAKE = 0.04, 0.125


def label(path: Path) -> None:
    """Write labelled frames, one group a size of cell."""
    generator = np.random.default_rng(1)
    groups = []
    for repeats, (n_shaken, n_md) in CELLS.items():
        found = [_shaken(repeats, generator) for _ in range(n_shaken)]
        for temperature in TEMPERATURES:
            found += _of_dynamics(repeats, temperature, n_md // len(TEMPERATURES), generator)
        groups.append(_group(f"copper-{4 * int(np.prod(repeats))}", found))
    write_dataset(path, Dataset(tuple(groups)))
    print(f"wrote {sum(group.n_frames for group in groups)} frames")


def melt(path: Path) -> None:
    """Write labelled frames of the liquid: molten at 4,000 K, then 100 fs apart at 1,300 to 2,000 K."""
    generator = np.random.default_rng(3)
    groups = []
    for repeats, n_frames in LIQUID_CELLS.items():
        found = []
        for temperature in LIQUID_TEMPERATURES:
            found += _of_the_liquid(repeats, temperature, n_frames // len(LIQUID_TEMPERATURES), generator)
        groups.append(_group(f"copper-{4 * int(np.prod(repeats))}", found))
    write_dataset(path, Dataset(tuple(groups)))
    print(f"wrote {sum(group.n_frames for group in groups)} frames")


def _of_the_liquid(
    repeats: tuple[int, int, int], temperature: float, n_frames: int, generator: np.random.Generator
) -> list[Atoms]:
    """Frames 100 fs apart in a cell 2 to 6 hundredths longer than that of the crystal."""
    atoms = bulk("Cu", cubic=True, a=A0 * (1 + generator.uniform(0.02, 0.06))) * repeats
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=8000, rng=generator)
    frames = []
    for kelvin, steps in ((4000, 300), (temperature, 100 + 20 * n_frames)):
        run = Langevin(atoms, 5 * units.fs, temperature_K=kelvin, friction=0.02 / units.fs, rng=generator)
        for step in range(20, steps + 1, 20):
            run.run(20)
            if kelvin == temperature and step > 100:
                frames.append(atoms.copy())
    return frames


def _shaken(repeats: tuple[int, int, int], generator: np.random.Generator) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=A0) * repeats
    strain = STRAIN * generator.uniform(-1, 1, (3, 3))
    atoms.set_cell(atoms.cell @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
    atoms.positions += generator.random() * SHAKE * generator.standard_normal(atoms.positions.shape)
    return atoms


def _of_dynamics(
    repeats: tuple[int, int, int], temperature: float, n_frames: int, generator: np.random.Generator
) -> list[Atoms]:
    """Frames 100 fs apart, in a cell that is too large or too small by up to two hundredths."""
    atoms = bulk("Cu", cubic=True, a=A0 * (1 + generator.uniform(-0.01, 0.03))) * repeats
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=2 * temperature, rng=generator)
    run = Langevin(atoms, 5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=generator)
    frames = []
    for _ in range(n_frames):
        run.run(20)
        frames.append(atoms.copy())
    return frames


def _group(name: str, frames: list[Atoms]):
    for atoms in frames:
        atoms.calc = EMT()
    stress = np.stack([atoms.get_stress(voigt=False) for atoms in frames]) / GPa / GIGAPASCAL_PER_AU
    return group_from_arrays(
        name,
        atomic_numbers=frames[0].numbers,
        positions=np.stack([atoms.positions for atoms in frames]) * BOHR_PER_ANGSTROM,
        energies=np.array([[atoms.get_potential_energy()] for atoms in frames]) * HARTREE_PER_EV,
        forces=np.stack([atoms.get_forces() for atoms in frames])[:, None] / EV_PER_ANGSTROM_PER_AU,
        cell=np.stack([np.array(atoms.cell) for atoms in frames]) * BOHR_PER_ANGSTROM,
        pbc=np.ones(3, dtype=bool),
        stress=stress[:, None],
        multiplicities=(1,),
        theory="EMT of ASE",
        source="benchmarks/copper",
        licence="MIT",
    )


def check(path: Path) -> None:
    """Print properties of the teacher and of the model."""
    model = nadyn.load_model(path)
    teacher, learned = _properties(EMT), _properties(lambda: nadyn.ase_calculator(model))
    print(f"{'':14} {'EMT':>10} {'learned':>10} {'off by':>8}")
    for name, value in teacher.items():
        off = learned[name] / value - 1
        print(f"{name:14} {value:10.4f} {learned[name]:10.4f} {100 * off:7.2f} %")
    b = learned["B_eos_GPa"] / ((learned["C11_GPa"] + 2 * learned["C12_GPa"]) / 3) - 1
    print(f"B of the equation of state beside (C11 + 2 C12)/3 of the model: {100 * b:+.2f} %")
    print(f"drift of the total energy, 108 atoms at 300 K: {_drift(model):.1e} eV/atom/ps")


def _properties(calculator) -> dict[str, float]:
    volumes, energies = [], []
    for scale in np.linspace(0.98, 1.02, 9):
        atoms = bulk("Cu", a=A0 * scale)
        atoms.calc = calculator()
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
    volume, _, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    a0 = float((4 * volume) ** (1 / 3))
    found = {"a0_A": a0, "B_eos_GPa": modulus / GPa} | _elastic(calculator, a0)
    return found | _phonons(calculator, a0)


def _elastic(calculator, a0: float) -> dict[str, float]:
    """C_ij by central differences of the stress in a strain of the primitive cell."""

    def stress(strain: np.ndarray) -> np.ndarray:
        atoms = bulk("Cu", a=a0)
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.calc = calculator()
        return atoms.get_stress(voigt=False) / GPa

    step = 2e-3
    along, shear = np.zeros((3, 3)), np.zeros((3, 3))
    along[0, 0] = step
    shear[0, 1] = shear[1, 0] = 0.5 * step
    stretched = (stress(along) - stress(-along)) / (2 * step)
    sheared = (stress(shear) - stress(-shear)) / (2 * step)
    return {
        "C11_GPa": stretched[0, 0],
        "C12_GPa": 0.5 * (stretched[1, 1] + stretched[2, 2]),
        "C44_GPa": sheared[0, 1],
    }


def _phonons(calculator, a0: float) -> dict[str, float]:
    """Frequencies at X and L [THz], from displacements of 0.01 Å in 5×5×5 primitive cells."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        phonons = Phonons(bulk("Cu", a=a0), calculator(), supercell=(5, 5, 5), delta=0.01, name=f"{folder}/p")
        phonons.run()
        phonons.read(acoustic=True)
    points = bulk("Cu", a=a0).cell.bandpath(npoints=0).special_points
    bands = phonons.band_structure([points["X"], points["L"]]) / (units._hplanck * 1e12 * units.J)
    return {"X_T_THz": bands[0, 0], "X_L_THz": bands[0, 2], "L_T_THz": bands[1, 0], "L_L_THz": bands[1, 2]}


def _drift(model) -> float:
    """Slope of the total energy over 2 ps of Verlet with 2 fs."""
    atoms = bulk("Cu", cubic=True, a=A0) * (3, 3, 3)
    atoms.calc = nadyn.ase_calculator(model)
    MaxwellBoltzmannDistribution(atoms, temperature_K=600, rng=np.random.default_rng(2))
    run = VelocityVerlet(atoms, 2 * units.fs)
    energies = []
    for _ in range(100):
        run.run(10)
        energies.append(atoms.get_total_energy() / len(atoms))
    return float(np.polyfit(0.02 * np.arange(100), energies, 1)[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["label", "melt", "check"])
    parser.add_argument("path", type=Path)
    arguments = parser.parse_args()
    {"label": label, "melt": melt, "check": check}[arguments.what](arguments.path)
