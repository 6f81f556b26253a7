"""What becomes of ammonia after excitation: which product, on which state, and how two models differ in it.

A trajectory is followed until its fate is known:

    A  an N-H bond is longer than a radius and grows, on the upper state: excited NH2 and H
    X  the same on the lower state: ground-state NH2 and H
    I  on the lower state, with no bond that long, and the longest one becomes shorter: internal conversion
    E  none of these happened before the end: still excited, or on the way
    S  the run stopped the trajectory before any of these

After A, X and I nothing counts any more. This keeps all models to the part of nuclear space where the
training data lie: fragments farther apart, and the hot ground-state molecules of I, are beyond it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nadyn.analysis.intervals import wilson
from nadyn.trajectory import Run
from nadyn.units import BOHR_PER_ANGSTROM

FATES = "AXIES"


@dataclass(frozen=True)
class Outcome:
    """Fates of the trajectories of one run.

    Attributes:
        fate: One letter a trajectory.
        time_fs: Of each frame [fs].
        excited: Fraction on the upper state, of the trajectories whose state is known.
        n_known: How many those are; stopped ones are not.
    """

    fate: str
    time_fs: Float[np.ndarray, "frame"]
    excited: Float[np.ndarray, "frame"]
    n_known: Int[np.ndarray, "frame"]

    def count(self, letter: str) -> int:
        """Return the number of trajectories with a fate."""
        return self.fate.count(letter)


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and its 95 % interval."""

    value: float
    error: float
    low: float
    high: float


def outcome(run: Run, *, radius_angstrom: float) -> Outcome:
    """Return the fates in a run of NH3, nitrogen first, by the frames of its file."""
    longest, grows = _longest_bond(run)
    state, alive = np.asarray(run.active_state), run.alive()
    far = longest > radius_angstrom * BOHR_PER_ANGSTROM
    happens = {
        "A": alive & far & grows & (state == 1),
        "X": alive & far & grows & (state == 0),
        "I": alive & ~far & ~grows & (state == 0),
    }
    decided = np.logical_or.reduce(list(happens.values()))
    n_frames, n_trajectories = decided.shape
    first = np.where(decided.any(axis=0), decided.argmax(axis=0), n_frames)
    letters = np.where(alive[-1], "E", "S")
    everyone = np.arange(n_trajectories)
    for letter, when in happens.items():
        letters[when[np.minimum(first, n_frames - 1), everyone] & (first < n_frames)] = letter
    frame = np.arange(n_frames)[:, None]
    kept = np.take_along_axis(state, np.minimum(frame, first[None, :]), axis=0)
    known = alive | (frame >= first[None, :])
    n_known = known.sum(axis=1)
    return Outcome("".join(letters), run.time_fs, (known & (kept == 1)).sum(axis=1) / n_known, n_known)


def excited_share(found: Outcome) -> Estimate:
    """Return the fraction A / (A + X)."""
    a, x = found.count("A"), found.count("X")
    return _fraction(a / (a + x), a + x)


def product_ratio(found: Outcome) -> Estimate:
    """Return A / X; the interval is that of A / (A + X), the error by its derivative."""
    share = excited_share(found)
    ratio, low, high = (p / (1 - p) for p in (share.value, share.low, share.high))
    return Estimate(ratio, share.error / (1 - share.value) ** 2, low, high)


def fate_fraction(found: Outcome, letter: str) -> Estimate:
    """Return the fraction of all trajectories that have one fate."""
    return _fraction(found.count(letter) / len(found.fate), len(found.fate))


def population(found: Outcome, time_fs: float) -> Estimate:
    """Return the population of the upper state at the frame nearest to a time."""
    frame = int(np.abs(found.time_fs - time_fs).argmin())
    return _fraction(float(found.excited[frame]), int(found.n_known[frame]))


def apart(one: Estimate, other: Estimate) -> float:
    """Return the difference of two estimates in combined standard errors."""
    return (one.value - other.value) / float(np.hypot(one.error, other.error))


def paired_difference(one: Outcome, other: Outcome, letter: str) -> Estimate:
    """Return the difference of a fate's fractions, for the same starts and random numbers.

    Trajectories that end alike in both runs cancel: the error is smaller than that of two separate samples.
    """
    pairs = [(a == letter) - (b == letter) for a, b in zip(one.fate, other.fate, strict=True)]
    difference = np.array(pairs, dtype=float)
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    mean = float(difference.mean())
    return Estimate(mean, error, mean - 1.96 * error, mean + 1.96 * error)


def same_fate(one: Outcome, other: Outcome) -> float:
    """Return the fraction of trajectories that end alike in both runs."""
    return float(np.mean([a == b for a, b in zip(one.fate, other.fate, strict=True)]))


def _fraction(p: float, n: int) -> Estimate:
    low, high = wilson(np.array(p), n)
    return Estimate(p, float(np.sqrt(p * (1 - p) / n)), float(low), float(high))


def _longest_bond(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return the longest N-H distance [bohr] at each frame, and whether it grows."""
    positions, velocities = np.asarray(run.positions), np.asarray(run.momenta) / run.masses[:, None]
    along, relative = (array[:, :, 1:] - array[:, :, :1] for array in (positions, velocities))
    distance = np.linalg.norm(along, axis=-1)
    longest = distance.argmax(axis=-1)[..., None]
    growth = (along * relative).sum(axis=-1)
    distance, growth = (np.take_along_axis(array, longest, axis=-1)[..., 0] for array in (distance, growth))
    return distance, growth > 0
