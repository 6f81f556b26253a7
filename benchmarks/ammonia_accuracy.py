"""Errors of ammonia models on frames that they never saw, near the seam and everywhere.

    python benchmarks/ammonia_accuracy.py --output folder [--basis "1x0e + 1x1o"] [--epochs 120] [--seed 1]
        [--couplings all|none|100] [--trajectories [--seam MODEL] [--far MODEL]]

The first frames of each shipped file, which stand in random order, are held out: they neither train nor
choose anything; how many, `HELD_OUT` says. Settings are those of the shipped `train.yaml`, with the changes
that are given, on the two older files. `--trajectories` trains on all frames, in five steps: a model of the
seam (as without the option), one of the frames in which a hydrogen has left (`train_far.yaml`), one that
begins with the matrices of both and learns mostly energies (`train_first.yaml`), one that begins with that
(`train_trajectories.yaml`) and goes on (`train_polish.yaml`); `--seam` and `--far` are such models, if they
exist.
`--couplings 100` keeps the labels h of 100 frames only, chosen at random, and `none` trains on energies and
forces alone. The model and its errors are written to the folder; finished ones are not trained again. Several
folders side by side: `--table folder/*.json` prints the mean and its standard error.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

import nadyn
from nadyn.data.dataset import Dataset, Group
from nadyn.data.joining import join
from nadyn.shipped import path
from nadyn.training.checkpoint import existing
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import Comparison, compare, metrics
from nadyn.training.output import checkpoint_path
from nadyn.training.train import train
from nadyn.units import BOHR_PER_ANGSTROM

# Where a hydrogen has left [bohr].
_LEFT = 3.8 * BOHR_PER_ANGSTROM
HELD_OUT = {"ammonia": 300, "ammonia_near_intersection": 100, "ammonia_visited": 1348}
_WITHOUT_FRAGMENTS = ("ammonia", "ammonia_near_intersection")


def frames(names: tuple[str, ...] = _WITHOUT_FRAGMENTS) -> tuple[Dataset, dict[str, Group]]:
    """Return the frames to train on, and those that are held out, by the file that they are from."""
    training, held_out = [], {}
    for name in names:
        n_frames = HELD_OUT[name]
        group = nadyn.load_dataset(path(f"ammonia/{name}.h5")).groups[0]
        training.append(Dataset((group.select(np.arange(n_frames, group.n_frames)),)))
        held_out[name] = group.select(np.arange(n_frames))
    return join(training), held_out


def with_couplings_of(dataset: Dataset, n_frames: int) -> Dataset:
    """Return the dataset with couplings left in so many frames only."""
    group = dataset.groups[0]
    couplings = None
    if n_frames:
        couplings = np.full_like(group.interstate_couplings, np.nan)
        chosen = np.random.default_rng(0).permutation(group.n_frames)[:n_frames]
        couplings[chosen] = group.interstate_couplings[chosen]
    return Dataset((replace(group, interstate_couplings=couplings),))


def small_gaps(comparisons: list[Comparison]) -> tuple[float, int]:
    """Return the mean absolute error of gaps below 0.3 eV over all held-out frames [eV], and their number."""
    predicted, reference = (
        np.concatenate([getattr(one, name) for one in comparisons])
        for name in ("energies", "reference_energies")
    )
    gap = reference[:, 1] - reference[:, 0]
    errors = np.abs(predicted[:, 1] - predicted[:, 0] - gap)[gap < 0.3]
    return float(errors.mean()), len(errors)


def numbers(model: nadyn.models.learned.LearnedModel, held_out: dict[str, Group]) -> dict[str, object]:
    """Return the errors of one model."""
    comparisons = {name: compare(model, group) for name, group in held_out.items()}
    gap, n_small = small_gaps(list(comparisons.values()))
    return {
        "gap_mae_of_small_gaps_ev": gap,
        "n_small_gaps": n_small,
        **{name: metrics(comparison) for name, comparison in comparisons.items()},
    }


def fragments(dataset: Dataset) -> Dataset:
    """Return the frames in which a hydrogen is far from the nitrogen."""
    group = dataset.groups[0]
    farthest = np.linalg.norm(group.positions[:, 1:] - group.positions[:, :1], axis=-1).max(axis=1)
    return Dataset((group.select(np.flatnonzero(farthest > _LEFT)),))


def learn(dataset: Dataset, file: Path, settings: str, *, begin_from: tuple = (), **changes: object) -> None:
    """Train with the settings of a shipped training file and some changes, if that has not been done."""
    if file.exists():
        return
    content = yaml.safe_load(path(f"ammonia/{settings}").read_text(encoding="utf-8"))
    basis = changes.pop("basis", None)
    content |= {key: value for key, value in changes.items() if value is not None}
    content["model"]["basis"] = basis or content["model"]["basis"]
    resume = bool(existing(checkpoint_path(file)))
    train(dataset, file, TrainingConfiguration.model_validate(content), begin_from=begin_from, resume=resume)


_COLUMNS = (
    ("S0 (meV)", lambda found: 1e3 * found["ammonia_near_intersection"]["energy_mae_ev"][0]),
    ("S1 (meV)", lambda found: 1e3 * found["ammonia_near_intersection"]["energy_mae_ev"][1]),
    ("gap < 0.3 eV (meV)", lambda found: 1e3 * found["gap_mae_of_small_gaps_ev"]),
    ("h (meV/Å)", lambda found: 1e3 * found["ammonia_near_intersection"]["coupling_mae_ev_per_angstrom"][0]),
    ("relative error of h", lambda found: found["ammonia_near_intersection"]["coupling_relative_error"]),
    ("S0 everywhere (meV)", lambda found: 1e3 * found["ammonia"]["energy_mae_ev"][0]),
    ("S1 everywhere (meV)", lambda found: 1e3 * found["ammonia"]["energy_mae_ev"][1]),
)


def table(files: list[Path]) -> None:
    """Print mean and standard error over the models of these files."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    print(f"{len(found)} models, held-out frames near the seam unless said")
    for title, value in _COLUMNS:
        values = np.array([value(one) for one in found])
        if len(values) == 1:
            print(f"{title:>24}: {values[0]:.4f}")
            continue
        spread = values.std(ddof=1) / np.sqrt(len(values))
        print(f"{title:>24}: {values.mean():.4f} ± {spread:.4f}   ({', '.join(f'{v:.4f}' for v in values)})")


