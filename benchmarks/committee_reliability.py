"""What the calibrated spread of a committee is worth on ammonia: coverage, and which frames would be stopped.

    python benchmarks/committee_reliability.py --output folder [--frames 400] [--epochs 60] [--seed 2]

Four members of 64-64 learn from so many frames of the two older shipped files, drawn at random; 15 % of them
are seen by no member and calibrate. Judged are 1,000 other frames of the same files, and every third of the
frames that trajectories have visited, most of which lie far outside: those that are wrong by more than 0.3 eV
are to be stopped, those right within 0.15 eV are not. A finished committee is not trained again.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.data.dataset import Dataset, Group
from nadyn.data.joining import join
from nadyn.dynamics.run.endings import ENERGY_SPREAD_EV, FORCE_SPREAD_EV_PER_ANGSTROM, GAP_SPREAD_EV
from nadyn.electronic.committee import calibrated_spread
from nadyn.electronic.surfaces import surfaces
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.committee import Committee
from nadyn.shipped import path
from nadyn.training.committee import train_committee
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.reliability import coverages, samples_of
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

_WRONG_EV, _RIGHT_EV = 0.3, 0.15
_CHUNK = 256


def committee_of(arguments: argparse.Namespace, training: Dataset) -> Committee:
    """Return the committee of these options, trained if it is not there."""
    output = (
        arguments.output / f"committee_{arguments.frames}_{arguments.epochs}_{arguments.seed}.safetensors"
    )
    if not output.exists():
        settings = {
            "epochs": arguments.epochs,
            "model": {"basis": "1x0e + 1x1o", "hidden": [64, 64]},
            "seed": arguments.seed,
            "validation_fraction": 0.15,
        }
        configuration = TrainingConfiguration.model_validate(settings)
        train_committee(training, output, configuration, n_members=4, resume=True)
    return nadyn.load_model(output)


def area(score: np.ndarray, wrong: np.ndarray, right: np.ndarray) -> float:
    """Return the chance that a wrong frame has a larger score than a right one."""
    bad, good = score[wrong], np.sort(score[right])
    below = 0.5 * (np.searchsorted(good, bad, "left") + np.searchsorted(good, bad, "right"))
    return float(below.mean() / len(good)) if len(bad) and len(good) else float("nan")


def caught(committee: Committee, group: Group) -> str:
    """Return a line on which frames would be stopped, and how well each number tells wrong from right."""
    columns = []
    for start in range(0, group.n_frames, _CHUNK):
        positions = torch.from_numpy(group.positions[start : start + _CHUNK])
        found, own = calibrated_spread(committee, positions), surfaces(committee, positions)
        columns.append(
            torch.stack(
                [
                    found.energies.amax(1) * ELECTRONVOLT_PER_HARTREE,
                    found.gaps.amax(1) * ELECTRONVOLT_PER_HARTREE,
                    found.worst_forces.amax(1) * EV_PER_ANGSTROM_PER_AU,
                    own.novelty,
                    (own.energies - torch.from_numpy(group.energies[start : start + _CHUNK])).abs().amax(1)
                    * ELECTRONVOLT_PER_HARTREE,
                ]
            )
        )
    energy, gap, force, novelty, error = torch.cat(columns, dim=1).numpy()
    wrong, right = error > _WRONG_EV, error < _RIGHT_EV
    judged = (energy > ENERGY_SPREAD_EV) | (gap > GAP_SPREAD_EV) | (force > FORCE_SPREAD_EV_PER_ANGSTROM)
    new = novelty > MOST_NOVELTY
    words = [f"{group.n_frames} frames, {wrong.sum()} wrong, {right.sum()} right; stopped of both:"]
    for name, stopped in (("committee", judged), ("novelty", new), ("either", judged | new)):
        words.append(f"{name} {100 * stopped[wrong].mean():.1f} %, {100 * stopped[right].mean():.1f} %;")
    areas = {"energy": energy, "gap": gap, "force": force, "novelty": novelty}
    words += ["areas", *(f"{name} {area(values, wrong, right):.3f}" for name, values in areas.items())]
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    names = ("ammonia", "ammonia_near_intersection")
    group = join([nadyn.load_dataset(path(f"ammonia/{name}.h5")) for name in names]).groups[0]
    order = np.random.default_rng(arguments.seed).permutation(group.n_frames)
    training, fresh = order[: arguments.frames], order[arguments.frames : arguments.frames + 1000]
    committee = committee_of(arguments, Dataset((group.select(np.sort(training)),)))
    fresh_group = group.select(np.sort(fresh))
    samples = samples_of(committee, Dataset((fresh_group,)))
    raw, found = coverages(samples, None), coverages(samples, committee.calibration)
    print("errors of all members within one / two spreads [%]: raw; calibrated, and thirds by spread")
    for name, one in found.items():
        parts = " ".join(f"{100 * a:.0f}/{100 * b:.0f}" for a, b in one.within)
        a, b = raw[name].within[0]
        factor = committee.calibration.scale(name).factor
        print(f"{name:14s} {100 * a:.0f}/{100 * b:.0f}; {parts} ({one.n_values} errors, factor {factor:.2f})")
    print("fresh:", caught(committee, fresh_group))
    visited = nadyn.load_dataset(path("ammonia/ammonia_visited.h5")).groups[0]
    print("visited:", caught(committee, visited.select(range(0, visited.n_frames, 3))))


if __name__ == "__main__":
    main()
