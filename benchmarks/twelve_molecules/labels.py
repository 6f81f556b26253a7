"""Labels of GFN2-xTB for twelve molecules of C, H, N and O, as datasets of nadyn; seconds a molecule.

    python benchmarks/twelve_molecules/labels.py      writes molecules.h5, judged.h5 and hot.h5 here

Geometries are drawn from the harmonic vibrations about a structure, as classical oscillators at 500 K: frames
are independent of each other, so that those which judge are no neighbours of those which teach. `hot.h5` has
the same at 2,000 K.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.build import molecule
from scipy.optimize import minimize
from tblite.interface import Calculator

from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.dynamics.initial.normal_modes import vibrations
from nadyn.structures import masses
from nadyn.units import BOHR_PER_ANGSTROM, HARTREE_PER_INVERSE_CM, HARTREE_PER_KELVIN

HERE = Path(__file__).parent
THEORY = "GFN2-xTB"
# Our name of each, and that of its structure in ASE's collection g2.
MOLECULES = {
    "methanol": "CH3OH",
    "ethanol": "CH3CH2OH",
    "methoxyethane": "CH3CH2OCH3",
    "ethylamine": "CH3CH2NH2",
    "acetaldehyde": "CH3CHO",
    "acetone": "CH3COCH3",
    "acetamide": "CH3CONH2",
    "acetic_acid": "CH3COOH",
    "propene": "C3H6_Cs",
    "acetonitrile": "CH3CN",
    "pyrrole": "C4H4NH",
    "furan": "C4H4O",
}
# File, temperature [K], frames a molecule.
FILES = (("molecules.h5", 500.0, 200), ("judged.h5", 500.0, 50), ("hot.h5", 2000.0, 20))
# Softer modes are moved as far as one of this frequency: a methyl group does not turn along a straight line.
SOFTEST = 200.0 * HARTREE_PER_INVERSE_CM
STEP_BOHR = 0.01


def label(numbers: np.ndarray, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Return energy [hartree] and forces [hartree/bohr] at positions [bohr]."""
    calculator = Calculator(THEORY, numbers, positions)
    calculator.set("verbosity", 0)
    calculator.set("accuracy", 0.01)
    found = calculator.singlepoint()
    return found.get("energy"), -np.array(found.get("gradient"))


@dataclass(frozen=True)
class Oscillators:
    """A molecule and its harmonic vibrations.

    Attributes:
        numbers: Atomic numbers.
        centre: Geometry at which no force acts [bohr].
        frequencies: Of the vibrations, softer ones as `SOFTEST` [hartree].
        moves: Of the atoms by one unit of each oscillator [bohr].
    """

    numbers: np.ndarray
    centre: np.ndarray
    frequencies: np.ndarray
    moves: np.ndarray


def oscillators(name: str) -> Oscillators:
    """Return the vibrations about the structure of GFN2-xTB that is next to that of g2.

    A methyl group of acetone stands at the top of its small barrier there: its motion counts as a soft one.
    """
    atoms = molecule(MOLECULES[name])
    numbers, start = atoms.numbers, atoms.positions * BOHR_PER_ANGSTROM

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        energy, forces = label(numbers, flat.reshape(start.shape))
        return energy, -forces.ravel()

    minimum = minimize(value, start.ravel(), jac=True, method="BFGS", options={"gtol": 3e-5}).x
    rows = []
    for move in np.eye(minimum.size) * STEP_BOHR:
        rows.append((value(minimum + move)[1] - value(minimum - move)[1]) / (2 * STEP_BOHR))
    hessian = 0.5 * (np.array(rows) + np.array(rows).T)
    centre, weights = minimum.reshape(start.shape), masses(tuple(map(int, numbers)))
    squares, vectors = vibrations(hessian, centre, weights, laws=frozenset({"translation", "rotation"}))
    frequencies = np.maximum(np.sqrt(np.abs(squares)), SOFTEST)
    return Oscillators(numbers, centre, frequencies, vectors / np.sqrt(weights)[:, None])


def drawn(of: Oscillators, temperature: float, n_frames: int, generator: np.random.Generator) -> np.ndarray:
    """Return geometries [bohr] of classical oscillators: q has the variance kT/ω²."""
    widths = np.sqrt(HARTREE_PER_KELVIN * temperature) / of.frequencies
    amplitudes = generator.normal(size=(n_frames, len(widths))) * widths
    return of.centre + np.einsum("fm,mnx->fnx", amplitudes, of.moves)


def main() -> None:
    """Label everything and write the files."""
    files = {path: [] for path, _, _ in FILES}
    for number, name in enumerate(MOLECULES):
        found = oscillators(name)
        for seed, (path, temperature, n_frames) in enumerate(FILES):
            frames = drawn(found, temperature, n_frames, np.random.default_rng((number, seed)))
            energies, forces = zip(*(label(found.numbers, frame) for frame in frames), strict=True)
            made = group_from_arrays(
                name,
                atomic_numbers=found.numbers,
                positions=frames,
                energies=np.array(energies)[:, None],
                forces=np.array(forces)[:, None],
                charge=0,
                multiplicities=[1],
                theory=THEORY,
                source="tblite, benchmarks/twelve_molecules/labels.py",
                licence="CC0-1.0",
                note=f"normal modes at {temperature:g} K",
            )
            files[path].append(made)
        print(name, flush=True)
    for path, groups in files.items():
        write_dataset(HERE / path, Dataset(tuple(groups)), overwrite=True)


if __name__ == "__main__":
    main()
