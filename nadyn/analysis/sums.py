"""Sums over trajectories from which populations and their intervals follow: what parts of a run add up to."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.fates import has_settled, known
from nadyn.analysis.occupations import by_multiplicity, occupations
from nadyn.trajectory import Run

_MOMENTS = ("occupation", "electronic", "held", "diabatic", "multiplicities")


@dataclass(frozen=True)
class Moments:
    """Weight, mean and spread of values over trajectories that have one, at each time.

    Attributes:
        weight: Sum of the weights.
        weight_squared: Sum of their squares.
        middle: Weighted mean; 0 where no trajectory has a value.
        squares: Weighted sum of squared distances from it.
    """

    weight: Float[np.ndarray, "frame"]
    weight_squared: Float[np.ndarray, "frame"]
    middle: Float[np.ndarray, "frame kind"]
    squares: Float[np.ndarray, "frame kind"]

    def __add__(self, other: "Moments") -> "Moments":
        """Return those of both parts together; squares about means do not cancel as squares about zero do.

        Source: T. F. Chan, G. H. Golub and R. J. LeVeque, Am. Stat. 37, 242 (1983).
        """
        weight = self.weight + other.weight
        part = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)[:, None]
        apart = other.middle - self.middle
        return Moments(
            weight=weight,
            weight_squared=self.weight_squared + other.weight_squared,
            middle=self.middle + part * apart,
            squares=self.squares + other.squares + self.weight[:, None] * part * apart**2,
        )

    @property
    def mean(self) -> Float[np.ndarray, "frame kind"]:
        """Mean over those that have a value; NaN where there is none."""
        return np.where(self.weight[:, None] > 0, self.middle, np.nan)

    @property
    def variance(self) -> Float[np.ndarray, "frame kind"]:
        """Mean squared distance from the mean; NaN where there is no value."""
        return _quotient(self.squares, self.weight[:, None], np.nan)

    @property
    def effective_number(self) -> Float[np.ndarray, "frame"]:
        """How many equally weighted values carry as much, see `fates.effective_number`; 1 of none."""
        return _quotient(self.weight**2, self.weight_squared, 1.0)


def moments_of(
    weight: Float[np.ndarray, "frame traj"], values: Float[np.ndarray, "frame traj kind"]
) -> Moments:
    """Return the moments of values; what has no weight is not looked at, be it NaN."""
    values = np.where(weight[..., None] > 0, values, 0.0)
    total = weight.sum(axis=1)
    middle = _quotient(np.einsum("ft,ftk->fk", weight, values), total[:, None], 0.0)
    squares = np.einsum("ft,ftk->fk", weight, (values - middle[:, None, :]) ** 2)
    return Moments(total, (weight**2).sum(axis=1), middle, squares)


def votes(
    run: Run, is_known: Bool[np.ndarray, "frame traj"], values: Float[np.ndarray, "frame traj kind"]
) -> Float[np.ndarray, "frame traj"]:
    """Return the weights of those that are known and have a value; windows may leave some without."""
    return np.where(is_known & np.isfinite(values).all(axis=-1), run.weight[None, :], 0.0)


@dataclass(frozen=True)
class Sums:
    """Sums over the trajectories of one part or of several.

    Attributes:
        time_fs: Of each frame [fs].
        weight: Of all trajectories.
        weight_squared: The sum of its squares.
        counted: How many are known.
        with_a_vote: Weight of all but those that are known but in no window of their method: these have no
            vote, now or had they gone on.
        unknown: Weight of those that are not known.
        settled: Weight of those whose state is known and whose geometry is not.
        occupation: Of those that are known and have a value.
        electronic: |c|^2 of the same.
        held: Occupation of all with a value, known or not: a stopped trajectory stays in the file as it was
            before the step that failed.
        diabatic: Diabatic populations; None where the diabatic basis is not fixed.
        multiplicities: Their sums by multiplicity; None where states have one or none.
        least: The least value that a trajectory contributes to an occupation at any time.
        largest: The largest.
        estimated: Whether occupations are estimates, which need not lie between 0 and 1.
    """

    time_fs: Float[np.ndarray, "frame"]
    weight: float
    weight_squared: float
    counted: Int[np.ndarray, "frame"]
    with_a_vote: Float[np.ndarray, "frame"]
    unknown: Float[np.ndarray, "frame"]
    settled: Float[np.ndarray, "frame"]
    occupation: Moments
    electronic: Moments
    held: Moments
    diabatic: Moments | None
    multiplicities: Moments | None
    least: Float[np.ndarray, "state"]
    largest: Float[np.ndarray, "state"]
    estimated: bool

    def __add__(self, other: "Sums") -> "Sums":
        """Return those of both parts together."""
        both = {
            name: None if getattr(self, name) is None else getattr(self, name) + getattr(other, name)
            for name in (
                "weight",
                "weight_squared",
                "counted",
                "with_a_vote",
                "unknown",
                "settled",
                *_MOMENTS,
            )
        }
        return replace(
            self,
            **both,
            least=np.minimum(self.least, other.least),
            largest=np.maximum(self.largest, other.largest),
        )


def sums_of(run: Run) -> Sums:
    """Return the sums over the trajectories of a run.

    Raises:
        InputError: The estimator of its populations is unknown.
    """
    is_known, occupation = known(run), occupations(run)
    weight = votes(run, is_known, occupation)
    seen = np.where(weight[..., None] > 0, occupation, np.nan)
    diabatic = None if run.diabatic_populations is None else np.asarray(run.diabatic_populations)
    spins = by_multiplicity(run)

    def known_moments(values: Float[np.ndarray, "frame traj kind"]) -> Moments:
        return moments_of(votes(run, is_known, values), values)

    return Sums(
        time_fs=run.time_fs,
        weight=float(run.weight.sum()),
        weight_squared=float((run.weight**2).sum()),
        counted=is_known.sum(axis=1),
        with_a_vote=np.where(is_known & (weight == 0), 0.0, run.weight).sum(axis=1),
        unknown=~is_known @ run.weight,
        settled=has_settled(run) @ run.weight,
        occupation=moments_of(weight, occupation),
        electronic=moments_of(weight, (np.asarray(run.coefficients) ** 2).sum(axis=-1)),
        held=moments_of(votes(run, np.ones_like(is_known), occupation), occupation),
        diabatic=None if diabatic is None else known_moments(diabatic),
        multiplicities=None if spins is None else known_moments(spins[1]),
        least=np.nanmin(seen, axis=(0, 1), initial=np.inf),
        largest=np.nanmax(seen, axis=(0, 1), initial=-np.inf),
        estimated=run.populations_adiabatic is not None,
    )


def _quotient(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, otherwise), where=below > 0)
