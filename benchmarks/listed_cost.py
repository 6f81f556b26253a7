"""What an atom costs in crystals and liquids, with the default atomic sum and random weights.

    python benchmarks/listed_cost.py [--cutoff 5.5] [--copper 3 6 10] [--water 4 8] [--repeats 7]

Energies and forces, and stress with them, of copper (4 n³ atoms) and of water at its density (3 n³ atoms,
turned at random), float32, one thread; a new list of neighbours, and what a step of molecular dynamics takes
in all: by nadyn's runner and by ASE. Processor time, medians. NADYN_FAST_PATH=0 measures the networks of
torch.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.md.verlet import VelocityVerlet
from scipy.spatial.transform import Rotation

import nadyn
from nadyn.data.kept_neighbors import candidates
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import active_surface
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential, atomic_sum
from nadyn.units import BOHR_PER_ANGSTROM

# Of water at 0.997 g/cm³ [Å³ a molecule].
VOLUME_OF_WATER = 29.9
STATE = torch.tensor([0])


def copper(n: int) -> Atoms:
    """Return 4 n³ atoms, shaken by 0.05 Å."""
    atoms = bulk("Cu", cubic=True, a=3.6) * (n, n, n)
    atoms.rattle(0.05, seed=1)
    return atoms


def water(n: int) -> Atoms:
    """Return n³ molecules on a shaken grid, turned at random."""
    generator, one, edge = np.random.default_rng(1), molecule("H2O"), VOLUME_OF_WATER ** (1 / 3)
    places = []
    for cell in np.ndindex(n, n, n):
        turn = Rotation.random(random_state=int(generator.integers(2**31)))
        shift = edge * np.array(cell) + generator.normal(0, 0.1, 3)
        places.append(turn.apply(one.positions - one.positions[0]) + shift)
    numbers = np.tile(one.numbers, n**3)
    return Atoms(numbers, np.concatenate(places), cell=[n * edge] * 3, pbc=True)


def model_of(atoms: Atoms, cutoff: float) -> tuple[LearnedModel, torch.Tensor]:
    """Return an atomic sum with the default network and random weights, and positions [bohr]."""
    numbers = tuple(int(z) for z in atoms.numbers)
    elements = tuple(sorted(set(numbers)))
    torch.manual_seed(1)
    encoder = MomentsSettings(elements, cutoff * BOHR_PER_ANGSTROM, 0.9 * BOHR_PER_ANGSTROM)
    potential = Potential(atomic_sum(NetworkSettings(encoder)))
    potential.requires_grad_(False)
    potential.reference.scale.fill_(1e-4)
    # Nothing holds atoms apart here, and none may be stopped.
    nearest = torch.full((len(elements), len(elements)), 1e-3, dtype=torch.float64)
    cell = torch.from_numpy(np.array(atoms.cell) * BOHR_PER_ANGSTROM)
    model = LearnedModel("random", potential, numbers, None, nearest, cell=cell, pbc=(True, True, True))
    return model, torch.from_numpy(atoms.positions * BOHR_PER_ANGSTROM)[None]


def median(work: Callable[[], object], repeats: int) -> float:
    """Return the median of the processor time of a call [s]; the first one is not counted."""
    work()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return statistics.median(times)


def runner(model: LearnedModel, atoms: Atoms, n_steps: int) -> float:
    """Return the processor time of a step of 1 fs at 300 K by nadyn's runner [s]."""
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.extxyz"
        atoms.write(start)
        # The first run is for whatever is loaded once.
        for n in (2, n_steps, 3 * n_steps):
            config = {
                "initial": {"structure": str(start), "temperature_kelvin": 300, "n": 1},
                "method": "nve",
                "dt_fs": 1.0,
                "time_fs": float(n),
                "write_every": 10,
                "seed": 1,
                "stop": {"novelty": 1.0},
                "max_energy_step_ev": 1e6,
                "output": str(Path(folder) / f"run_{n}.h5"),
            }
            began = time.process_time()
            nadyn.run(config, model=model, overwrite=True, progress=False)
            ends.append(time.process_time() - began)
    return (ends[2] - ends[1]) / (2 * n_steps)


def by_ase(model: LearnedModel, atoms: Atoms, n_steps: int) -> float:
    """Return the same by ASE's Verlet."""
    moved = atoms.copy()
    moved.calc = nadyn.ase_calculator(model)
    width = np.sqrt(300 * units.kB * moved.get_masses())[:, None]
    moved.set_momenta(width * np.random.default_rng(1).standard_normal(moved.positions.shape))
    dynamics = VelocityVerlet(moved, units.fs)
    dynamics.run(2)
    began = time.process_time()
    dynamics.run(n_steps)
    return (time.process_time() - began) / n_steps


def main() -> None:
    """Print one line a structure, microseconds an atom."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cutoff", type=float, default=5.5, help="[Å]")
    parser.add_argument("--copper", type=int, nargs="*", default=[3, 6, 10])
    parser.add_argument("--water", type=int, nargs="*", default=[4, 8])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("microseconds of processor time an atom")
    columns = ("forces", "and stress", "new list", "a step here", "by ASE")
    print(f"{'':22} {'neighbours':>10}" + "".join(f"{name:>12}" for name in columns))
    cases = [("copper", copper, n) for n in options.copper] + [("water", water, n) for n in options.water]
    for name, build, n in cases:
        atoms = build(n)
        model, positions = model_of(atoms, options.cutoff)
        numbers, reach = np.array(model.sorted_numbers), options.cutoff * BOHR_PER_ANGSTROM
        ordered = positions[0, model.order]

        def listed(ordered=ordered, model=model, numbers=numbers, reach=reach):
            return candidates(numbers, ordered, model.cell, model.pbc, reach + 1.8897261)

        near = candidates(numbers, ordered, model.cell, model.pbc, reach)
        times = [
            median(lambda m=model, x=positions: active_surface(m, x, STATE), options.repeats),
            median(lambda m=model, x=positions: strained_surface(m, x, STATE), options.repeats),
            median(listed, 3),
            runner(model, atoms, max(options.steps, 20_000 // len(atoms))),
            by_ase(model, atoms, max(options.steps, 20_000 // len(atoms))),
        ]
        figures = "".join(f"{1e6 * one / len(atoms):12.2f}" for one in times)
        print(f"{name:8} {len(atoms):7} atoms {len(near.centre) / len(atoms):10.1f}{figures}", flush=True)
    print(model.evaluation)


if __name__ == "__main__":
    main()
