"""Trainings with `basis: auto` from ten random starts: which basis each finds, and how far it comes.

    python benchmarks/search_convergence.py --output folder [--seeds 1 2 …] [--epochs 60]

Ammonia, with the defaults of `nadyn train` but for the length; the seed changes the weights at the start,
the frames that validate and the order of the batches. Each model is judged on the held-out frames of
`ammonia_accuracy.py` near the seam; the error of a seed is the geometric mean of those of both energies and
of the coupling. Printed: how many seeds lie within 1.5 times the best. Finished models are not trained again,
and interrupted ones go on.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from ammonia_accuracy import frames, numbers

import nadyn
from nadyn.training.checkpoint import existing
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.output import checkpoint_path
from nadyn.training.train import train

_WITHIN = 1.5


def main() -> None:
    """Train from every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    dataset, held_out = frames()
    errors = []
    for seed in options.seeds:
        file = options.output / f"seed_{seed}.safetensors"
        if not file.exists():
            settings = TrainingConfiguration(epochs=options.epochs, seed=seed)
            train(dataset, file, settings, resume=bool(existing(checkpoint_path(file))))
        model = nadyn.load_model(file)
        found = numbers(model, held_out)
        near = found["ammonia_near_intersection"]
        error = np.exp(np.mean(np.log([*near["energy_mae_ev"], *near["coupling_mae_ev_per_angstrom"]])))
        errors.append(error)
        history = json.loads(file.with_suffix(".history.json").read_text(encoding="utf-8"))
        scores = ", ".join(
            f"{trial['score']:.2f}{'*' if trial['finalist'] else ''}" for trial in history["trials"]
        )
        settings = model.potential.settings
        print(
            f"seed {seed:2d}: trials {scores}, chosen {settings.basis} ({', '.join(settings.start)}); "
            f"S0 {1e3 * near['energy_mae_ev'][0]:.2f} meV, S1 {1e3 * near['energy_mae_ev'][1]:.2f} meV, "
            f"gap < 0.3 eV {1e3 * found['gap_mae_of_small_gaps_ev']:.2f} meV, "
            f"h {1e3 * near['coupling_mae_ev_per_angstrom'][0]:.2f} meV/Å, mean {1e3 * error:.2f}",
            flush=True,
        )
    ratios = np.array(errors) / min(errors)
    print(
        f"{int((ratios <= _WITHIN).sum())} of {len(ratios)} within {_WITHIN} times the best; "
        f"ratios {', '.join(f'{ratio:.2f}' for ratio in sorted(ratios))}"
    )


if __name__ == "__main__":
    main()
