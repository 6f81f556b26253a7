"""What a model or committee is worth on the frames of direct trajectories, which nothing was trained on.

    python benchmarks/judged_by_direct.py direct.h5 model.safetensors [...] [--every 2 --but-first 4]

A frame of a direct run holds the geometry and the energies of all states by the source itself. Printed are,
for member 0, errors of the active state's energy by time and of the gap of the two lowest states by its size;
for a committee how many errors lie within one and two calibrated spreads, of all frames and of each third by
spread, and what limits on energies, gaps and forces catch and stop. `--but-first` leaves out trajectories
whose starts a loop had moved on the source itself: their labels trained the model.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

import nadyn
from nadyn.electronic.committee import calibrated_spread
from nadyn.learning.objections import Objections
from nadyn.models.committee import Committee
from nadyn.models.model_file import load_model
from nadyn.trajectory import Run, open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

_CHUNK = 500
_WRONG_EV, _RIGHT_EV = 0.3, 0.15
# As in `nadyn.dynamics.state.surplus`: a state so close above the active one is in use.
_WITHIN_REACH_EV = 1.0


class Frames:
    """Frames of a direct run: positions, energies [eV], active states, times [fs]."""

    def __init__(self, run: Run, every: int, but_first: int):
        chosen = np.array(run.alive())[: run.committed_frames]
        # The start is where samples are.
        chosen[0] = False
        chosen[np.arange(len(chosen)) % every != 0] = False
        chosen[:, :but_first] = False
        frames, trajectories = np.nonzero(chosen)
        self.positions = torch.from_numpy(np.array(run.positions)[frames, trajectories])
        self.energies = np.array(run.energies)[frames, trajectories] * ELECTRONVOLT_PER_HARTREE
        self.active = np.array(run.active_state)[frames, trajectories].astype(int)
        self.time_fs = np.array(run.time_fs)[frames]

    def of_active(self, values: Float[np.ndarray, "frame state"]) -> Float[np.ndarray, "frame"]:
        """Return the column of the active state."""
        return np.take_along_axis(values, self.active[:, None], axis=1)[:, 0]

    def in_use(self) -> Bool[np.ndarray, "frame state"]:
        """Return the active state, those below, and those within reach above."""
        above = self.energies - self.of_active(self.energies)[:, None]
        return (np.arange(self.energies.shape[1]) <= self.active[:, None]) | (above < _WITHIN_REACH_EV)


def spreads(committee: Committee, frames: Frames) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return calibrated spreads: of the active energy, of energies and gaps in use, of the worst force."""
    parts = [calibrated_spread(committee, chunk) for chunk in frames.positions.split(_CHUNK)]
    energies = torch.cat([one.energies for one in parts]).numpy() * ELECTRONVOLT_PER_HARTREE
    gaps = torch.cat([one.gaps for one in parts]).numpy() * ELECTRONVOLT_PER_HARTREE
    forces = torch.cat([one.worst_forces for one in parts]).numpy() * EV_PER_ANGSTROM_PER_AU
    used = frames.in_use()
    n = energies.shape[1]
    of_gaps = np.zeros(len(energies))
    for column, (k, l) in enumerate(combinations(range(n), 2)):
        matters = ((frames.active == k) & used[:, l]) | ((frames.active == l) & used[:, k])
        of_gaps = np.maximum(of_gaps, np.where(matters, gaps[:, column], 0.0))
    of_energies = np.where(used, energies, 0.0).max(axis=1)
    return frames.of_active(energies), of_energies, of_gaps, frames.of_active(forces)


def coverage(error: Float[np.ndarray, "frame"], spread: Float[np.ndarray, "frame"]) -> str:
    """Return in words how many errors lie within one and two spreads, of all and of each third by spread."""
    thirds = np.array_split(np.argsort(spread), 3)
    rows: list[Int[np.ndarray, row]] = [np.arange(len(error)), *thirds]
    return ", ".join(
        f"{name} {np.mean(error[own] < spread[own]):.3f}/{np.mean(error[own] < 2 * spread[own]):.3f}"
        for name, own in zip(("all", "lowest third", "middle", "highest"), rows, strict=True)
    )


def judge(path: Path, frames: Frames) -> None:
    """Print what one model is worth."""
    model = load_model(path)
    member = model.members[0] if isinstance(model, Committee) else model
    found = [nadyn.surfaces(member, chunk).energies for chunk in frames.positions.split(_CHUNK)]
    energies = torch.cat(found).numpy() * ELECTRONVOLT_PER_HARTREE
    error = np.abs(frames.of_active(energies - frames.energies))
    print(f"{path}: {len(error)} frames")
    for low, high in ((0, 20), (20, 40), (40, 60), (60, 100)):
        own = (frames.time_fs > low) & (frames.time_fs <= high)
        if own.any():
            print(
                f"  {low} to {high} fs: active energy off by {error[own].mean():.3f} eV, median "
                f"{np.median(error[own]):.3f}, n {own.sum()}"
            )
    gap = frames.energies[:, 1] - frames.energies[:, 0]
    learned = energies[:, 1] - energies[:, 0]
    for low, high in ((0.0, 0.3), (0.3, 1.0), (1.0, 2.0), (2.0, 4.0)):
        own = (gap >= low) & (gap < high)
        if own.any():
            off = (learned - gap)[own]
            print(
                f"  gap {low} to {high} eV: off by {np.abs(off).mean():.3f}, bias {off.mean():+.3f}, "
                f"n {own.sum()}"
            )
    if not isinstance(model, Committee) or model.calibration is None:
        return
    active, of_energies, of_gaps, of_force = spreads(model, frames)
    print(f"  within one and two calibrated spreads: {coverage(error, active)}")
    wrong, right = error > _WRONG_EV, error < _RIGHT_EV
    limits = Objections()
    for scale in (0.75, 0.85, 1.0, 1.25, 1.5):
        objected = (
            (of_energies > scale * limits.energy_ev)
            | (of_gaps > scale * limits.gap_ev)
            | (of_force > limits.force_ev_per_angstrom)
        )
        print(
            f"  limits {scale * limits.energy_ev:.2f} and {scale * limits.gap_ev:.2f} eV: "
            f"of {wrong.sum()} wrong by {_WRONG_EV} eV {objected[wrong].mean():.3f} caught, "
            f"of {right.sum()} right within {_RIGHT_EV} eV {objected[right].mean():.3f} stopped"
        )


def main() -> None:
    """Judge each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("direct", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--but-first", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    frames = Frames(open_run(arguments.direct), arguments.every, arguments.but_first)
    for path in arguments.models:
        judge(path, frames)


if __name__ == "__main__":
    main()
