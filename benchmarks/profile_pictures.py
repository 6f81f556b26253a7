"""Where the time of a step goes: surface hopping of 24 atoms and 3 states, a training step, a crystal.

    python benchmarks/profile_pictures.py [--picture where_time_goes.png] [--repeats 60]
    python benchmarks/profile_pictures.py --batch-sizes 4 8 16 32

Each part of a step is a function that is timed where it is called, in processor time, without what the parts
within it take; what no part takes is the rest. Beside it stands what a step takes without these clocks.
Medians, one thread. With sizes of batches: the parts of a training step in each, measured in turn, and the
line through them, whose start is what a step costs however few frames a process has.
"""

import argparse
import functools
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import training_step
from listed_cost import copper, model_of
from matplotlib.figure import Figure
from step_cost import random_model, stepper
from training_step import Step, cases

import nadyn
from nadyn.analysis.plots_style import COLOURS, INK, QUIET, save_picture
from nadyn.data.kept_neighbors import KeptNeighbors
from nadyn.dynamics.decoherence import energy_based
from nadyn.dynamics.hops.representation import SpinFree
from nadyn.dynamics.methods import fssh
from nadyn.dynamics.run import loop as run_loop
from nadyn.electronic import surfaces
from nadyn.models.kernels.bound import Bound
from nadyn.models.kernels.listed_bound import ListedBound
from nadyn.training import optimizers, predictions
from nadyn.training.averaging import WeightAverage
from nadyn.training.second_order import (
    assembly,
    directions,
    encoding,
    evaluation,
    layers,
    vectors,
)
from nadyn.trajectory import TrajectoryWriter

REST = "all the rest"
# Of each profile: what a part is called, and the functions that it consists of.
Parts = dict[str, list[tuple[object, str]]]
HOPPING: Parts = {
    "kernel, forwards": [(Bound, "evaluate")],
    "kernel, backwards": [(Bound, "gradient")],
    "levels and eigenvectors": [(surfaces, "levels")],
    "velocity Verlet around them": [(fssh, "verlet")],
    "propagation of coefficients": [(SpinFree, "propagate")],
    "hops": [(fssh, "attempt_hops")],
    "decoherence": [(energy_based, "energy_based_decoherence"), (energy_based, "kinetic_energy")],
}
TRAINING: Parts = {
    "networks": [(layers, name) for name in ("evaluate", "pull_back", "push_forward", "gradients")],
    "encoding": [
        (encoding, name)
        for name in (
            *("encode", "pull_back", "pull_back_to_channels", "push_forward", "add_of_mixing"),
            "of_directions",
        )
    ],
    "directions": [(directions, name) for name in ("sources", "push_forward", "pull_back", "bend")],
    "slopes in positions": [(vectors, "pull_back"), (vectors, "push_forward")],
    "geometry of displaced frames": [(predictions, "geometry")],
    "levels and eigenvectors": [(evaluation, "eigh"), (evaluation, "matrix_cotangent")],
    "sums over atoms": [
        *((evaluation.Evaluation, name) for name in ("_matrix", "_per_frame", "_of_sums", "_reference")),
        *((assembly.Assembly, name) for name in ("coefficients", "sums", "parts")),
    ],
    "loss": [(training_step, name) for name in ("residuals", "total_loss", "surplus_penalty")],
    "Muon's matrices": [(optimizers, "orthogonal_each")],
    "other of the optimizer": [(optimizers.Muon, "step")],
    "average and length of the gradient": [
        (WeightAverage, "update"),
        (torch.nn.utils, "clip_grad_norm_"),
    ],
}
CRYSTAL: Parts = {
    "kernel": [(ListedBound, "evaluate")],
    "lists of neighbours": [(KeptNeighbors, "candidates")],
    "what may end a trajectory": [(run_loop, "statuses")],
    "writing": [(TrajectoryWriter, "write_frame"), (TrajectoryWriter, "checkpoint")],
}


