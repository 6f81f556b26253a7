"""How the cost of a step grows with atoms, states, the latent basis and the number of trajectories.

    python benchmarks/scaling.py [atoms states basis trajectories equivariant] [--repeats 7]

Energies with one force, and a step of surface hopping, of zigzag chains with random weights and the default
network, `moments` unless another encoder is named; one thread. All rows of a table are measured in turn, in
processor time; medians in microseconds, of atoms per atom, else per trajectory.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from step_cost import random_model, stepper, with_basis

from nadyn.electronic.surfaces import active_surface
from nadyn.models.encoders.equivariant import EquivariantSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential

ATOMS = (6, 12, 24, 48, 96, 192)
# So many rows of atoms are about as many as the kernels take at once.
ROWS = 3072
BASES = ("3x0e", "4x0e", "2x0e + 1x0o", "1x0e + 1x1o", "2x0e + 1x1o + 1x1e", "3x0e + 2x1o + 1x1e")


@dataclass(frozen=True)
class Row:
    """One row of a table: what it is, its model, its trajectories, and among how many its time is divided."""

    name: str
    model: LearnedModel
    n_trajectories: int
    divided_by: int


def neighbours(model: LearnedModel) -> float:
    """Return the mean number of neighbours of an atom."""
    places = model.starting_geometry
    apart = torch.cdist(places, places)
    return float(((apart < model.potential.network.cutoff).sum() - len(places)) / len(places))


def with_messages(model: LearnedModel) -> LearnedModel:
    """Return a model of the same size that hears messages, with random weights."""
    torch.manual_seed(1)
    settings = model.potential.settings
    own = settings.network.encoder
    encoder = EquivariantSettings(own.elements, own.cutoff, own.shortest)
    network = Potential(replace(settings, network=replace(settings.network, encoder=encoder)))
    network.requires_grad_(False)
    changed = replace(model, potential=network)
    frames = model.starting_geometry + 0.1 * torch.randn(64, *model.starting_geometry.shape).double()
    network.standardise([changed.surroundings(frames)])
    return changed


def rows_of(what: str) -> list[Row]:
    """Return the rows of a table."""
    match what:
        case "atoms" | "equivariant":
            models = [random_model(n_atoms=n) for n in ATOMS]
            if what == "equivariant":
                models = [with_messages(model) for model in models]
            return [
                Row(f"{n} atoms, {neighbours(model):.1f} neighbours", model, ROWS // n, ROWS)
                for n, model in zip(ATOMS, models, strict=True)
            ]
        case "states":
            return [Row(f"{n} states", random_model(n), 128, 128) for n in (1, 2, 3, 4, 6, 8)]
        case "basis":
            model = random_model()
            return [Row(basis, with_basis(model, basis), 128, 128) for basis in BASES]
        case _:
            model = random_model()
            return [Row(f"{n} trajectories", model, n, n) for n in (1, 2, 4, 8, 16, 32, 100, 1000)]


def works_of(row: Row) -> list[Callable[[], object]]:
    """Return what is measured: energies with a force, and a step where there are two states."""
    step, state = stepper(row.model, row.n_trajectories)
    surface = [lambda: active_surface(row.model, state.positions, state.active_state)]
    return surface if row.model.n_states == 1 else [*surface, step]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = ("atoms", "states", "basis", "trajectories", "equivariant")
    parser.add_argument("tables", nargs="*", default=list(kinds[:4]), metavar="|".join(kinds))
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for what in options.tables:
        rows = rows_of(what)
        works = [works_of(row) for row in rows]
        times: list[list[list[float]]] = [[[] for _ in own] for own in works]
        for number in range(options.repeats + 2):
            for own, found in zip(works, times, strict=True):
                for work, values in zip(own, found, strict=True):
                    began = time.process_time()
                    work()
                    if number > 1:  # the first calls compile and allocate
                        values.append(time.process_time() - began)
        divided = "an atom" if what in ("atoms", "equivariant") else "a trajectory"
        print(f"microseconds {divided}: energies and one force, a surface-hopping step")
        for row, found in zip(rows, times, strict=True):
            figures = [1e6 * statistics.median(values) / row.divided_by for values in found]
            print(f"    {row.name:32}" + "".join(f"{one:10.2f}" for one in np.array(figures)), flush=True)


if __name__ == "__main__":
    main()
