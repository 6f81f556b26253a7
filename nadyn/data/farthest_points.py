"""Picking what differs most from all that is known or picked before."""

import numpy as np
from jaxtyping import Float, Int


def farthest_first(
    candidates: Float[np.ndarray, "candidate feature"],
    known: Float[np.ndarray, "known feature"],
    n: int,
    *,
    closest: float = 0.0,
) -> Int[np.ndarray, "chosen"]:
    """Return up to `n` candidates, each the farthest from all that are known or chosen before it.

    Farthest-point sampling: T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985). Without known ones the first
    is the one farthest from the mean. Of equally far ones the first is taken.

    Args:
        candidates: Features of the candidates.
        known: Features of what is known already; may be empty.
        n: How many to choose.
        closest: Candidates that are no farther than this from a known or chosen one are left out.
    """
    chosen: list[int] = []
    if not len(candidates):
        return np.array(chosen, dtype=np.int64)
    if len(known):
        away = np.full(len(candidates), np.inf)
        for one in known:
            np.minimum(away, distances_to(one, candidates), out=away)
    else:
        away = distances_to(candidates.mean(axis=0), candidates)
        first = int(np.argmax(away))
        chosen.append(first)
        away = distances_to(candidates[first], candidates)
    while len(chosen) < n:
        farthest = int(np.argmax(away))
        if not away[farthest] > closest:
            break
        chosen.append(farthest)
        np.minimum(away, distances_to(candidates[farthest], candidates), out=away)
    return np.array(chosen[:n], dtype=np.int64)


def distances_to(
    one: Float[np.ndarray, "feature"], rows: Float[np.ndarray, "row feature"]
) -> Float[np.ndarray, "row"]:
    """Return how far each row is from one (root of the mean square)."""
    return np.sqrt(((rows - one) ** 2).mean(axis=1))
