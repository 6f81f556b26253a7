"""Labels of ethylene with the eigenvectors of one diabatic matrix, from files in this and other folders.

    python benchmarks/ethylene_diabatic/dataset.py labels.h5

Energies, forces and couplings are those of `../ethylene_loop` and `../ethylene_labels`, each geometry once,
without the frames of `../ethylene_direct`, so that those can judge. `eigenvectors.npz` holds U of W = U E Uᵀ
with the signs of the couplings, where links between wave functions do not contradict each other.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from nadyn.data import Dataset, load_dataset
from nadyn.data.dataset import Group
from nadyn.data.dataset_file import write_dataset
from nadyn.trajectory import open_run

HERE = Path(__file__).parent
FILES = (
    "ethylene_loop/labels.h5",
    "ethylene_loop/labels_2.h5",
    "ethylene_labels/labels.h5",
    "ethylene_labels/more_labels.h5",
)
# The same geometry [bohr].
_SAME = 1e-3


def labels() -> Group:
    """Return all labels, each geometry once, with eigenvectors."""
    groups = [load_dataset(HERE.parent / name).groups[0] for name in FILES]
    positions = np.concatenate([group.positions for group in groups])
    rounded = np.round(positions, 7).reshape(len(positions), -1)
    first = np.sort(np.unique(rounded, axis=0, return_index=True)[1])
    arrays = {
        name: np.concatenate([getattr(group, name) for group in groups])[first]
        for name in ("positions", "energies", "forces", "interstate_couplings", "dipoles")
    }
    stored = np.load(HERE / "eigenvectors.npz")
    vectors = np.full((len(first), 3, 3), np.nan)
    # Stored in single precision; made orthogonal again.
    left, _, right = np.linalg.svd(stored["eigenvectors"].astype(np.float64))
    vectors[stored["frames"]] = left @ right
    return Group(
        "ethylene", groups[0].atomic_numbers, eigenvectors=vectors, multiplicities=(1, 1, 1), **arrays
    )


def without(group: Group, visited: np.ndarray) -> Group:
    """Return the frames that are none of these geometries."""
    tree = cKDTree(visited.reshape(-1, group.positions[0].size))
    kept = tree.query(group.positions.reshape(group.n_frames, -1))[0] > _SAME
    names = ("positions", "energies", "forces", "interstate_couplings", "dipoles", "eigenvectors")
    return replace(group, **{name: getattr(group, name)[kept] for name in names})


def main() -> None:
    """Write the dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    visited = np.array(open_run(HERE.parent / "ethylene_direct" / "direct.h5").positions)
    group = without(labels(), visited)
    write_dataset(arguments.output, Dataset((group,)))
    known = np.isfinite(group.eigenvectors).all(axis=(1, 2)).sum()
    print(f"{group.n_frames} frames, eigenvectors of {known}")


if __name__ == "__main__":
    main()
