"""One model of twelve molecules beside twelve models of one, and models that never saw one of them.

    python benchmarks/twelve_molecules/trainings.py run --output FOLDER [--longer FACTOR] [--only NAME …]
        [--config FILE]
    python benchmarks/twelve_molecules/trainings.py table --output FOLDER

All trainings have the settings of `train.yaml`. A model of one molecule sees each frame 50 times; a model of
several, which takes more steps in all, 20 times, so that it does not win by having learned longer. Each
leaves a JSON file with the errors on frames that nobody has trained on; what is there is not made again, and
what was interrupted goes on where it was.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.checks.configuration import read_configuration
from nadyn.data import Dataset, Group
from nadyn.dynamics.run.known_region import region_statuses
from nadyn.dynamics.run.stopping import Status
from nadyn.models.learned import LearnedModel
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import compare
from nadyn.training.train import train

HERE = Path(__file__).parent
# All bonds of the first occur in other molecules, the triple bond of the second in itself alone.
LEFT_OUT = ("ethanol", "acetonitrile")
# How often a frame is seen by a model of one molecule, and of several.
PASSES_ALONE, PASSES_TOGETHER = 50, 20
DRAWS = 10_000


def groups_of(path: str) -> dict[str, Group]:
    """Return the groups of a dataset beside this file by their names."""
    return {group.name: group for group in nadyn.load_dataset(HERE / path).groups}


def jobs(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return what is trained, in this order: its name, and the molecules that it learns."""
    result = {f"without_{one}": tuple(other for other in names if other != one) for one in LEFT_OUT}
    first = {"joint": names, f"without_{LEFT_OUT[0]}": result[f"without_{LEFT_OUT[0]}"]}
    return first | {name: (name,) for name in names} | result


def judged(model: LearnedModel, group: Group) -> dict[str, object]:
    """Return errors of the forces frame by frame, and which frames the model calls outside its training.

    `outside` are frames where a trajectory would be stopped, and all where the composition is not known.
    """
    comparison = compare(model, group)
    errors = np.abs(comparison.forces - comparison.reference_forces).mean(axis=(1, 2, 3))
    bound = model.for_atoms(tuple(map(int, group.atomic_numbers)))
    statuses = region_statuses(bound, torch.from_numpy(group.positions)).numpy()
    energies = (comparison.energies - comparison.reference_energies)[:, 0]
    return {
        "force_mae": errors.tolist(),
        "energy_mae": float(np.abs(energies).mean()),
        # What is left when the mean is taken away: energies of another molecule may be shifted as a whole.
        "energy_mae_without_mean": float(np.abs(energies - energies.mean()).mean()),
        "outside": (statuses != int(Status.RUNNING)).tolist(),
        "composition_known": bound.unknown_composition is None,
    }


def run(options: argparse.Namespace) -> None:
    """Train what is not there yet."""
    options.output.mkdir(parents=True, exist_ok=True)
    taught, asked, hot = (groups_of(name) for name in ("molecules.h5", "judged.h5", "hot.h5"))
    settings = read_configuration(options.config, TrainingConfiguration)
    for name, learned in jobs(tuple(taught)).items():
        answer = options.output / f"{name}.json"
        if answer.exists() or (options.only and name not in options.only):
            continue
        passes = PASSES_ALONE if len(learned) == 1 else PASSES_TOGETHER
        configuration = settings.model_copy(update={"epochs": round(options.longer * passes)})
        data = Dataset(tuple(taught[one] for one in learned))
        target = options.output / f"{name}.safetensors"
        start = time.process_time()
        if target.exists():
            model = nadyn.load_model(target)
        else:
            model = train(data, target, configuration, resume=True).model
        seconds = time.process_time() - start
        wanted = taught if len(learned) > 1 else learned
        found = {
            "epochs": configuration.epochs,
            "steps": model.trained_on["steps"],
            "seconds": seconds,
            "judged": {one: judged(model, asked[one]) for one in wanted},
            "hot": {one: judged(model, hot[one]) for one in wanted},
        }
        answer.write_text(json.dumps(found) + "\n", encoding="utf-8")
        print(f"{name}: {found['steps']} steps, {seconds:.0f} s", flush=True)


def table(options: argparse.Namespace) -> None:
    """Print a line of Markdown for each molecule, the mean ratio with its interval, and what is left out."""
    paths = [path for path in options.output.glob("*.json") if not path.name.endswith(".history.json")]
    answers = {path.stem: json.loads(path.read_text("utf-8")) for path in paths}
    joint = answers.get("joint", {"judged": {}})["judged"]
    print("| molecule | alone | among twelve | ratio | left out | ratio | flagged |")
    print("|---|---|---|---|---|---|---|")
    ratios = []
    for name in groups_of("judged.h5"):
        cells = [name.replace("_", " ")]
        single = _error(answers[name], name) if name in answers else np.nan
        together = float(np.mean(joint[name]["force_mae"])) if joint else np.nan
        cells += [f"{single:.4f}", f"{together:.4f}", f"{together / single:.2f}"]
        ratios.append(together / single)
        without = answers.get(f"without_{name}")
        if without is None:
            cells += ["", "", ""]
        else:
            left_out = _error(without, name)
            flagged = np.mean(without["judged"][name]["outside"])
            cells += [f"{left_out:.4f}", f"{left_out / single:.2f}", f"{100 * flagged:.0f} %"]
        print("| " + " | ".join(cells) + " |")
    low, high = interval(np.array(ratios))
    print(f"\nratio, mean over molecules: {np.mean(ratios):.3f} (95 %: {low:.3f} to {high:.3f})")
    for name, found in answers.items():
        if len(found["judged"]) > 1:
            _print_flags(name, found)


def _print_flags(name: str, found: dict[str, object]) -> None:
    """Print how many frames a model calls outside, and the errors of those and of the others."""
    missing = name.removeprefix("without_")
    for kind in ("judged", "hot"):
        for what, chosen in (
            ("molecules of the training", [one for one in found[kind] if one != missing]),
            (missing, [missing] if missing in found[kind] else []),
        ):
            if not chosen:
                continue
            errors = np.concatenate([found[kind][one]["force_mae"] for one in chosen])
            outside = np.concatenate([found[kind][one]["outside"] for one in chosen])
            means = [f"{errors[part].mean():.4f}" if part.any() else "-" for part in (outside, ~outside)]
            print(
                f"{name}, {kind}, {what}: {outside.sum()} of {len(outside)} frames outside, force error "
                f"{means[0]} there and {means[1]} elsewhere"
            )


def _error(answer: dict[str, object], name: str) -> float:
    return float(np.mean(answer["judged"][name]["force_mae"]))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean by drawing molecules anew."""
    random = np.random.default_rng(1)
    means = values[random.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("run", run), ("table", table)):
        own = commands.add_parser(name)
        own.set_defaults(function=function)
        own.add_argument("--output", type=Path, required=True)
        if name == "run":
            own.add_argument("--longer", type=float, default=1.0)
            own.add_argument("--only", nargs="+")
            own.add_argument("--config", type=Path, default=HERE / "train.yaml")
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
