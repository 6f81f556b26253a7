"""Labels of GFN1-xTB for ions and hydrogen-bonded dimers at all distances, as datasets of nadyn.

    python benchmarks/long_range/labels.py            writes ions.h5 and dimers.h5 beside this file
    python benchmarks/long_range/labels.py split      writes train.h5 and unseen.h5 of the dimers here

GFN1-xTB has charges of atoms as its only electrostatics and D3(BJ) as its dispersion, so that what it says at
long range is what the terms of nadyn can say. It shares out the charge of many pairs of opposite ions at any
distance; only pairs whose charges stay whole to 0.02 e are taken, which is checked.
"""

import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_numbers, vdw_radii
from tblite.interface import Calculator

from nadyn.data import Dataset
from nadyn.data.dataset_file import load_dataset, write_dataset
from nadyn.data.validation import group_from_arrays
from nadyn.units import BOHR_PER_ANGSTROM

HERE = Path(__file__).parent
THEORY = "GFN1-xTB"
WHOLE = 0.02
IONS = {"Na": 1, "K": 1, "Cl": -1, "F": -1}
ION_PAIRS = [("Na", "K"), ("Na", "Na"), ("K", "K"), ("Cl", "F"), ("Cl", "Cl"), ("F", "F")]
MOLECULES = ("H2O", "NH3", "CH3OH", "HF")
# Pairs that are not trained on. Nitrogen meets carbon in the first one only.
UNSEEN = ("NH3_CH3OH", "H2O_HF")


def label(numbers: np.ndarray, positions: np.ndarray, charge: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return energy [hartree], forces [hartree/bohr] and charges [e] at positions [bohr]."""
    calculator = Calculator(THEORY, numbers, positions, charge=charge)
    calculator.set("verbosity", 0)
    calculator.set("accuracy", 0.001)
    found = calculator.singlepoint()
    return found.get("energy"), -np.array(found.get("gradient")), np.array(found.get("charges"))


def group(name: str, numbers: np.ndarray, frames: list[np.ndarray], charge: int) -> object:
    """Return a group of labelled frames, positions in angstrom."""
    positions = np.array(frames) * BOHR_PER_ANGSTROM
    rows = [label(numbers, frame, charge) for frame in positions]
    energies, forces, charges = (np.array(column) for column in zip(*rows, strict=True))
    return group_from_arrays(
        name,
        atomic_numbers=numbers,
        positions=positions,
        energies=energies[:, None],
        forces=forces[:, None],
        charges=charges,
        charge=charge,
        multiplicities=[1],
        theory=THEORY,
        source="tblite, benchmarks/long_range/labels.py",
        licence="CC0-1.0",
    )


def ions() -> Dataset:
    """Return each ion alone and pairs of like charge from 3.5 to 40 angstrom."""
    groups = [
        group(f"{name}_alone", np.array([atomic_numbers[name]]), [np.zeros((1, 3))], charge)
        for name, charge in IONS.items()
    ]
    for first, second in ION_PAIRS:
        distances = np.concatenate([np.linspace(3.5, 8.0, 19), np.linspace(9.0, 40.0, 13)])
        frames = [np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]]) for distance in distances]
        numbers = np.array([atomic_numbers[first], atomic_numbers[second]])
        made = group(f"{first}_{second}", numbers, frames, IONS[first] + IONS[second])
        whole = [IONS[first], IONS[second]]
        assert np.abs(made.charges - whole).max() < WHOLE, (first, second, made.charges)
        groups.append(made)
    return Dataset(tuple(groups))


def _turned(atoms: Atoms, rng: np.random.Generator, size: float) -> Atoms:
    moved = atoms.copy()
    moved.positions += rng.normal(scale=size, size=moved.positions.shape)
    axis = rng.normal(size=3)
    moved.rotate(rng.uniform(0.0, 360.0), axis, center="COM")
    return moved


def _closest(first: Atoms, second: Atoms) -> float:
    """Return the shortest distance in units of the sum of both van der Waals radii."""
    distances = np.linalg.norm(first.positions[:, None] - second.positions[None], axis=-1)
    radii = vdw_radii[first.numbers][:, None] + vdw_radii[second.numbers]
    return float((distances / radii).min())


def dimers() -> Dataset:
    """Return molecules alone, and all pairs of them in many orientations from contact to 15 angstrom."""
    rng = np.random.default_rng(11)
    single = {name: molecule(name) for name in MOLECULES}
    groups = []
    for name, atoms in single.items():
        frames = [_turned(atoms, rng, 0.03).positions for _ in range(60)]
        groups.append(group(f"{name}_alone", atoms.numbers, frames, 0))
    for number, first in enumerate(MOLECULES):
        for second in MOLECULES[number:]:
            frames = []
            while len(frames) < 150:
                one, two = _turned(single[first], rng, 0.03), _turned(single[second], rng, 0.03)
                direction = rng.normal(size=3)
                gap = 0.68 + 5.0 * rng.random() ** 3
                while _closest(one, two) < gap:
                    two.positions += 0.05 * direction / np.linalg.norm(direction)
                frames.append(np.concatenate([one.positions, two.positions]))
            numbers = np.concatenate([single[first].numbers, single[second].numbers])
            groups.append(group(f"{first}_{second}", numbers, frames, 0))
            print(groups[-1].name, flush=True)
    return Dataset(tuple(groups))


def split() -> None:
    """Write the dimers that are trained on, with all molecules alone, and those that are not."""
    groups = load_dataset(HERE / "dimers.h5").groups
    for path, is_unseen in (("train.h5", False), ("unseen.h5", True)):
        chosen = tuple(group for group in groups if (group.name in UNSEEN) == is_unseen)
        write_dataset(path, Dataset(chosen), overwrite=True)


if __name__ == "__main__" and "split" in sys.argv:
    split()
elif __name__ == "__main__":
    write_dataset(HERE / "ions.h5", ions(), overwrite=True)
    write_dataset(HERE / "dimers.h5", dimers(), overwrite=True)
