"""What a model trained on ions or dimers says at long range, beside GFN1-xTB and what is exact.

python benchmarks/long_range/check.py ions ions.safetensors
python benchmarks/long_range/check.py dimers dimers.safetensors unseen.h5
"""

import sys
from pathlib import Path

import numpy as np
import torch

from nadyn.data.dataset_file import load_dataset
from nadyn.models.learned import LearnedModel
from nadyn.models.model_file import load_model
from nadyn.models.placement import Placement
from nadyn.models.terms.electrostatics import energy_of_placement
from nadyn.structures import symbol
from nadyn.units import BOHR_PER_ANGSTROM, KCAL_PER_MOL_PER_HARTREE

IONS = {11: 1, 19: 1, 17: -1, 9: -1}
PAIRS = [(11, 19), (11, 11), (19, 19), (9, 17), (17, 17), (9, 9), (11, 17), (19, 9)]
DISTANCES = np.linspace(15.0, 40.0, 26)
FAR = 50.0


def energies(model: LearnedModel, numbers: tuple[int, ...], positions: np.ndarray) -> np.ndarray:
    """Return energies [hartree] at positions [bohr]."""
    with torch.no_grad():
        found = model.for_atoms(numbers).evaluate(torch.from_numpy(positions))
    return found.hamiltonian[:, 0, 0].numpy()


def of_charges(model: LearnedModel, numbers: tuple[int, ...], positions: np.ndarray) -> np.ndarray:
    """Return the energy of the model's own charges [hartree]."""
    with torch.no_grad():
        charges = model.for_atoms(numbers).evaluate(torch.from_numpy(positions)).charges
        place = Placement(torch.from_numpy(positions), numbers)
        return energy_of_placement(charges, place, model.potential.settings.electrostatics.width).numpy()


def pair_at(distances: np.ndarray) -> np.ndarray:
    """Return two atoms along x [bohr], distances in angstrom."""
    positions = np.zeros((len(distances), 2, 3))
    positions[:, 1, 0] = distances * BOHR_PER_ANGSTROM
    return positions


def ions(model: LearnedModel) -> None:
    """Print the slope of the energy in 1/r between 15 and 40 angstrom, and what is left at 50."""
    alone = np.zeros((1, 1, 3))
    for pair in PAIRS:
        found = energies(model, pair, pair_at(DISTANCES))
        slope = np.polyfit(1.0 / (DISTANCES * BOHR_PER_ANGSTROM), found, 1)[0]
        product = IONS[pair[0]] * IONS[pair[1]]
        far = pair_at(np.array([FAR]))
        left = energies(model, pair, far) - of_charges(model, pair, far)
        left = left - sum(energies(model, (one,), alone) for one in pair)
        print(
            f"{symbol(pair[0])} {symbol(pair[1])}: slope {slope:+.5f} e² beside {product:+d}, "
            f"{100 * abs(slope / product - 1):.3f} %; left at {FAR:.0f} angstrom {left[0]:+.1e} hartree"
        )


def dimers(model: LearnedModel, path: Path) -> None:
    """Print errors of interactions by distance, and how what is no electrostatics falls off."""
    from labels import MOLECULES, label, molecule

    for group in load_dataset(path).groups:
        numbers = tuple(group.atomic_numbers.tolist())
        n_first = len(molecule(next(name for name in MOLECULES if group.name.startswith(f"{name}_"))))
        sides = slice(0, n_first), slice(n_first, None)
        predicted, reference = energies(model, numbers, group.positions), group.energies[:, 0].copy()
        total = np.abs(predicted - reference) * KCAL_PER_MOL_PER_HARTREE
        for side in sides:
            own = group.positions[:, side]
            predicted = predicted - energies(model, numbers[side], own)
            reference -= [label(group.atomic_numbers[side], frame, 0)[0] for frame in own]
        vectors = group.positions[:, sides[0], None] - group.positions[:, None, sides[1]]
        closest = np.linalg.norm(vectors, axis=-1).min(axis=(1, 2)) / BOHR_PER_ANGSTROM
        error = np.abs(predicted - reference) * KCAL_PER_MOL_PER_HARTREE
        size = np.abs(reference) * KCAL_PER_MOL_PER_HARTREE
        print(
            f"{group.name}: mean error of the interaction {error.mean():.3f} kcal/mol "
            f"(its size {size.mean():.3f}), of the energy {total.mean():.3f}"
        )
        for low, high in ((0.0, 2.0), (2.0, 2.5), (2.5, 3.5), (3.5, 5.0), (5.0, 8.0), (8.0, 20.0)):
            here = (closest >= low) & (closest < high)
            if here.any():
                print(
                    f"   closest atoms {low:.1f} to {high:.1f} angstrom: {error[here].mean():.3f} of "
                    f"{size[here].mean():.3f} in {here.sum()} frames"
                )
        print(f"   without electrostatics: r^{tail(model, numbers, group.positions[0], sides):.3f}")


def tail(model: LearnedModel, numbers: tuple[int, ...], frame: np.ndarray, sides: tuple[slice, ...]) -> float:
    """Return the power of the distance, from 20 to 40 angstrom, of the interaction without electrostatics."""
    moved = np.repeat(frame[None], 2, axis=0)
    moved[:, sides[1]] -= frame[sides[1]].mean(axis=0) - frame[sides[0]].mean(axis=0)
    moved[:, sides[1], 2] += np.array([20.0, 40.0])[:, None] * BOHR_PER_ANGSTROM
    rest = energies(model, numbers, moved) - of_charges(model, numbers, moved)
    for side in sides:
        own = moved[:, side]
        rest = rest - energies(model, numbers[side], own) + of_charges(model, numbers[side], own)
    return float(np.log2(rest[1] / rest[0]))


if __name__ == "__main__":
    chosen = load_model(sys.argv[2]).double()
    if sys.argv[1] == "ions":
        ions(chosen)
    else:
        dimers(chosen, Path(sys.argv[3]))
