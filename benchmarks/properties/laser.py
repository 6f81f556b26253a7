"""A learned model in a laser field beside the analytic model that it was trained on.

python laser.py            trains for a few minutes, runs 400 trajectories of each, prints populations

The analytic model are two states of a bent molecule of three atoms: springs between all of them, charges that
depend on the distances, a transition dipole of two bonds.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from nadyn.checks.configuration import parse_configuration
from nadyn.data import Dataset, group_from_arrays
from nadyn.dynamics.initial import InitialSection, sample_oscillators
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.table import motion_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.surfaces import surfaces
from nadyn.models.model import CARTESIAN_LAWS, Evaluation
from nadyn.structures import masses
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train

N, STEPS = 400, 240
GAP = 0.16
START = np.array([[0.0, 0.0, 0.0], [0.0, 1.45, 1.1], [0.0, -1.45, 1.1]])


@dataclass(frozen=True, eq=False)
class Teacher:
    """Two diabatic states of a bent molecule."""

    name: ClassVar[str] = "bent"
    operators: ClassVar[tuple[str, ...]] = ("dipole",)
    coordinates: ClassVar[str] = "cartesian"
    laws: ClassVar[frozenset[str]] = CARTESIAN_LAWS
    atomic_numbers: ClassVar[tuple[int, ...]] = (8, 1, 1)
    masses: ClassVar[torch.Tensor] = torch.from_numpy(masses((8, 1, 1)))
    fixed_diabatic_basis: ClassVar[bool] = True
    block_width: ClassVar[int] = 128
    shortest_distances: ClassVar[None] = None
    n_states: ClassVar[int] = 2
    n_basis: ClassVar[int] = 2
    starting_geometry: ClassVar[torch.Tensor] = torch.from_numpy(START)

    def evaluate(self, positions):
        first, second, across = self._distances(positions)
        ground = 0.25 * ((first - 1.82) ** 2 + (second - 1.82) ** 2) + 0.06 * (across - 2.9) ** 2
        excited = GAP + 0.21 * ((first - 1.9) ** 2 + (second - 1.9) ** 2) + 0.05 * (across - 3.1) ** 2
        off = 0.004 + 0.01 * (across - 2.9)
        matrix = torch.stack([ground, off, off, excited], dim=1).reshape(-1, 2, 2)
        return Evaluation(matrix, torch.zeros_like(first))

    def operator(self, name, positions):
        first, second, _ = self._distances(positions)
        bonds = positions[:, 1:] - positions[:, :1]
        ground = 0.3 + 0.1 * (torch.stack([first, second], dim=1) - 1.82)
        excited = -0.1 + 0.15 * (torch.stack([first, second], dim=1) - 1.82)
        between = 0.45 - 0.2 * (torch.stack([first, second], dim=1) - 1.82)
        sums = [(own[:, :, None] * bonds).sum(1) for own in (ground, between, between, excited)]
        return torch.stack(sums, dim=1).reshape(-1, 2, 2, 3)

    def _distances(self, positions):
        pairs = ((0, 1), (0, 2), (1, 2))
        return [(positions[:, i] - positions[:, j]).norm(dim=1) for i, j in pairs]


def labels(model, positions):
    found = surfaces(model, torch.from_numpy(positions))
    signs = np.random.default_rng(1).choice([-1.0, 1.0], size=(len(positions), 2))
    both = signs[:, 0] * signs[:, 1]
    dipoles = found.dipoles.numpy() * (signs[:, :, None] * signs[:, None])[..., None]
    return group_from_arrays(
        "bent",
        atomic_numbers=model.atomic_numbers,
        positions=positions,
        energies=found.energies.numpy(),
        forces=found.forces.numpy(),
        interstate_couplings=(found.interstate_coupling[:, 0, 1].numpy() * both[:, None, None])[:, None],
        dipoles=dipoles,
        charge=0,
        multiplicities=(1, 1),
    )


def driven(model, initial):
    """Return populations of both kinds after each step: of active states and of coefficients."""
    laser = {
        "peak_field_au": 0.01,
        "photon_energy_ev": 4.6,
        "fwhm_fs": 12.0,
        "centre_fs": 22.0,
        "polarisation": [0.0, 0.0, 1.0],
    }
    content = {
        "initial": {"sample": "wigner", "n": N},
        "time_fs": 60,
        "dt_fs": 0.25,
        "method": "fssh",
        "laser": laser,
        "seed": 5,
    }
    config = parse_configuration(content, RunConfiguration, where="laser")
    motion = motion_of(config, model, model.masses)
    positions, momenta = torch.from_numpy(initial.positions), torch.from_numpy(initial.momenta)
    state = motion.begin(
        start_in_state(model, positions, momenta, masses=model.masses, active_state=0), model
    )
    active, electronic = [], []
    for _ in range(STEPS):
        state = motion.step(state, model).state
        active.append(state.active_state.double().numpy())
        electronic.append((state.coefficients.abs()[:, 1] ** 2).numpy())
    return np.array(active), np.array(electronic)


def main():
    teacher = Teacher()
    section = InitialSection(sample="wigner", n=N)
    found = oscillators(teacher, section)
    initial = sample_oscillators(teacher, found, section, seed=3)
    wide = InitialSection(sample="wigner", n=600, temperature_kelvin=1500.0)
    training = sample_oscillators(teacher, found, wide, seed=4).positions
    middle = training.mean(axis=0)
    training = middle + 1.3 * (training - middle)
    settings = TrainingConfiguration.model_validate(
        {
            "encoder": {"cutoff_angstrom": 4.0, "n_radial": 8, "n_channels": 4},
            "model": {"basis": "2x0e", "hidden": [32, 32]},
            "steps": 1500,
            "batch_size": 16,
            "weights": {"dipole": 5.0, "transition_dipole": 5.0},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        trained = train(Dataset((labels(teacher, training),)), path, settings)
    test = initial.positions
    exact, learned = (surfaces(model, torch.from_numpy(test)) for model in (teacher, trained.model))
    signs = torch.sign((exact.dipoles[:, 0, 1] * learned.dipoles[:, 0, 1]).sum(-1))
    error = (exact.dipoles[:, 0, 1] - signs[:, None] * learned.dipoles[:, 0, 1]).square().mean().sqrt()
    size = exact.dipoles[:, 0, 1].square().mean().sqrt()
    h = (exact.interstate_coupling - 0)[:, 0, 1], learned.interstate_coupling[:, 0, 1] * signs[:, None, None]
    print(f"energies wrong by {27211 * float((exact.energies - learned.energies).abs().mean()):.2f} meV")
    print(f"transition dipoles wrong by {100 * float(error / size):.2f} % of their size")
    print(f"couplings, with the signs of the dipoles: {float((h[0] - h[1]).norm() / h[0].norm()):.4f}")
    runs = {
        name: driven(model, initial) for name, model in (("analytic", teacher), ("learned", trained.model))
    }
    print(
        f"{'time_fs':>8} " + " ".join(f"{kind + ' ' + name:>22}" for name in runs for kind in ("P", "|c|²"))
    )
    largest = 0.0
    for step in range(STEPS):
        values, variance = [], 0.0
        for active, electronic in runs.values():
            values += [active[step].mean(), electronic[step].mean()]
            variance += active[step].var() / N
        if variance > 0:
            largest = max(largest, abs(values[0] - values[2]) / np.sqrt(variance))
        if (step + 1) % 24 == 0:
            print(f"{0.25 * (step + 1):8.1f} " + " ".join(f"{value:22.4f}" for value in values))
    print(f"largest difference of populations: {largest:.2f} standard errors of independent runs")


if __name__ == "__main__":
    main()
