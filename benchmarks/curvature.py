"""Do flat minima generalise? Leading Hessian eigenvalues of trained models beside their held-out errors.

    python benchmarks/curvature.py DATA.h5 --output FOLDER [--models 12] [--steps 1500] [--train 300] …

Models of one dataset differ by seed, width, learning rate, batch size and weight decay, drawn at random from
a seed. Each is trained on the same frames and judged on the same others. Printed is the rank correlation
(Spearman) of the largest eigenvalue on training frames with the force error of held-out frames, with a 95 %
interval from 2,000 bootstrap draws of models. Each training is kept in the folder, so that the command goes
on where it was.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from nadyn import load_dataset, load_model
from nadyn.data import Dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.curvature import curvature
from nadyn.training.evaluation import evaluate
from nadyn.training.train import train


def drawn(number: int, steps: int) -> TrainingConfiguration:
    """Return the settings of a model."""
    random = np.random.default_rng(100 + number)
    width = int(random.choice([16, 32, 64, 128]))
    return TrainingConfiguration(
        steps=steps,
        seed=number + 1,
        learning_rate=float(10 ** random.uniform(-3.0, -2.0)),
        weight_decay=float(10 ** random.uniform(-2.5, 0.0)),
        batch_size=int(random.choice([4, 8, 16, 32])),
        model={"hidden": [width, width, width // 2]},
        threads=1,
    )


def main() -> None:
    """Train, judge, and print the correlation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--held-out", type=int, default=300)
    options = parser.parse_args()
    options.output.mkdir(exist_ok=True, parents=True)
    group = load_dataset(options.data).groups[0]
    order = np.random.default_rng(0).permutation(group.n_frames)
    chosen = order[: options.train + options.held_out]
    training = Dataset((group.select(np.sort(chosen[: options.train])),))
    held_out = Dataset((group.select(np.sort(chosen[options.train :])),))
    rows = []
    for number in range(options.models):
        target = options.output / f"{number:02d}.json"
        if not target.exists():
            model = options.output / f"{number:02d}.safetensors"
            configuration = drawn(number, options.steps)
            if not model.exists():
                train(training, model, configuration, resume=True)
            learned = load_model(model)
            errors = evaluate(learned, held_out)[group.name]
            curved = curvature(learned, training)
            row = {
                "width": configuration.model.hidden[0],
                "learning_rate": configuration.learning_rate,
                "weight_decay": configuration.weight_decay,
                "batch_size": configuration.batch_size,
                "eigenvalues": curved.eigenvalues,
                "force_mae": float(np.mean(errors["force_mae_ev_per_angstrom"])),
                "energy_mae": float(np.mean(errors["energy_mae_ev"])),
            }
            target.write_text(json.dumps(row, indent=1))
        rows.append(json.loads(target.read_text()))
        last = rows[-1]
        print(
            f"{number:2d}  largest {last['eigenvalues'][0]:10.4g}  force {last['force_mae']:.4f} eV/Å",
            flush=True,
        )
    largest = np.array([row["eigenvalues"][0] for row in rows])
    for name in ("force_mae", "energy_mae"):
        error = np.array([row[name] for row in rows])
        print(name, interval(largest, error))


def interval(first: np.ndarray, second: np.ndarray) -> str:
    """Return the rank correlation with a bootstrap interval over models."""
    random = np.random.default_rng(1)
    draws = []
    for _ in range(2000):
        rows = random.integers(0, len(first), len(first))
        if len(set(rows.tolist())) > 2:
            draws.append(spearmanr(first[rows], second[rows]).statistic)
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return f"rank correlation {spearmanr(first, second).statistic:+.2f} (95 %: {low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
