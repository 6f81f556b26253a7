"""Wall time of a training step by one and by several processes, and how far their models are apart.

    python benchmarks/training_together.py [--processes 1 2] [--molecule NAME] [--steps 60] [--batch-size 16]

Needs as many cores as processes with nothing else on them. Each number of processes trains the same network
from the same start on the shipped frames, in turn, several times; the median time of a step leaves out the
first ten, in which machine code is compiled.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import nadyn
from nadyn.data import Dataset, read_dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train

BASES = {"hexafluorobutene": "2x0e + 1x1o + 1x1e", "ammonia": "1x0e + 1x1o", "ethylene": "3x0e + 1x1o + 1x1e"}
LABELS = Path(__file__).parent / "ethylene_labels/labels.h5"
WARM = 10


def main() -> None:
    """Train, and print a line for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--molecule", choices=list(BASES), default="hexafluorobutene")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--encoder", choices=["moments", "equivariant"], default="moments")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    shipped = f"{options.molecule}/{options.molecule}.h5"
    group = read_dataset(LABELS if options.molecule == "ethylene" else nadyn.shipped.path(shipped)).groups[0]
    data = Dataset((group.select(np.arange(min(400, group.n_frames))),))
    settings = TrainingConfiguration.model_validate(
        {
            "steps": options.steps,
            "batch_size": options.batch_size,
            "encoder": {"name": options.encoder},
            "model": {"basis": BASES[options.molecule]},
        }
    )
    times: dict[int, list[float]] = {n: [] for n in options.processes}
    models = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for n in options.processes:
                marks: list[float] = []
                path = Path(folder) / f"{n}_{number}.safetensors"
                trained = train(
                    data,
                    path,
                    settings,
                    processes=n,
                    report=lambda _, marks=marks: marks.append(time.monotonic()),
                )
                times[n].append(1e3 * float(np.median(np.diff(marks)[WARM:])))
                models[n] = dict(trained.model.potential.named_parameters())
    first = options.processes[0]
    for n in options.processes:
        apart = max(float((models[n][name] - value).abs().max()) for name, value in models[first].items())
        print(
            f"{n} processes: {np.median(times[n]):.1f} ms a step ({min(times[n]):.1f} to "
            f"{max(times[n]):.1f}), {np.median(times[first]) / np.median(times[n]):.2f} times as fast as "
            f"{first}; weights differ from its by {apart:.1e} at most"
        )


if __name__ == "__main__":
    main()
