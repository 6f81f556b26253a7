"""Processor time of other programs beside nadyn's in one run, each with random weights.

    python -m venv peers && peers/bin/python -m pip install . torchani "e3nn==0.4.4" mace-torch zinq
    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 peers/bin/python benchmarks/peers.py [--repeats 7]

Energies and forces of one state by TorchANI (100 geometries of ethanol) and MACE (24 atoms), and a
trajectory-step of fewest switches on Tully's first model by zinq; none of them is a dependency of nadyn, and
what is not installed is left out. They are of different classes, and a quicker one need not be as accurate:
docs/performance_peers.md says what each does. Everything is called in turn in one thread, in processor time;
medians.
"""

import argparse
import contextlib
import io
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from propagator_cost import nadyn_step
from step_cost import random_model
from training_step import ethanol

from nadyn.electronic.surfaces import active_surface
from nadyn.electronic.threads import threads
from nadyn.models.atomic_network import NetworkSettings
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.encoders.equivariant import EquivariantSettings
from nadyn.models.learned import LearnedModel
from nadyn.models.potential import Potential, atomic_sum
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

N_FRAMES = 100
TULLY = {"trajectories": 2000, "iterations": 1500, "time_step": 1}


@dataclass(frozen=True)
class Case:
    """One line of the table: what a program is, what one unit of its work is, and how it is called.

    Attributes:
        work: Does it.
        units: How many units that is.
        seconds: Tells the processor time of a call itself; None where it is that of this process.
    """

    what: str
    work: Callable[[], object]
    units: int
    seconds: Callable[[], float] | None = None


def learned(numbers: tuple[int, ...], geometry: np.ndarray, *, heard: bool) -> LearnedModel:
    """Return an atomic sum with random weights and the default networks; geometry in bohr."""
    elements = tuple(sorted(set(numbers)))
    kind = EquivariantSettings if heard else MomentsSettings
    encoder = kind(elements, 6.0 * BOHR_PER_ANGSTROM, 0.9 * BOHR_PER_ANGSTROM)
    torch.manual_seed(1)
    potential = Potential(atomic_sum(NetworkSettings(encoder)))
    potential.requires_grad_(False)
    nearest = torch.zeros(len(elements), len(elements), dtype=torch.float64)
    return LearnedModel("random", potential, numbers, torch.from_numpy(geometry), nearest)


def of_nadyn(model: LearnedModel, positions: torch.Tensor) -> Callable[[], object]:
    """Return energies and forces by a model."""
    states = torch.zeros(len(positions), dtype=torch.int64)
    return lambda: active_surface(model, positions, states)


def of_torchani(numbers: tuple[int, ...], positions: torch.Tensor) -> Callable[[], object]:
    """Return energies and forces by one network of the architecture of ANI."""
    from torchani.arch import simple_ani

    model = simple_ani(("H", "C", "N", "O"), lot="wb97x-631gd", ensemble_size=1, self_energies="zero")
    species = torch.tensor(numbers).expand(len(positions), -1)
    given = (positions * ANGSTROM_PER_BOHR).float().requires_grad_(True)

    def work() -> torch.Tensor:
        return torch.autograd.grad(model((species, given)).energies.sum(), given)[0]

    return work


def of_mace(numbers: tuple[int, ...], positions: torch.Tensor) -> Callable[[], object]:
    """Return energies and forces by a small MACE: two rounds, 64 invariant channels, correlation 3."""
    with contextlib.redirect_stdout(io.StringIO()):
        from e3nn import o3
        from mace import data, modules
        from mace.tools import AtomicNumberTable, torch_geometric

    import ase

    torch.set_default_dtype(torch.float32)
    elements = sorted(set(numbers))
    interaction = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=6.0,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=interaction,
        interaction_cls_first=interaction,
        num_interactions=2,
        num_elements=len(elements),
        hidden_irreps=o3.Irreps("64x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=np.zeros(len(elements)),
        avg_num_neighbors=15.0,
        atomic_numbers=elements,
        correlation=3,
        gate=torch.nn.functional.silu,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )
    table = AtomicNumberTable(elements)
    frames = [
        data.AtomicData.from_config(
            data.config_from_atoms(ase.Atoms(numbers, one.numpy() * ANGSTROM_PER_BOHR)),
            z_table=table,
            cutoff=6.0,
        )
        for one in positions
    ]
    batch = next(iter(torch_geometric.dataloader.DataLoader(frames, batch_size=len(frames)))).to_dict()
    return lambda: model(batch, training=False, compute_force=True)["forces"]


