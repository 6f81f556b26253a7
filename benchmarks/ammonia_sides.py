"""On which side of the seam models of ammonia put the frames: does the scalar or the vector lie lower?

    python benchmarks/ammonia_sides.py REFERENCE.safetensors MODEL.safetensors [MODEL …]

For models in the basis 1x0e + 1x1o. The side of a frame is the sign of n·W_vv·n - W_ss, the energy of the
vector along the normal n of the plane of inertia minus that of the scalar, before the coupling mixes them.
The reference is a model that was trained with couplings. A model that never crosses has all frames on one
side: it has learned the upper and the lower surface, but not that they exchange their roles at the seam.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch
from ammonia_accuracy import frames

import nadyn
from nadyn.units import ELECTRONVOLT_PER_HARTREE

_EDGES_EV = (0.0, 0.3, 1.0, 2.0, 9.0)


def sides(file: Path, positions: torch.Tensor) -> np.ndarray:
    """Return for each frame whether the vector lies below the scalar."""
    hamiltonian = nadyn.load_model(file).evaluate(positions).hamiltonian.detach()
    centred = positions - positions.mean(dim=1, keepdim=True)
    normal = torch.linalg.svd(centred)[2][:, 2]
    vector = torch.einsum("tx,txy,ty->t", normal, hamiltonian[:, 1:, 1:], normal)
    return (vector < hamiltonian[:, 0, 0]).numpy()


def main() -> None:
    """Count the frames by their gap."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    options = parser.parse_args()
    group = frames()[0].groups[0]
    positions = torch.from_numpy(group.positions)
    gap = (group.energies[:, 1] - group.energies[:, 0]) * ELECTRONVOLT_PER_HARTREE
    beyond = sides(options.reference, positions)
    for file in options.models:
        found = sides(file, positions)
        print(
            f"{file}: the same side as the reference in {np.mean(found == beyond):.1%} of {len(gap)} frames"
        )
        for low, high in itertools.pairwise(_EDGES_EV):
            chosen = (gap >= low) & (gap < high)
            print(
                f"  gap {low:.1f} to {high:.1f} eV: {chosen.sum():4d} frames, beyond the seam "
                f"{beyond[chosen].sum():4d} in the reference, {found[chosen].sum():4d} in this model"
            )


if __name__ == "__main__":
    main()
