"""The search over assignments from ten random starts: what it chooses, and where the best trial ends.

    python benchmarks/search_convergence.py --output folder [--seeds 10] [--steps 1000]

Ammonia, with the defaults of `nadyn train`; the seed changes the weights at the start, the frames that
validate and the order of the batches. Each trial has the length that it has in a long training. Its winner
is judged on the held-out frames of `ammonia_accuracy.py`, before any further training; the error of a seed is
the geometric mean of those of energies and couplings near the seam. Printed: how many seeds lie within 1.5
times the best. Finished trials are not made again.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from ammonia_accuracy import frames, numbers

from nadyn.data import split
from nadyn.models.learned import LearnedModel, Network
from nadyn.training.assignments import Assignment, assignments
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.samples import samples_from_group
from nadyn.training.schedule import Length
from nadyn.training.search import search

_WITHIN = 1.5


def main() -> None:
    """Search from every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    dataset, held_out = frames()
    errors = []
    for seed in range(1, options.seeds + 1):
        configuration = TrainingConfiguration(seed=seed)
        training, validation = split(dataset, configuration.validation_fraction, seed=seed)
        samples = tuple(samples_from_group(group) for group in training.groups)
        elements = elements_of(dataset)
        shortest = shortest_distances(training, elements)

        def build(
            assignment: Assignment,
            configuration: TrainingConfiguration = configuration,
            samples: tuple = samples,
            shortest: np.ndarray = shortest,
            elements: tuple[int, ...] = elements,
        ) -> Network:
            return build_network(configuration, samples, shortest, elements, assignment)

        network, trials = search(
            assignments(2),
            build,
            samples,
            tuple(samples_from_group(group) for group in validation.groups),
            configuration,
            Length(n_steps=options.steps),
            checkpoint=options.output / f"seed_{seed}",
            origin={},
            resume=True,
            report=lambda progress: None,
        )
        group = training.groups[0]
        network.requires_grad_(False)
        model = LearnedModel(
            "winner", network, tuple(group.atomic_numbers.tolist()), None, torch.from_numpy(shortest)
        )
        near = numbers(model, held_out)["ammonia_near_intersection"]
        error = np.exp(np.mean(np.log([*near["energy_mae_ev"], *near["coupling_mae_ev_per_angstrom"]])))
        errors.append(error)
        scores = ", ".join(f"{trial.score:.2f}" for trial in trials)
        chosen = min(trials, key=lambda trial: trial.score).assignment
        print(
            f"seed {seed:2d}: scores {scores}, chosen {chosen}; "
            f"S0 {1e3 * near['energy_mae_ev'][0]:.2f} meV, S1 {1e3 * near['energy_mae_ev'][1]:.2f} meV, "
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