def main() -> None:
    """Train and judge one model, or print the table of several."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--basis")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--couplings", default="all")
    parser.add_argument("--trajectories", action="store_true")
    parser.add_argument("--seam", type=Path)
    parser.add_argument("--far", type=Path)
    parser.add_argument("--table", type=Path, nargs="+")
    options = parser.parse_args()
    if options.table:
        table(options.table)
        return
    options.output.mkdir(parents=True, exist_ok=True)
    file = options.output / "ammonia.safetensors"
    dataset, held_out = frames(tuple(HELD_OUT)) if options.trajectories else frames()
    if options.couplings != "all":
        dataset = with_couplings_of(dataset, 0 if options.couplings == "none" else int(options.couplings))
    changes = {"seed": options.seed, "epochs": options.epochs, "basis": options.basis}
    if options.trajectories:
        seam, far = options.seam or options.output / "seam.safetensors", options.far
        far = far or options.output / "far.safetensors"
        learn(frames()[0], seam, "train.yaml", seed=options.seed)
        learn(fragments(dataset), far, "train_far.yaml", seed=options.seed)
        parts, first = (nadyn.load_model(seam), nadyn.load_model(far)), options.output / "first.safetensors"
        second = options.output / "second.safetensors"
        learn(dataset, first, "train_first.yaml", begin_from=parts, seed=options.seed)
        first_model = (nadyn.load_model(first),)
        learn(dataset, second, "train_trajectories.yaml", begin_from=first_model, **changes)
        learn(dataset, file, "train_polish.yaml", begin_from=(nadyn.load_model(second),), seed=options.seed)
    else:
        learn(dataset, file, "train.yaml", **changes)
    found = numbers(nadyn.load_model(file), held_out)
    (options.output / "errors.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    table([options.output / "errors.json"])


if __name__ == "__main__":
    main()
