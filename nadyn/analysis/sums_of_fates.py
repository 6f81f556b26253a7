"""Sums over trajectories from which products, yields and isomers follow: what parts of a run add up to.

The numbers are those of `nadyn.analysis.products` and `nadyn.analysis.geometry.isomers`, which have all
trajectories at once; here a part of them is in memory at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nadyn.analysis.fates import MOST_UNKNOWN
from nadyn.analysis.geometry import Quantity, isomerised
from nadyn.analysis.intervals import wilson
from nadyn.analysis.products import Product, outcomes
from nadyn.trajectory import Run

_End = tuple[str, int | None]


@dataclass(frozen=True)
class ProductSums:
    """Sums over the trajectories of one part or of several.

    Attributes:
        weight: Of all trajectories.
        weight_squared: The sum of its squares.
        undecided: Weight of those that were stopped while whole.
        ends: By fragments and state: how many, their weight, the weight of those that can no longer change.
        unsettled: By fragments: the weight of those that were stopped in pieces, on a state that may change.
    """

    weight: float
    weight_squared: float
    undecided: float
    ends: Mapping[_End, np.ndarray]
    unsettled: Mapping[str, float]

    def __add__(self, other: "ProductSums") -> "ProductSums":
        """Return those of both parts together."""
        nothing = np.zeros(3)
        return ProductSums(
            self.weight + other.weight,
            self.weight_squared + other.weight_squared,
            self.undecided + other.undecided,
            {
                end: self.ends.get(end, nothing) + other.ends.get(end, nothing)
                for end in {*self.ends, *other.ends}
            },
            {
                name: self.unsettled.get(name, 0.0) + other.unsettled.get(name, 0.0)
                for name in {*self.unsettled, *other.unsettled}
            },
        )


def product_sums(run: Run, *, by_state: bool) -> ProductSums:
    """Return the sums over the trajectories of a run.

    Args:
        run: The run.
        by_state: Whether products on different states are told apart, where trajectories are on one.
    """
    weight = np.asarray(run.weight)
    found = outcomes(run, by_state=by_state, also_whole=True)
    decided = np.zeros(len(weight), bool)
    for one in found.values():
        decided |= one.chosen
    return ProductSums(
        float(weight.sum()),
        float((weight**2).sum()),
        float(weight[~decided].sum()),
        {
            end: np.array([one.chosen.sum(), weight[one.chosen].sum(), weight[one.certain].sum()])
            for end, one in found.items()
        },
        # All states of the same fragments name the same trajectories.
        {
            name: float(weight[decided & one.possible & ~one.certain].sum())
            for (name, _), one in found.items()
        },
    )


def products_of(sums: ProductSums, whole: str) -> list[Product]:
    """Return the products that sums over all trajectories stand for, the most frequent first.

    Args:
        sums: Over all trajectories.
        whole: Formula of the molecule; none is returned where nothing else was found.
    """
    if all(name == whole for name, _ in sums.ends):
        return []
    n = sums.weight**2 / sums.weight_squared
    found = []
    for name, state in sorted(sums.ends, key=lambda end: (end[0], -1 if end[1] is None else end[1])):
        number, chosen, certain = sums.ends[name, state]
        most = min((certain + sums.undecided + sums.unsettled[name]) / sums.weight, 1.0)
        low, high = wilson(np.array([certain / sums.weight]), n)[0], wilson(np.array([most]), n)[1]
        share = float(chosen / sums.weight)
        found.append(Product(name, state, int(number), share, float(low[0]), float(high[0])))
    return sorted(found, key=lambda product: -product.fraction)


@dataclass(frozen=True)
class IsomerSums:
    """Sums over the trajectories of one part or of several: numbers of all and of those that came to the end,
    then weights of all, their squares, and of those that came to the end, are trans at start, trans at end,
    and changed."""

    values: np.ndarray

    def __add__(self, other: "IsomerSums") -> "IsomerSums":
        """Return those of both parts together."""
        return IsomerSums(self.values + other.values)


def isomer_sums(run: Run, dihedral: Quantity) -> IsomerSums:
    """Return the sums over the trajectories of a run."""
    weight = np.asarray(run.weight)
    all_of = [run.n_trajectories, 0, weight.sum(), (weight**2).sum(), 0.0, 0.0, 0.0, 0.0]
    found = isomerised(run, dihedral)
    if found is not None:
        done, trans, crossed = found
        all_of[1] = done.sum()
        all_of[4:] = [weight[chosen].sum() for chosen in (done, trans[0], trans[1], crossed)]
    return IsomerSums(np.array(all_of, dtype=float))


def isomers_of(sums: IsomerSums) -> dict[str, float | int]:
    """Return what `nadyn.analysis.geometry.isomers` returns of all trajectories at once."""
    number, known, weight, squared, done, start, end, crossed = sums.values.tolist()
    if not known:
        return {}
    n, unknown = weight**2 / squared, max(1 - done / weight, 0.0)
    low, _ = wilson(np.array([crossed / weight]), n)
    _, high = wilson(np.array([min(crossed / weight + unknown, 1.0)]), n)
    says = 1.0 if unknown <= MOST_UNKNOWN else np.nan
    return {
        "trans_at_start": says * start / done,
        "trans_at_end": says * end / done,
        "isomerised": says * crossed / done,
        "isomerised_low": float(low[0]),
        "isomerised_high": float(high[0]),
        "n_known": int(known),
        "n_trajectories": int(number),
    }
