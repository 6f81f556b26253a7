"""How far a molecule has come apart: the longest distance that is needed to join all of its atoms."""

import numpy as np
from jaxtyping import Float


def longest_link(positions: Float[np.ndarray, "... atom 3"]) -> Float[np.ndarray, "..."]:
    """Return the longest edge of the shortest tree that joins all atoms, in the unit of `positions`.

    Like atoms may change places without changing it: in NH3 it is the longest N-H distance, whichever
    hydrogen leaves. It grows without end where a fragment does.

    Source: R. C. Prim, Bell Syst. Tech. J. 36, 1389 (1957).
    """
    n_atoms = positions.shape[-2]
    joined = np.zeros(positions.shape[:-1], dtype=bool)
    joined[..., 0] = True
    nearest = np.linalg.norm(positions - positions[..., :1, :], axis=-1)
    longest = np.zeros_like(nearest[..., 0])
    for _ in range(n_atoms - 1):
        distance = np.where(joined, np.inf, nearest)
        chosen = distance.argmin(axis=-1)[..., None]
        longest = np.maximum(longest, np.take_along_axis(distance, chosen, axis=-1)[..., 0])
        np.put_along_axis(joined, chosen, True, axis=-1)
        place = np.take_along_axis(positions, chosen[..., None], axis=-2)
        nearest = np.minimum(nearest, np.linalg.norm(positions - place, axis=-1))
    return np.asarray(longest)
