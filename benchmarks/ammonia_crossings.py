"""Lowest crossings of the shipped ammonia models beside those of the analytic surfaces that made their data.

    python benchmarks/ammonia_crossings.py [--n 6] [--seed 1]

Needs chempotpy, see `ammonia_surfaces.py`. Both are searched from the same displacements about the minimum,
and the analytic surfaces also from the crossings of the models; each is paired with the most similar one.
"""

import argparse

import numpy as np
from ammonia_surfaces import AmmoniaSurfaces

from nadyn.electronic.crossings import Wishes, find_crossings, landscape_of_model
from nadyn.learning.crossing_starts import starts_of_model
from nadyn.models import load_model
from nadyn.shipped import path
from nadyn.structures.matching import match
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE

MODELS = ("ammonia", "ammonia_trajectories")


def main() -> None:
    """Search, pair and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = {}
    starts = []
    for name in MODELS:
        model = load_model(path(f"ammonia/{name}.safetensors"))
        starts = list(starts_of_model(model, options.n, seed=options.seed).positions)
        found[name] = find_crossings(landscape_of_model(model), starts, wishes=Wishes(has_loop=False)).found
    more = [one.point.positions for name in MODELS for one in found[name]]
    analytic = find_crossings(
        landscape_of_model(AmmoniaSurfaces()), [*starts, *more], wishes=Wishes(has_loop=False)
    ).found
    lowest = analytic[0].energy
    for one in analytic:
        height = (one.energy - lowest) * ELECTRONVOLT_PER_HARTREE
        print(f"analytic: {height:7.3f} eV, {one.cone and one.cone.words}")
        for name in MODELS:
            far = [
                match(one.point.positions, other.point.positions, (7, 1, 1, 1), like_atoms_alike=True).rmsd
                for other in found[name]
            ]
            if far:
                k = int(np.argmin(far))
                energy = (found[name][k].energy - one.energy) * ELECTRONVOLT_PER_HARTREE
                print(
                    f"    {name}: {energy:+.4f} eV, {far[k] * ANGSTROM_PER_BOHR:.4f} Å (RMSD), "
                    f"{found[name][k].cone and found[name][k].cone.words}"
                )


if __name__ == "__main__":
    main()
