"""Cells that hold atoms: how far apart their images are."""

from collections.abc import Sequence

import numpy as np
from ase.geometry.minkowski_reduction import minkowski_reduce
from jaxtyping import Bool, Float

from nadyn.checks.errors import InputError
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# No two atoms come this near to each other, and so no atom to its own image.
NEAREST_IMAGE_BOHR = 0.5 * BOHR_PER_ANGSTROM
# What rounding leaves of the height of a cell without volume [bohr].
_FLAT = 1e-6


def thickness(
    cell: Float[np.ndarray, "*frame 3 3"], pbc: Sequence[bool] | Bool[np.ndarray, "3"]
) -> Float[np.ndarray, "*frame"]:
    """Return the smallest distance between opposite faces that are images of each other, in the cell's unit.

    The height over the other periodic vectors, h_i² = det G / det G_i with the matrix G of their products
    and G_i the same without row and column i; 0 for vectors that span nothing. Vectors of directions that are
    not periodic have no say.
    """
    axes = cell[..., np.flatnonzero(pbc), :]
    products = axes @ axes.swapaxes(-1, -2)
    whole = np.linalg.det(products)
    squares = []
    for axis in range(axes.shape[-2]):
        base = np.linalg.det(np.delete(np.delete(products, axis, -1), axis, -2))
        squares.append(np.divide(whole, base, out=np.zeros_like(whole), where=base > 0.0))
    return np.asarray(np.sqrt(np.maximum(np.min(squares, axis=0), 0.0)))


def check_images(
    cell: Float[np.ndarray, "*frame 3 3"],
    pbc: Sequence[bool] | Bool[np.ndarray, "3"],
    *,
    thinnest: float = NEAREST_IMAGE_BOHR,
    purpose: str = "images of an atom not to lie inside each other",
) -> None:
    """Refuse cells that are thinner than images of atoms allow.

    Skewed vectors span the same lattice as short ones: a cell that is thin is looked at again when its
    vectors are reduced.

    Args:
        cell: Of one structure or of each frame [bohr].
        pbc: Which directions are periodic.
        thinnest: [bohr].
        purpose: What the cell is too thin for, in the sentence.

    Raises:
        InputError: One sentence with the thinnest of them.
    """
    if not any(pbc):
        return
    heights = np.atleast_1d(thickness(cell, pbc))
    for frame in np.flatnonzero((heights < thinnest) & (heights >= _FLAT)):
        short, _ = minkowski_reduce(cell.reshape(-1, 3, 3)[frame], pbc)
        heights[frame] = thickness(np.asarray(short), pbc)
    if heights.min() >= thinnest:
        return
    frame = int(heights.argmin())
    where = f" in frame {frame}" if cell.ndim > 2 else ""
    if heights[frame] < _FLAT:
        raise InputError(
            "a periodic structure must have a cell that spans a volume, but its vectors are missing or lie "
            f"in one plane{where}. Give a cell, or say that no direction is periodic."
        )
    raise InputError(
        f"a periodic cell must be at least {thinnest * ANGSTROM_PER_BOHR:.2f} angstrom thick for {purpose}, "
        f"but is {heights[frame] * ANGSTROM_PER_BOHR:.2g} angstrom thin{where}. Look at the cell and its "
        "unit."
    )