class Watch:
    """Processor time of parts, each without those within it.

    Attributes:
        seconds: So far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._within = [0.0]

    def timed(self, part: str, function: Callable) -> Callable:
        """Return a function that counts its time as that of a part."""

        @functools.wraps(function)
        def work(*arguments, **options):
            self._within.append(0.0)
            began = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                taken = time.process_time() - began
                self.seconds[part] += taken - self._within.pop()
                self._within[-1] += taken

        return work

    @contextmanager
    def over(self, parts: Parts):
        """Watch parts while the block runs."""
        with ExitStack() as stack:
            for part, functions in parts.items():
                for owner, name in functions:
                    stack.enter_context(patch.object(owner, name, self.timed(part, getattr(owner, name))))
            yield self


def profile(step: Callable[[], object], parts: Parts, repeats: int) -> tuple[dict[str, float], float]:
    """Return the time of each part of a step, the rest last, and that of a step without a watch [ms].

    Both are medians of alternated steps.
    """
    bare, found = [], []
    for number in range(repeats + 2):
        # The second of two steps counts: where functions are exchanged, Python has to look for all anew.
        step()
        began = time.process_time()
        step()
        taken = time.process_time() - began
        watch = Watch()
        with watch.over(parts):
            step()
            watch.seconds.clear()
            watch.timed(REST, step)()
        if number > 1:  # the first steps compile and allocate
            bare.append(taken)
            found.append(dict(watch.seconds))
    return _medians(found, parts), 1e3 * float(np.median(bare))


def _medians(found: list[dict[str, float]], parts: Parts) -> dict[str, float]:
    return {name: 1e3 * float(np.median([one.get(name, 0.0) for one in found])) for name in (*parts, REST)}


def training(repeats: int) -> tuple[dict[str, float], float]:
    """Return the same of a training step of hexafluorobutene in batches of 16."""
    group, basis = cases(320)["hexafluorobutene"]
    step = Step(group, basis, "moments", "muon", 16)
    numbers = iter(range(10 * repeats + 100))
    return profile(lambda: step.take(next(numbers), "written"), TRAINING, repeats)


def of_batch_sizes(sizes: list[int], repeats: int) -> None:
    """Print the parts of a training step in batches of several sizes, and what of each has no frames."""
    steps = {}
    for size in sizes:
        group, basis = cases(10 * size)["hexafluorobutene"]
        steps[size] = Step(group, basis, "moments", "muon", size)
    found: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    for number in range(repeats + 3):
        for size, step in steps.items():
            watch = Watch()
            with watch.over(TRAINING):
                step.take(number, "written")
                watch.seconds.clear()
                watch.timed(REST, step.take)(number, "written")
            if number > 2:
                found[size].append(dict(watch.seconds))
    parts = {size: _medians(found[size], TRAINING) for size in sizes}
    rows = {name: [parts[size][name] for size in sizes] for name in (*TRAINING, REST)}
    rows["all"] = [sum(parts[size].values()) for size in sizes]
    print(f"{'ms a step, frames:':36}" + "".join(f"{size:8}" for size in sizes) + "   fixed  a frame")
    for name, values in rows.items():
        slope, start = np.polyfit(sizes, values, 1)
        print(f"{name:36}" + "".join(f"{one:8.2f}" for one in values) + f"{start:8.2f}{slope:9.3f}")


def crystal(repeats: int) -> tuple[dict[str, float], float]:
    """Return the same of a step of 864 atoms of copper by the runner, with frames every ten steps."""
    atoms = copper(6)
    model, _ = model_of(atoms, 5.5)
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.extxyz"
        atoms.write(start)

        def ran(n_steps: int) -> None:
            config = {
                "initial": {"structure": str(start), "temperature_kelvin": 300, "n": 1},
                "method": "nve",
                "dt_fs": 1.0,
                "time_fs": float(n_steps),
                "write_every": 10,
                "seed": 1,
                "stop": {"novelty": 1.0},
                "max_energy_step_ev": 1e6,
                "output": str(Path(folder) / "run.h5"),
            }
            nadyn.run(config, model=model, overwrite=True, progress=False)

        # What a run takes beside its steps is the same for short ones and long ones.
        short, long = repeats, 3 * repeats
        times, found = {}, {}
        ran(2)
        for n_steps in (short, long):
            began = time.process_time()
            ran(n_steps)
            times[n_steps] = time.process_time() - began
            watch = Watch()
            with watch.over(CRYSTAL):
                watch.timed(REST, ran)(n_steps)
            found[n_steps] = watch.seconds
    a_step = 1e3 / (long - short)
    parts = {name: a_step * (found[long][name] - found[short][name]) for name in (*CRYSTAL, REST)}
    return parts, a_step * (times[long] - times[short])


def panel(axes: object, title: str, parts: dict[str, float], unit: str, factor: float) -> None:
    """Draw the parts of a step as bars, the largest at the top and the rest at the bottom."""
    names = [*sorted((name for name in parts if name != REST), key=lambda name: -parts[name]), REST]
    values, total = [factor * parts[name] for name in names], factor * sum(parts.values())
    colours = [QUIET if name == REST else COLOURS[0] for name in names]
    axes.barh(range(len(names)), values, color=colours, height=0.7)
    for place, value in enumerate(values):
        text = f" {value:.{1 if value >= 10 else 2}f}, {100 * value / total:.0f} %"
        axes.text(value, place, text, va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(names)), names, fontsize=8, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.35 * max(values))
    axes.set_xlabel(unit, fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, fontsize=9, color=INK, loc="left")


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, help="where to draw it")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--batch-sizes", type=int, nargs="+", help="of the training step alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.batch_sizes:
        of_batch_sizes(options.batch_sizes, options.repeats)
        return
    model = random_model()
    profiles = {
        f"Surface hopping, {name}": (
            *profile(stepper(model, n)[0], HOPPING, max(5, repeats)),
            "microseconds a trajectory",
            1e3 / n,
        )
        for name, n, repeats in (
            ("1,000 trajectories", 1000, options.repeats // 5),
            ("one trajectory", 1, 5 * options.repeats),
        )
    }
    profiles["Training step, hexafluorobutene, 16 frames"] = (*training(options.repeats), "ms", 1.0)
    profiles["Step of 864 atoms of copper"] = (
        *crystal(5 * options.repeats),
        "microseconds an atom",
        1e3 / 864,
    )
    for title, (parts, bare, unit, factor) in profiles.items():
        total = sum(parts.values())
        print(f"{title}: {factor * total:.2f} {unit}, without a watch {factor * bare:.2f}")
        for name, value in parts.items():
            print(f"    {name:30} {factor * value:8.2f}  {100 * value / total:5.1f} %", flush=True)
    if options.picture:
        figure = Figure(figsize=(10, 6.4), layout="constrained")
        for axes, (title, (parts, _, unit, factor)) in zip(
            figure.subplots(2, 2).flat, profiles.items(), strict=True
        ):
            panel(axes, title, parts, unit, factor)
        save_picture(figure, options.picture)


if __name__ == "__main__":
    main()
