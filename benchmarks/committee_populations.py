"""Whether the two error bars of a committee hold the truth: small committees of ammonia, analytic surfaces.

    python benchmarks/committee_populations.py --output folder [--committees 3] [--frames 400] [--epochs 40]

Each committee of four members of 64-64 learns from frames of its own, drawn at random from the three shipped
files. Each member moves the same 100 starts with the same random numbers for 40 fs. Their mean is compared
with 3,000 trajectories on the analytic surfaces (`nadyn/shipped/ammonia/analytic_surfaces.json`). What is
there is not made again. Five minutes a committee on a quiet core.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.analysis import analyse_members
from nadyn.cli.demo import run_file
from nadyn.cli.sample import sample
from nadyn.data.dataset import Dataset
from nadyn.data.joining import join
from nadyn.shipped import path
from nadyn.training.committee import train_committee
from nadyn.training.configuration import TrainingConfiguration

_FILES = ("ammonia.h5", "ammonia_near_intersection.h5", "ammonia_visited.h5")
_MEMBERS, _N, _END_FS = 4, 100, 40.0
_TIMES_FS = (10, 15, 20, 25, 30, 35, 40)
# Student's t of four members, for the interval of their mean alone.
_OF_THE_MEAN = 3.18 / np.sqrt(_MEMBERS)


def trained(folder: Path, seed: int, *, frames: int, epochs: int) -> Path:
    """Return the committee of these options, trained if it is not there."""
    output = folder / f"committee_{frames}_{epochs}_{seed}.safetensors"
    if not output.exists():
        group = join([nadyn.load_dataset(path(f"ammonia/{name}")) for name in _FILES]).groups[0]
        chosen = np.random.default_rng(seed).permutation(group.n_frames)[:frames]
        settings = {
            "epochs": epochs,
            "model": {"basis": "1x0e + 1x1o", "hidden": [64, 64]},
            "seed": 100 * seed,
            "validation_fraction": 0.15,
        }
        configuration = TrainingConfiguration.model_validate(settings)
        dataset = Dataset((group.select(np.sort(chosen)),))
        train_committee(dataset, output, configuration, n_members=_MEMBERS, resume=True)
    return output


def runs_of(model: Path) -> list[Path]:
    """Return the runs of all members on the same starts, run if they are not there."""
    starts = model.parent / f"starts_{_N}.h5"
    if not starts.exists():
        sample(path("ammonia/ammonia_trajectories.safetensors"), n=_N, output=starts, state=1)
    found = []
    for member in range(_MEMBERS):
        output = model.with_suffix(f".{_N}.{member}.h5")
        config = run_file(n=_N, time_fs=_END_FS) | {
            "model": str(model),
            "member": member,
            "initial": {"file": str(starts), "state": 1},
            "stop": {"committee": False},
            "output": str(output),
        }
        nadyn.run(config, resume=output.exists(), progress=False)
        found.append(output)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--committees", type=int, default=3)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.output.mkdir(exist_ok=True)
    reference = json.loads(path("ammonia/analytic_surfaces.json").read_text(encoding="utf-8"))
    exact = {int(t): row[1] for t, row in zip(reference["time_fs"], reference["populations"], strict=True)}
    held, of_mean, alone = [], [], []
    for seed in range(1, arguments.committees + 1):
        model = trained(arguments.output, seed, frames=arguments.frames, epochs=arguments.epochs)
        numbers = analyse_members(runs_of(model))
        time = np.array(numbers["time_fs"])
        print(f"committee {seed}: {numbers['n_stopped']} stopped of {numbers['n_trajectories']}")
        for moment in _TIMES_FS:
            frame = int(np.abs(time - moment).argmin())
            keys = (
                "",
                "_low",
                "_high",
                "_sampling_low",
                "_sampling_high",
                "_spread",
                "_fate_low",
                "_fate_high",
            )
            found = [numbers[f"populations{key}"][frame][1] for key in keys]
            mean, low, high, inner, outer, spread, least, most = found
            truth = exact[moment]
            held.append(low <= truth <= high)
            alone.append(inner <= truth <= outer)
            half = np.hypot(_OF_THE_MEAN * spread, 0.5 * (outer - inner))
            of_mean.append(least - half <= truth <= most + half)
            print(
                f"  {moment} fs: S1 {mean:.3f} ({low:.3f} to {high:.3f}; trajectories {inner:.3f} to "
                f"{outer:.3f}; spread {spread:.3f}), analytic {truth:.3f}"
            )
    print(
        f"of {len(held)} intervals {sum(held)} hold the analytic population, of those from trajectories "
        f"alone {sum(alone)}, of those of the mean of the members (spread / sqrt(M)) {sum(of_mean)}"
    )


if __name__ == "__main__":
    main()
