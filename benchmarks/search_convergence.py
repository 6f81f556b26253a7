"""`basis: auto` from ten random starts: what each search chooses, and where each training ends.

    python benchmarks/search_convergence.py --output folder [--seeds 10] [--epochs 10]

Ammonia, with all settings at their defaults but the length; the seed changes the weights at the start, the
frames that validate and the order of the batches. Judged on the held-out frames of `ammonia_accuracy.py`.
The error of a seed is the geometric mean of those of energies and couplings near the seam. Printed: how many
seeds lie within 1.5 times the best. Finished trainings are not made again.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ammonia_accuracy import frames, numbers

import nadyn
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train

_WITHIN = 1.5


def main() -> None:
    """Train from every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    dataset, held_out = frames()
    rows = []
    for seed in range(1, options.seeds + 1):
        file = options.output / f"seed_{seed}.safetensors"
        if not file.exists():
            settings = TrainingConfiguration(epochs=options.epochs, seed=seed)
            resume = any(options.output.glob(f"{file.name}.checkpoint*"))
            train(dataset, file, settings, resume=resume)
        model = nadyn.load_model(file)
        near = numbers(model, held_out)["ammonia_near_intersection"]
        error = np.exp(np.mean(np.log([*near["energy_mae_ev"], *near["coupling_mae_ev_per_angstrom"]])))
        trials = json.loads(file.with_suffix(".history.json").read_text(encoding="utf-8"))["trials"]
        scores = ", ".join(f"{trial['score']:.2f}" for trial in trials)
        chosen = model.network.settings
        rows.append(error)
        print(
            f"seed {seed:2d}: {chosen.basis} ({', '.join(chosen.start)}), trials {scores}; "
            f"S0 {1e3 * near['energy_mae_ev'][0]:.2f} meV, S1 {1e3 * near['energy_mae_ev'][1]:.2f} meV, "
            f"h {1e3 * near['coupling_mae_ev_per_angstrom'][0]:.2f} meV/Å, mean {1e3 * error:.2f}",
            flush=True,
        )
    ratios = np.array(rows) / min(rows)
    print(
        f"{int((ratios <= _WITHIN).sum())} of {len(rows)} within {_WITHIN} times the best; "
        f"ratios {', '.join(f'{ratio:.2f}' for ratio in sorted(ratios))}"
    )


if __name__ == "__main__":
    main()
