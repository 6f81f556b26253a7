"""The extra packages of what acts beyond the cutoff, and the structures for which it has no meaning."""

import importlib.util

from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.structures.cells import check_images

# Periodic images nearer than this would lie inside each other: no cell of atoms is so thin [bohr].
THINNEST_CELL = 2.0


def check_installed(package: str, purpose: str) -> None:
    """Refuse what needs an extra package where there is none.

    Raises:
        InputError: It is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"{package} must be installed for {purpose}, but is not. Install it with "
            '`pip install "nadyn[longrange]"`.'
        )


def check_cell(cell: Float[Tensor, "3 3"] | None, pbc: tuple[bool, bool, bool]) -> None:
    """Refuse a structure that is open in one direction and periodic in another, and a cell without volume.

    Raises:
        InputError: One sentence.
    """
    if not any(pbc):
        return
    if not all(pbc):
        raise InputError(
            "`pbc` must be the same in all three directions for electrostatics and dispersion beyond the "
            f"cutoff, but is {list(pbc)}: their sums over images are those of crystals. Train without them, "
            "or make the open directions periodic, with empty space between the images."
        )
    box = cell.detach().cpu().numpy()
    check_images(box, pbc, thinnest=THINNEST_CELL, purpose="sums over its images")
