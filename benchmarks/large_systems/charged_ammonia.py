"""A model of ammonia with charges, for electrostatic embedding: shipped surfaces, charges of GFN1-xTB.

    python benchmarks/large_systems/charged_ammonia.py --output charged [--minutes 6]
    python examples/10_molecule_in_water.py --model charged/ammonia.safetensors

The charges are those of the ground state, and serve as those of both states. Frames in which an N-H is longer
than 2 Å are left out, where GFN1-xTB moves charge between fragments.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from tblite.interface import Calculator

import nadyn
from nadyn.data import Dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.train import train
from nadyn.units import BOHR_PER_ANGSTROM

LONGEST_ANGSTROM = 2.0


def main() -> None:
    """Label, train, say what the charges are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("charged"))
    parser.add_argument("--minutes", type=float, default=6.0)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    whole = nadyn.load_dataset(nadyn.shipped.path("ammonia/ammonia.h5")).groups[0]
    bonds = np.linalg.norm(whole.positions[:, 1:] - whole.positions[:, :1], axis=-1)
    group = whole.select(np.flatnonzero(bonds.max(axis=1) < LONGEST_ANGSTROM * BOHR_PER_ANGSTROM))
    charges = []
    for positions in group.positions:
        calculator = Calculator("GFN1-xTB", np.array(group.atomic_numbers), positions)
        calculator.set("verbosity", 0)
        charges.append(np.array(calculator.singlepoint().get("charges")))
    charges = np.array(charges)
    print(f"{len(charges)} frames; charge of N from {charges[:, 0].min():.3f} to {charges[:, 0].max():.3f} e")
    settings = {
        "time_limit_minutes": options.minutes,
        "model": {"basis": "1x0e + 1x1o", "electrostatics": {"formal_charges": {"N": -3, "H": 1}}},
    }
    train(
        Dataset((replace(group, charges=charges),)),
        options.output / "ammonia.safetensors",
        TrainingConfiguration(**settings),
        overwrite=True,
    )


if __name__ == "__main__":
    main()
