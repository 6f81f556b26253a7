"""From arrays of energies, forces and couplings to a learned model, and its errors on unseen frames.

    python examples/05_from_arrays_to_a_model.py [--frames 400] [--epochs 60] [--output learned]

The arrays would come from a quantum-chemistry program. Here a molecule of springs with two states plays
its part, so that the script needs no data: what matters is how arrays become a dataset, with units and
shapes checked, and how a model is trained and judged. Signs of the couplings are scrambled as a
program would give them; training does not mind.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.data import Dataset, group_from_arrays, split, write_dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import compare, metrics
from nadyn.training.train import train

# H, O, F: stiffness [hartree/bohr²] and length [bohr] of the springs HO, HF, OF for W_00, W_01, W_11.
NUMBERS = (1, 8, 9)
STIFFNESS = {(0, 0): (0.40, 0.05, 0.30), (0, 1): (0.00, 0.03, 0.02), (1, 1): (0.35, 0.03, 0.15)}
LENGTHS = {(0, 0): (1.8, 3.4, 2.7), (0, 1): (1.8, 3.0, 2.4), (1, 1): (1.9, 3.6, 3.3)}
STATE_ENERGIES = (-1.0, -0.93)


def teacher() -> nadyn.models.analytic.Springs:
    """Return the two-state molecule that stands in for a quantum-chemistry program."""
    stiffness, lengths = (torch.zeros(2, 2, 3, 3, dtype=torch.float64) for _ in range(2))
    for target, values in ((stiffness, STIFFNESS), (lengths, LENGTHS)):
        for (a, b), row in values.items():
            for (first, second), value in zip(((0, 1), (0, 2), (1, 2)), row, strict=True):
                for i, j in ((first, second), (second, first)):
                    target[a, b, i, j] = target[b, a, i, j] = value
    geometry = torch.tensor([[1.75, 0.4, 0.0], [0.0, 0.0, 0.0], [-0.6, 2.6, 0.0]], dtype=torch.float64)
    constant = torch.diag(torch.tensor(STATE_ENERGIES, dtype=torch.float64))
    return nadyn.models.analytic.springs(
        geometry, NUMBERS, constant=constant, stiffness=stiffness, lengths=lengths
    )


def labelled_frames(n: int, seed: int) -> Dataset:
    """Return frames around the minimum with all labels, in atomic units."""
    model = teacher()
    random = torch.Generator().manual_seed(seed)
    displacement = 0.15 * torch.randn(n, 3, 3, generator=random, dtype=torch.float64)
    positions = model.starting_geometry + displacement
    surfaces = nadyn.surfaces(model, positions)
    signs = torch.randint(0, 2, (n, 1, 1), generator=random) * 2.0 - 1.0
    group = group_from_arrays(
        "hof",
        atomic_numbers=NUMBERS,
        positions=positions.numpy(),
        energies=surfaces.energies.numpy(),
        forces=surfaces.forces.numpy(),
        # One pair of states, 0 and 1: the pair axis has length 1.
        interstate_couplings=(signs * surfaces.interstate_coupling[:, 0, 1])[:, None].numpy(),
        theory="springs",
        source="examples/05_from_arrays_to_a_model.py",
        licence="MIT",
    )
    return Dataset((group,))


def main() -> None:
    """Write a dataset, train on most of it, and judge the model on the rest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--output", type=Path, default=Path("learned"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    path = options.output / "hof.h5"
    write_dataset(path, labelled_frames(options.frames, seed=1), overwrite=True)
    seen, unseen = split(nadyn.load_dataset(path), 0.25, seed=1)

    # The states of springs have one symmetry, so scalars will do; `basis: auto` would try others first.
    model = {"hidden": (32, 32), "basis": "2x0e"}
    configuration = TrainingConfiguration(
        epochs=options.epochs, batch_size=16, warmup_steps=20, threads=1, model=model
    )
    trained = train(seen, options.output / "hof.safetensors", configuration, overwrite=True)
    errors = metrics(compare(trained.model, unseen.group("hof")))

    spread = np.std(unseen.group("hof").energies, axis=0) * nadyn.units.ELECTRONVOLT_PER_HARTREE
    print(f"{errors['n_frames']} unseen frames")
    print("energy MAE [eV]     ", *(f"{value:.4f}" for value in errors["energy_mae_ev"]))
    print("spread of energies  ", *(f"{value:.4f}" for value in spread))
    print("force MAE [eV/Å]    ", *(f"{value:.4f}" for value in errors["force_mae_ev_per_angstrom"]))
    print("relative error of h ", f"{errors['coupling_relative_error']:.4f}")


if __name__ == "__main__":
    main()
