"""What a network without symmetry makes of benzene whose atoms are numbered in another way.

    python examples/08_benzene_relabelled.py [--frames 200] [--steps 600] [--output benzene]

A plain network reads the 36 coordinates; nadyn's reads density moments. Both learn energies and forces of the
same frames from an analytic force field. Then the atoms are renumbered around the ring, and forces are looked
at in the D6h minimum, where symmetry makes all vanish that do not point along the radii or differ between
like atoms. A third network is the plain one, punished in training for the worst of eight random rotations and
renumberings of each frame.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import nadyn
from nadyn.data import Dataset, group_from_arrays, write_dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

NUMBERS = (6,) * 6 + (1,) * 6
CARBON, HYDROGEN = 2.64, 4.68  # radii of the rings [bohr]
AROUND = (1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 6)
EnergiesAndForces = tuple[Tensor, Tensor]


def minimum() -> Tensor:
    """Return the D6h minimum of the force field [bohr], (atom, 3)."""
    angles = torch.arange(6, dtype=torch.float64) * (torch.pi / 3)
    ring = torch.stack([angles.cos(), angles.sin(), torch.zeros_like(angles)], dim=1)
    return torch.cat([CARBON * ring, HYDROGEN * ring])


def force_field(positions: Tensor) -> Tensor:
    """Return energies [hartree]: Morse functions of bonds, springs between all others; 0 at the minimum."""
    first, second = torch.triu_indices(12, 12, offset=1)
    rest = (minimum()[first] - minimum()[second]).norm(dim=-1)
    stretched = (positions[:, first] - positions[:, second]).norm(dim=-1) - rest
    bonds = rest < 3.0
    morse = 0.18 * (1.0 - torch.exp(-1.0 * stretched)) ** 2
    springs = 0.06 * (stretched / rest) ** 2
    return torch.where(bonds, morse, springs).sum(-1)


def with_forces(energy: Callable[[Tensor], Tensor], positions: Tensor, *, graph: bool = False) -> tuple:
    """Return energies and forces of a function of the positions."""
    positions = positions.detach().requires_grad_(True)
    energies = energy(positions)
    (gradient,) = torch.autograd.grad(energies.sum(), positions, create_graph=graph)
    return (energies, -gradient) if graph else (energies.detach(), -gradient)


def turned_and_renumbered(positions: Tensor, random: torch.Generator) -> Tensor:
    """Return every frame turned at random, with carbons and hydrogens in a random order."""
    turns = torch.linalg.qr(torch.randn(len(positions), 3, 3, generator=random, dtype=torch.float64))[0]
    order = torch.cat([torch.randperm(6, generator=random), 6 + torch.randperm(6, generator=random)])
    return positions[:, order] @ turns


class PlainNetwork(nn.Module):
    """Energy [hartree] from coordinates relative to their mean, in the order of the atoms."""

    def __init__(self, positions: Tensor, energies: Tensor):
        super().__init__()
        self.scale, self.mean = float(energies.std()), float(energies.mean())
        self.spread = float((positions - positions.mean(0)).std())
        self.centre = positions.mean(0)
        layers = [nn.Linear(36, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 1)]
        self.layers = nn.Sequential(*layers).double()

    def forward(self, positions: Tensor) -> Tensor:
        """Return energies of frames (frame, atom, 3)."""
        centred = positions - positions.mean(1, keepdim=True)
        return self.mean + self.scale * self.layers(((centred - self.centre) / self.spread).flatten(1))[:, 0]


def train_plain(positions: Tensor, steps: int, *, penalty: float) -> PlainNetwork:
    """Return a plain network trained on energies and forces; with a penalty on the worst of eight copies."""
    random = torch.Generator().manual_seed(1)
    torch.manual_seed(1)
    energies, forces = with_forces(force_field, positions)
    network = PlainNetwork(positions, energies)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randperm(len(positions), generator=random)[:16]
        found, pull = with_forces(network, positions[rows], graph=True)
        loss = ((found - energies[rows]) / network.scale).square().mean()
        loss = loss + ((pull - forces[rows]) / forces.std()).square().mean()
        if penalty:
            copies = torch.stack([turned_and_renumbered(positions[rows], random) for _ in range(8)])
            with torch.no_grad():
                errors = (network(copies.flatten(0, 1)).unflatten(0, (8, -1)) - found).abs()
            worst = copies[errors.argmax(0), torch.arange(len(rows))]
            loss = loss + penalty * ((network(worst) - found) / network.scale).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.requires_grad_(False)


def train_moments(positions: Tensor, steps: int, folder: Path) -> Callable[[Tensor], EnergiesAndForces]:
    """Return energies and forces of a potential on density moments, trained by nadyn."""
    energies, forces = with_forces(force_field, positions)
    group = group_from_arrays(
        "benzene",
        atomic_numbers=NUMBERS,
        positions=positions.numpy(),
        energies=energies.numpy()[:, None],
        forces=forces.numpy()[:, None],
        theory="springs",
        source="examples/08_benzene_relabelled.py",
        licence="MIT",
    )
    dataset = Dataset((group,))
    write_dataset(folder / "benzene.h5", dataset, overwrite=True)
    configuration = TrainingConfiguration(
        steps=steps,
        warmup_steps=20,
        encoder={"name": "moments", "cutoff_angstrom": 4.0, "n_channels": 4, "n_radial": 6},
        model={"hidden": (32, 32)},
    )
    model = train(dataset, folder / "benzene.safetensors", configuration, overwrite=True).model

    def evaluate(frames: Tensor) -> EnergiesAndForces:
        found = nadyn.surfaces(model, frames)
        return found.energies[:, 0], found.forces[:, 0]

    return evaluate


def judged(evaluate: Callable[[Tensor], EnergiesAndForces], unseen: Tensor) -> dict[str, float]:
    """Return errors on unseen frames, and what the network makes of other numberings and of the minimum."""
    energies, forces = with_forces(force_field, unseen)
    found, pull = evaluate(unseen)
    renumbered, _ = evaluate(unseen[:, list(AROUND)])
    turned, _ = evaluate(turned_and_renumbered(unseen, torch.Generator().manual_seed(9)))
    at_minimum = evaluate(minimum()[None])[1][0]
    radial = torch.nn.functional.normalize(minimum(), dim=1)
    along = (at_minimum * radial).sum(1).unflatten(0, (2, 6))
    allowed = along.mean(1, keepdim=True).expand(2, 6).flatten()[:, None] * radial
    mev, force = 1000 * ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU
    return {
        "energy, unseen frames [meV]": mev * float((found - energies).abs().mean()),
        "force, unseen frames [eV/Å]": force * float((pull - forces).abs().mean()),
        "energy changed by renumbering [meV]": mev * float((renumbered - found).abs().mean()),
        "energy changed by turning, renumbering [meV]": mev * float((turned - found).abs().mean()),
        "forbidden force at the minimum [eV/Å]": force * float((at_minimum - allowed).abs().max()),
    }


def main() -> None:
    """Train three networks and print what each has learned, and what it violates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("benzene"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    noise = 0.12 * torch.randn(options.frames + 100, 12, 3, generator=random, dtype=torch.float64)
    seen, unseen = (minimum() + noise).split([options.frames, 100])

    results, seconds = {}, {}
    for name, penalty in (("plain", 0.0), ("plain, punished", 1.0)):
        start = time.perf_counter()
        network = train_plain(seen, options.steps, penalty=penalty)
        seconds[name] = time.perf_counter() - start
        results[name] = judged(lambda frames, own=network: with_forces(own, frames), unseen)
    start = time.perf_counter()
    evaluate = train_moments(seen, options.steps, options.output)
    seconds["moments"] = time.perf_counter() - start
    results["moments"] = judged(evaluate, unseen)

    print(f"{'':46}" + "".join(f"{name:>18}" for name in results))
    for row in results["plain"]:
        print(f"{row:46}" + "".join(f"{found[row]:18.2e}" for found in results.values()))
    print(f"{'seconds of training':46}" + "".join(f"{seconds[name]:18.1f}" for name in results))
    spread = ELECTRONVOLT_PER_HARTREE * 1000 * float(np.std(force_field(unseen).numpy()))
    print(f"The energies of the unseen frames spread by {spread:.0f} meV.")


if __name__ == "__main__":
    main()
