"""Time of a training step by part, beside the bare matrix products of its networks.

    python benchmarks/training_step.py [--repeats 30] [--batch-size 16] [--encoder moments]

Four molecules: hexafluorobutene (12 atoms, two states with couplings) and ammonia (4 atoms, likewise) as
they are shipped, ethylene (6 atoms, three states with couplings) with labels beside these files, and
ethanol, one state, with frames and labels made up. `written` is the step as a training takes it, `graph` with
derivatives through the graph of autograd, as for encoders that are not written out.
The floor is what no implementation of the same networks avoids: for each layer three products of the batch
and three of every pair of states that is asked for. Everything is measured alternately in one thread, in
processor time, so that other work on the machine hurts all alike; medians in milliseconds.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

import nadyn
from nadyn.data import Dataset, Group, read_dataset
from nadyn.models.potential import Potential
from nadyn.training import predictions
from nadyn.training.averaging import WeightAverage
from nadyn.training.build import build_network, elements_of, shortest_distances
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.losses import NoiseScales, residuals, surplus_penalty, total_loss
from nadyn.training.optimizers import OPTIMIZERS
from nadyn.training.predictions import label_pairs, predict_beside
from nadyn.training.prepared import prepared
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import Samples, batches, displaced_frames, samples_together
from nadyn.training.step import parameter_groups
from nadyn.units import BOHR_PER_ANGSTROM

LABELS = Path(__file__).parent / "ethylene_labels"
MARGIN = 0.0184
BOUNDS = {quantity.name: 2.0 for quantity in QUANTITIES}


def ethanol(n_frames: int) -> Group:
    """Return distorted frames of ethanol with made-up labels; geometry in ångström."""
    numbers = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
    geometry = np.array(
        [
            [-1.19, -0.39, 0.0],
            [0.0, 0.55, 0.0],
            [1.19, -0.22, 0.0],
            [-2.13, 0.15, 0.0],
            [-1.17, -1.03, 0.88],
            [-1.17, -1.03, -0.88],
            [-0.03, 1.19, 0.88],
            [-0.03, 1.19, -0.88],
            [1.94, 0.38, 0.0],
        ]
    )
    generator = np.random.default_rng(1)
    noise = 0.08 * generator.standard_normal((n_frames, 9, 3))
    energies = -155.0 + 0.01 * generator.standard_normal((n_frames, 1))
    forces = 0.02 * generator.standard_normal((n_frames, 1, 9, 3))
    return Group("ethanol", numbers, (geometry + noise) * BOHR_PER_ANGSTROM, energies, forces=forces)


def cases(n_frames: int) -> dict[str, tuple[Group, str]]:
    """Return each molecule with its latent basis."""
    found = {}
    for name, basis in (("hexafluorobutene", "2x0e + 1x1o + 1x1e"), ("ammonia", "1x0e + 1x1o")):
        group = read_dataset(nadyn.shipped.path(f"{name}/{name}.h5")).groups[0]
        found[name] = (group.select(np.arange(min(n_frames, group.n_frames))), basis)
    group = read_dataset(LABELS / "labels.h5").groups[0]
    found["ethylene"] = (group.select(np.arange(min(n_frames, group.n_frames))), "3x0e + 1x1o + 1x1e")
    return found | {"ethanol": (ethanol(n_frames), "auto")}


def floor(potential: Potential, samples: Samples, batch_size: int, n_pairs: int) -> Callable[[], None]:
    """Return a function that makes the matrix products of a step only."""
    work: list[tuple[Tensor, Tensor, Tensor]] = []
    for element, layers in zip(potential.network.elements, potential.network.networks.networks, strict=True):
        n_rows = samples.numbers.count(element) * batch_size * (n_pairs + 1)
        for layer in layers:
            if isinstance(layer, torch.nn.Linear):
                weights = layer.weight.detach()
                work.append((weights, *(torch.randn(n_rows, n) for n in weights.T.shape)))

    def products() -> None:
        for weights, inputs, outputs in work:
            inputs @ weights.T
            outputs @ weights
            outputs.T @ inputs

    return products


class Step:
    """A training step in parts, whose times are kept."""

    def __init__(self, group: Group, basis: str, encoder: str, optimizer: str, batch_size: int):
        data = Dataset((group,))
        configuration = TrainingConfiguration.model_validate(
            {
                "epochs": 1,
                "encoder": {"name": encoder},
                "model": {"basis": basis},
                "optimizer": optimizer,
                "batch_size": batch_size,
            }
        )
        samples, elements = samples_together(data.groups), elements_of(data)
        self.potential = build_network(configuration, samples, shortest_distances(data, elements), elements)
        self.weights = configuration.weights.model_dump()
        groups = parameter_groups(self.potential, configuration.weight_decay)
        self.optimizer = OPTIMIZERS[optimizer](groups, lr=1e-4)
        self.average = WeightAverage(self.potential, 0.999)
        self.scales = NoiseScales({})
        self.pairs = label_pairs(samples, self.potential.n_states)
        self.bare = list(batches(samples, batch_size, seed=1, epoch=0))
        self.ready = list(batches(prepared(self.potential, samples), batch_size, seed=1, epoch=0))
        self.floor = floor(self.potential, samples[0], batch_size, len(self.pairs))
        self.times: dict[str, list[float]] = {}

    def timed(self, name: str, function: Callable[[], object]) -> object:
        """Return what a function gives, and keep its time."""
        start = time.process_time()
        result = function()
        self.times.setdefault(name, []).append(1e3 * (time.process_time() - start))
        return result

    def take(self, number: int, how: str) -> None:
        """Take a step; the optimizer moves once for both ways."""
        batch = (self.ready if how == "written" else self.bare)[number % len(self.bare)]
        potential, parameters = self.potential, list(self.potential.parameters())
        self.optimizer.zero_grad(set_to_none=True)
        has_surplus = potential.n_basis > potential.n_states
        displaced = displaced_frames(batch, 0.5, seed=1, step=number) if has_surplus else ()

        def loss() -> Tensor:
            values = residuals(found, batch)
            total = total_loss(values, self.scales, weights=self.weights, outlier_sigmas=BOUNDS)
            own = [one.surplus_gap for one in found]
            return total + surplus_penalty(torch.cat([*own, gaps]), MARGIN) if displaced else total

        def forward() -> object:
            return predict_beside(potential, batch, self.pairs, displaced)

        found, gaps = self.timed(f"{how} prediction", forward)
        total = self.timed("loss", loss)
        self.timed(f"{how} backward", lambda: torch.autograd.backward(total, inputs=parameters))
        if how == "written":
            self.timed("clipping", lambda: torch.nn.utils.clip_grad_norm_(parameters, 10.0))
            self.timed("optimizer", self.optimizer.step)
            self.timed("average", lambda: self.average.update(potential, number))

    def measure(self, repeats: int) -> dict[str, float]:
        """Return the median time of each part."""
        for number in range(repeats + 3):
            self.timed("floor", self.floor)
            self.take(number, "written")
            with patch.object(predictions, "fits", lambda potential: False):
                self.take(number, "graph")
            if number == 2:  # the first steps allocate memory and make machine code
                self.times.clear()
        return {name: statistics.median(values) for name, values in self.times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--encoder", choices=("moments", "equivariant"), default="moments")
    parser.add_argument("--molecule", choices=("hexafluorobutene", "ammonia", "ethylene", "ethanol"))
    parser.add_argument("--optimizer", choices=sorted(OPTIMIZERS), default="muon")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, (group, basis) in cases(20 * options.batch_size).items():
        if options.molecule not in (None, name):
            continue
        step = Step(group, basis, options.encoder, options.optimizer, options.batch_size)
        found = step.measure(options.repeats)
        rest = sum(found[part] for part in ("loss", "clipping", "optimizer", "average"))
        print(f"{name}: floor {found['floor']:.1f} ms")
        for part, value in found.items():
            print(f"    {part:20} {value:7.1f} ms  {value / found['floor']:5.2f} floors")
        for how in ("graph", "written"):
            total = found[f"{how} prediction"] + found[f"{how} backward"] + rest
            print(f"  {how:22} {total:7.1f} ms  {total / found['floor']:5.2f} floors a step", flush=True)


if __name__ == "__main__":
    main()