def of_zinq() -> Callable[[], float]:
    """Return what runs fewest switches on Tully's first model by zinq, and says its processor time."""
    dynamics = {
        "initial_conditions": {"position": [-10], "momentum": [20], "state": 0},
        "potential": {"tully_1": {}},
        "nonadiabatic": {"surface_hopping": {"fewest_switches": {"coupling": {"hst": {}}}}},
        "mass": [2000],
        "adiabatic": True,
        "log_interval": TULLY["iterations"],
        **TULLY,
    }

    def work() -> float:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "input.json").write_text(
                json.dumps({"zinq": [{"classical_dynamics": dynamics}]}), encoding="utf-8"
            )
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [program("zinq"), "input.json"], cwd=folder, capture_output=True, text=True, check=False
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(f"zinq has failed: {done.stdout[-500:]} {done.stderr[-500:]}")
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    return work


def program(name: str) -> str | None:
    """Return where a program is, beside this Python or on the path."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def cases() -> list[list[Case]]:
    """Return the lines that are compared with each other."""
    group = ethanol(N_FRAMES)
    numbers, positions = tuple(map(int, group.atomic_numbers)), torch.from_numpy(group.positions)
    small = [
        Case(
            f"nadyn, `{name}`, 9 atoms",
            of_nadyn(learned(numbers, group.positions[0], heard=heard), positions),
            N_FRAMES,
        )
        for name, heard in (("moments", False), ("equivariant", True))
    ]
    if find_spec("torchani"):
        small.append(Case("TorchANI, one network, 9 atoms", of_torchani(numbers, positions), N_FRAMES))
    chain = random_model(1)
    places = chain.starting_geometry + 0.1 * torch.randn(10, 24, 3, dtype=torch.float64)
    large = [
        Case(
            f"nadyn, `{name}`, 24 atoms",
            of_nadyn(learned(chain.atomic_numbers, chain.starting_geometry.numpy(), heard=heard), places),
            len(places),
        )
        for name, heard in (("moments", False), ("equivariant", True))
    ]
    if find_spec("mace"):
        large.append(
            Case(
                "MACE, 24 atoms",
                of_mace(chain.atomic_numbers, places),
                len(places),
            )
        )
    step = nadyn_step(TULLY["trajectories"])
    hops = [
        Case("nadyn, Tully's first model", lambda: [step() for _ in range(30)], 30 * TULLY["trajectories"])
    ]
    if program("zinq"):
        work = of_zinq()
        hops.append(
            Case(
                "zinq, ten electronic steps in each",
                work,
                TULLY["trajectories"] * TULLY["iterations"],
                seconds=work,
            )
        )
    return [small, large, hops]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    with threads(1):
        for together in cases():
            times: dict[str, list[float]] = {case.what: [] for case in together}
            for number in range(options.repeats + 2):
                for case in together:
                    start = time.process_time()
                    taken = case.seconds() if case.seconds else (case.work(), time.process_time() - start)[1]
                    if number > 1:
                        times[case.what].append(1e6 * taken / case.units)
            first = statistics.median(times[together[0].what])
            for name, found in times.items():
                middle = statistics.median(found)
                print(f"{name:45} {middle:10.2f} microseconds  {middle / first:7.2f}", flush=True)


if __name__ == "__main__":
    main()
