"""What became of each trajectory: its fragments, or whether it isomerised."""

import numpy as np

from nadyn.analysis.geometry import choose_quantities, isomerised
from nadyn.analysis.products import fragments_at_end
from nadyn.trajectory import Run

ISOMERISED, RETURNED = "isomerised", "not isomerised"


def final_products(run: Run) -> np.ndarray | None:
    """Return the product of each trajectory as text, empty where it is not known.

    These are fragments where a molecule fell apart, else `isomerised` or `not isomerised` where it has a
    double bond to turn about. None where all, as far as is known, became the same.
    """
    names = fragments_at_end(run)
    if names is None:
        found = next((one for quantity in choose_quantities(run) if (one := isomerised(run, quantity))), None)
        if found is None:
            return None
        done, _, crossed = found
        names = np.where(done, np.where(crossed, ISOMERISED, RETURNED), "")
    return names if len(set(names.tolist()) - {""}) > 1 else None
