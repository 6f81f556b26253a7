"""Encoders side by side: accuracy on one split, cost of energies and forces, size. One JSON file a training.

    python benchmarks/encoders.py run DATA.h5 --output FOLDER [--encoders moments …] [--steps N | --minutes N]
    python benchmarks/encoders.py cost DATA.h5 --output FOLDER
    python benchmarks/encoders.py table FOLDER

Takes any dataset of one molecule, of one state or several. The last fifth of the frames is judged and never
trained on, the same for all. A training whose JSON file is there is not made again. `cost` measures
untrained networks of default settings in turns, so that a busy machine disturbs all alike: processor time of
the energies and the force on one state, an atom.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.data import Dataset
from nadyn.electronic.surfaces import active_surface
from nadyn.models.encoders.table import ENCODERS
from nadyn.models.learned import LearnedModel
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import compare, metrics
from nadyn.training.samples import samples_together
from nadyn.training.train import train

JUDGED = 0.2
# What is shown of a training, and above which column.
SHOWN = {
    "energy_mae_ev": "E (eV)",
    "force_mae_ev_per_angstrom": "F (eV/Å)",
    "coupling_mae_ev_per_angstrom": "h (eV/Å)",
    "minutes": "min",
    "parameters": "parameters",
}


def parts_of(path: Path) -> tuple[Dataset, Dataset]:
    """Return the frames to train on and those to judge."""
    (group,) = nadyn.load_dataset(path).groups
    n_seen = round((1.0 - JUDGED) * group.n_frames)
    frames = np.arange(group.n_frames)
    return Dataset((group.select(frames[:n_seen]),)), Dataset((group.select(frames[n_seen:]),))


def configuration(encoder: str, options: argparse.Namespace) -> TrainingConfiguration:
    """Return the default training with an encoder and a length."""
    length = {"steps": options.steps} if options.steps else {"time_limit_minutes": options.minutes}
    model = {} if options.basis is None else {"basis": options.basis}
    return TrainingConfiguration(encoder={"name": encoder}, model=model, seed=options.seed, **length)


def run(options: argparse.Namespace) -> None:
    """Train what is not there yet."""
    options.output.mkdir(parents=True, exist_ok=True)
    seen, judged = parts_of(options.data)
    for encoder in options.encoders:
        name = f"{options.data.stem}-{encoder}-{options.seed}"
        answer = options.output / f"{name}.json"
        if answer.exists():
            continue
        start = time.perf_counter()
        model = train(
            seen, options.output / f"{name}.safetensors", configuration(encoder, options), overwrite=True
        ).model
        found = metrics(compare(model, judged.groups[0]))
        found |= {
            "data": options.data.stem,
            "encoder": encoder,
            "steps": options.steps,
            "minutes": (time.perf_counter() - start) / 60,
            "parameters": sum(p.numel() for p in model.potential.parameters()),
        }
        answer.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def cost(options: argparse.Namespace) -> None:
    """Measure energies and the force on the lowest state, blocks of molecules, all encoders in turns."""
    torch.set_num_threads(1)
    seen, _ = parts_of(options.data)
    group = seen.groups[0]
    elements = elements_of(seen)
    numbers = tuple(int(number) for number in group.atomic_numbers)
    few = samples_together((group.select(np.arange(min(64, group.n_frames))),))
    models = {}
    for encoder in options.encoders:
        potential = build_network(
            configuration(encoder, options), few, shortest_distances(seen, elements), elements
        )
        potential.requires_grad_(False)
        shortest = torch.zeros(len(elements), len(elements), dtype=torch.float64)
        models[encoder] = LearnedModel(encoder, potential, numbers, None, shortest)
    times: dict[str, list[float]] = {encoder: [] for encoder in models}
    for turn in range(options.turns + 1):
        for encoder, model in models.items():
            n = model.block_width
            positions = torch.from_numpy(np.resize(group.positions, (n, *group.positions.shape[1:])))
            start = time.process_time()
            active_surface(model, positions, torch.zeros(n, dtype=torch.long))
            # The first turn compiles and fills caches.
            if turn:
                times[encoder].append((time.process_time() - start) / (n * len(numbers)))
    found = {
        encoder: {
            "microseconds": 1e6 * statistics.median(own),
            "parameters": sum(p.numel() for p in models[encoder].potential.parameters()),
            "invariants": models[encoder].potential.network.encoder.n_invariants,
        }
        for encoder, own in times.items()
    }
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1)
    (options.output / f"cost-{options.data.stem}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def table(options: argparse.Namespace) -> None:
    """Print a line of Markdown for each training."""
    print("| data | encoder | " + " | ".join(SHOWN.values()) + " |")
    print("|---|---|" + "---|" * len(SHOWN))
    for path in sorted(options.output.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if "encoder" not in found:
            continue
        values = [found.get(key, "") for key in SHOWN]
        cells = []
        for value in values:
            several = value if isinstance(value, list) else [value]
            cells.append(" / ".join(f"{one:.3g}" if isinstance(one, float) else f"{one}" for one in several))
        print(f"| {found['data']} | {found['encoder']} | " + " | ".join(cells) + " |")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "cost"):
        own = commands.add_parser(name)
        own.add_argument("data", type=Path)
        own.add_argument("--output", type=Path, required=True)
        own.add_argument("--encoders", nargs="+", choices=list(ENCODERS), default=list(ENCODERS))
        own.add_argument("--basis")
        own.add_argument("--seed", type=int, default=1)
        own.add_argument("--steps", type=int)
        own.add_argument("--minutes", type=float, default=5.0)
        own.add_argument("--turns", type=int, default=9)
    commands.add_parser("table").add_argument("output", type=Path)
    options = parser.parse_args()
    {"run": run, "cost": cost, "table": table}[options.command](options)


if __name__ == "__main__":
    main()
