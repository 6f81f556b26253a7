"""Five-fold cross-validation of a training configuration, with the errors near the intersection.

    python benchmarks/cross_validation.py DATA.h5 --config train.yaml --output folder [--folds 5]

Every frame is judged once, by a model that never saw it. Printed are mean absolute errors over all frames
with the standard error over folds, and the error of the gap for frames whose reference gap is below 0.3 eV
with the standard error over frames: near an intersection one fold has too few frames to say anything.
Finished folds are kept in the output folder and not trained again.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import nadyn
from nadyn.checks.configuration import read_configuration
from nadyn.data import folds
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import Comparison, compare, metrics
from nadyn.training.train import train


def joined(comparisons: list[Comparison]) -> Comparison:
    """Return all folds of one molecule as one comparison."""
    first = comparisons[0]
    arrays = {}
    for name in vars(first):
        values = [getattr(comparison, name) for comparison in comparisons]
        arrays[name] = values[0] if values[0] is None or name == "name" else np.concatenate(values)
    return Comparison(**arrays)


def main() -> None:
    """Train and judge all folds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    configuration = read_configuration(options.config, TrainingConfiguration)
    dataset = nadyn.load_dataset(options.data)
    comparisons: dict[str, list[Comparison]] = {}
    for number, (training, held_out) in enumerate(folds(dataset, options.folds, seed=configuration.seed)):
        path = options.output / f"fold_{number}.safetensors"
        if not path.exists():
            resume = path.with_name(path.name + ".checkpoint").exists()
            train(training, path, configuration, resume=resume)
        model = nadyn.load_model(path)
        for group in held_out.groups:
            comparisons.setdefault(group.name, []).append(compare(model, group))
        print(f"fold {number + 1} of {options.folds} done", flush=True)
    result = {}
    for name, parts in comparisons.items():
        each = [metrics(part) for part in parts]
        values = {key: value for key, value in metrics(joined(parts)).items()}
        for key in (
            "energy_mae_ev",
            "force_mae_ev_per_angstrom",
            "coupling_mae_ev_per_angstrom",
            "gap_mae_ev",
        ):
            if key in values:
                columns = np.array([np.atleast_1d(fold[key]) for fold in each])
                values[f"{key}_se"] = (columns.std(axis=0, ddof=1) / np.sqrt(len(columns))).tolist()
        if parts[0].reference_couplings is not None:
            everything = joined(parts)
            frame_errors = np.abs(everything.couplings - everything.reference_couplings).mean(axis=(1, 2, 3))
            values["coupling_median_over_frames_ev_per_angstrom"] = float(np.median(frame_errors))
        result[name] = values
    text = json.dumps(result, indent=1)
    (options.output / "cross_validation.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
