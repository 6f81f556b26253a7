"""Which geometries are labelled next, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.data.farthest_points import farthest_first
from nadyn.learning.diversity import apart, shapes

# The kinds, in the order in which they are served; the shares of a round are by kind.
STOP, GAP, RANDOM, DOUBT, CROSSING = "stop", "gap", "random", "doubt", "crossing"
KINDS = (RANDOM, DOUBT, CROSSING, GAP, STOP)
# Root mean square of the differences of inverse distances [1/bohr], below which a second label teaches
# nothing new: about 0.01 Å in a bond.
_SAME = 1e-3
# The same for a crossing: about 0.05 Å. One that was asked about already leaves its place to a higher one.
_SAME_CROSSING = 5e-3


@dataclass(frozen=True)
class Candidate:
    """A geometry that might be labelled.

    Attributes:
        positions: [bohr].
        kind: `stop`: a trajectory was stopped here; `gap`: at a small gap; `doubt`: where a trajectory went
            on in spite of an objection; `crossing`: at or beside the lowest crossings of the model; `random`:
            from where nothing was objected to.
        why: In words: which trajectory of which member, when, and the reason of a stop.
        rank: Of crossings, those of the lowest rank are labelled first.
    """

    positions: Float[np.ndarray, "atom 3"]
    kind: str
    why: str
    rank: int = 0


def pick(
    candidates: Sequence[Candidate],
    known: Float[np.ndarray, "known atom 3"],
    atomic_numbers: Sequence[int],
    *,
    n: int,
    shares: Mapping[str, float],
    seed: int,
) -> list[Candidate]:
    """Return up to `n` candidates, those at random first, then those in doubt, crossings, small
    gaps, and stops.

    Those at random are drawn without a look at anything, because they are a fair sample that judges the
    models. Those in doubt are drawn at random too, but nothing twice: so labels become dense where many
    trajectories pass. Crossings come by rank, but none that has a label close by. The
    others are each the farthest from everything that is known or picked before, so that they become wide.
    What one kind cannot fill, the kinds after it take; what stops leave over, gaps take.

    Args:
        candidates: All candidates.
        known: Geometries that have labels already, failed ones included [bohr].
        atomic_numbers: One number an atom.
        n: How many in all.
        shares: Of `random`, `doubt`, `crossing` and `gap`; the rest are stops.
        seed: Of the draw.
    """
    features = shapes(np.stack([c.positions for c in candidates]), atomic_numbers) if candidates else None
    by_kind = {kind: [i for i, c in enumerate(candidates) if c.kind == kind] for kind in KINDS}
    chosen: list[int] = []

    def away_from() -> np.ndarray:
        mine = features[chosen] if chosen else np.zeros((0, features.shape[1]))
        return np.concatenate([shapes(known, atomic_numbers), mine]) if len(known) else mine

    def take(kind: str, number: int) -> None:
        left = [i for i in by_kind[kind] if i not in chosen]
        if kind == RANDOM:
            rng = np.random.default_rng([seed, len(left)])
            chosen.extend(left[i] for i in sorted(rng.permutation(len(left))[:number]))
        elif left and number > 0:
            order = left
            if kind == DOUBT:
                order = [left[i] for i in np.random.default_rng([seed, len(left), 1]).permutation(len(left))]
            if kind == CROSSING:
                order = sorted(left, key=lambda i: candidates[i].rank)
            choose = apart if kind in (DOUBT, CROSSING) else farthest_first
            closest = _SAME_CROSSING if kind == CROSSING else _SAME
            found = choose(features[order], away_from(), number, closest=closest)
            chosen.extend(order[i] for i in found)

    take(RANDOM, round(n * shares.get(RANDOM, 0.0)))
    take(DOUBT, round(n * shares.get(DOUBT, 0.0)))
    take(CROSSING, round(n * shares.get(CROSSING, 0.0)))
    take(GAP, round(n * shares.get(GAP, 0.0)))
    take(STOP, n - len(chosen))
    take(GAP, n - len(chosen))
    return [candidates[i] for i in chosen]
