"""Errors of the shipped models on frames that they never saw: by the compiled kernels and by torch.

    python benchmarks/errors_of_both_paths.py

Held out are the 115 frames of hexafluorobutene that its training file holds out, and of ammonia the first 300
of its frames and the first 100 near its intersection; for the model of trajectories the first 1,348 of those
that were visited too. Mean absolute errors, and the largest difference of the two paths on any frame.
"""

import os

import numpy as np
import torch

from nadyn import load_model, shipped
from nadyn.checks.configuration import read_configuration
from nadyn.data import Group, read_dataset
from nadyn.data.splitting import split
from nadyn.models.kernels.applies import VARIABLE
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import Comparison, compare, metrics

SHOWN = ("energy_mae_ev", "force_mae_ev_per_angstrom", "coupling_mae_ev_per_angstrom", "gap_mae_ev")


def held_out() -> list[tuple[str, str, Group]]:
    """Return a name, a model and its unseen frames, for each."""
    butene = read_dataset(shipped.path("hexafluorobutene/hexafluorobutene.h5"))
    file = shipped.path("hexafluorobutene/train.yaml")
    settings = read_configuration(file, TrainingConfiguration)
    unseen = split(butene, settings.validation_fraction, seed=settings.seed_of_split)[1]
    found = [("hexafluorobutene", "hexafluorobutene/hexafluorobutene.safetensors", unseen.groups[0])]
    first = {"ammonia": 300, "ammonia_near_intersection": 100, "ammonia_visited": 1348}
    for model, files in (("ammonia", list(first)[:2]), ("ammonia_trajectories", list(first))):
        for name in files:
            group = read_dataset(shipped.path(f"ammonia/{name}.h5")).groups[0]
            unseen_frames = group.select(np.arange(first[name]))
            found.append((f"{model} on {name}", f"ammonia/{model}.safetensors", unseen_frames))
    return found


def by(path: str, model: str, group: Group) -> tuple[Comparison, str]:
    """Return what a model says of frames on a path, "1" for the kernels, and what it calls its path."""
    os.environ[VARIABLE] = path
    loaded = load_model(shipped.path(model))
    return compare(loaded, group), loaded.evaluation


def main() -> None:
    """Compare and print."""
    torch.set_num_threads(1)
    for name, model, group in held_out():
        found = {path: by(path, model, group) for path in ("1", "0")}
        print(f"{name}, {group.n_frames} frames")
        for comparison, evaluation in found.values():
            errors = metrics(comparison)
            said = "; ".join(f"{key} {np.round(errors[key], 5)}" for key in SHOWN if key in errors)
            print(f"    {evaluation.partition(' (')[0].partition(':')[0]:20} {said}", flush=True)
        kernels, torchs = (comparison for comparison, _ in found.values())
        apart = [
            np.abs(getattr(kernels, one) - getattr(torchs, one)).max()
            for one in ("energies", "forces", "couplings")
        ]
        print("    apart by {:.1e} eV, {:.1e} and {:.1e} eV/Å at most".format(*apart), flush=True)


if __name__ == "__main__":
    main()
