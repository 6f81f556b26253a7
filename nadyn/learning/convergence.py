"""When a round was the last one: three questions, each with its answer in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.learning.learn_file import GoalsSection

# Fewest fresh labels whose mean error is believed.
FEWEST_FRESH = 10
# Two-sided 95 % of a normal distribution.
_QUANTILE = 1.96


@dataclass(frozen=True)
class Answer:
    """One question about a round.

    Attributes:
        question: What was asked, in a few words.
        reached: Whether the goal is reached; None where it cannot be told yet.
        sentence: What was found beside what was wanted.
    """

    question: str
    reached: bool | None
    sentence: str


@dataclass(frozen=True)
class Difference:
    """The largest difference of a population between two runs on the same starts.

    Attributes:
        largest: |ΔP| where it is largest, over times and states.
        error: Standard error of ΔP there, of pairs of trajectories.
        time_fs: When.
        state: Of which state.
        to_the_end: Whether enough pairs are known at all times; what is lost on the way has no difference.
    """

    largest: float
    error: float
    time_fs: float
    state: int
    to_the_end: bool = True


def paired_difference(
    time_fs: Float[np.ndarray, "frame"],
    first: Float[np.ndarray, "frame traj state"],
    second: Float[np.ndarray, "frame traj state"],
) -> Difference:
    """Return the largest difference between populations of two runs whose trajectories are pairs.

    Of pairs in which one trajectory has no state any more, at a time, neither counts then. The error is that
    of the mean of n differences, as if half a pair more had differed, so that pairs that are all alike do not
    claim to be sure.

    Args:
        time_fs: Of each frame.
        first: Contribution of each trajectory to each population; NaN where its state is not known.
        second: The same of the other run.
    """
    difference = second - first
    known = np.isfinite(difference).all(axis=2)
    n = np.maximum(known.sum(axis=1), 1)[:, None]
    values = np.where(known[..., None], difference, 0.0)
    mean = values.sum(axis=1) / n
    square = (values**2).sum(axis=1) / n
    error = np.sqrt((np.maximum(square - mean**2, 0.0) * n + 0.5) / n) / np.sqrt(n)
    # Times at which few pairs are left say little.
    enough = known.sum(axis=1) >= max(5, 0.5 * known.shape[1])
    size = np.where(enough[:, None], np.abs(mean), -1.0)
    frame, state = np.unravel_index(int(np.argmax(size)), size.shape)
    return Difference(
        float(max(size[frame, state], 0.0)),
        float(error[frame, state]),
        float(time_fs[frame]),
        int(state),
        to_the_end=bool(enough.all()),
    )


def about_endings(n_results: int, n_stopped: int, n_outside_method: int, goals: GoalsSection) -> Answer:
    """Return whether trajectories come to their end, apart from those that the method cannot follow."""
    judged = n_results + n_stopped - n_outside_method
    share = n_results / judged if judged > 0 else 0.0
    outside = f", {n_outside_method} more are outside of the method" if n_outside_method else ""
    return Answer(
        "trajectories end as results",
        share >= goals.ended if judged > 0 else None,
        f"{100 * share:.1f} % of {judged} (goal {100 * goals.ended:g} %){outside}",
    )


def about_populations(differences: Sequence[Difference], what: str, goals: GoalsSection) -> Answer:
    """Return whether populations agree, of members or of rounds."""
    if not differences:
        return Answer(what, None, "not compared yet")
    if not all(one.to_the_end for one in differences):
        return Answer(what, None, "fewer than half of the pairs are known to the end")
    worst = max(differences, key=lambda one: one.largest - _QUANTILE * one.error)
    largest = max(differences, key=lambda one: one.largest)
    return Answer(
        what,
        worst.largest - _QUANTILE * worst.error <= goals.populations
        and largest.largest <= 2 * goals.populations,
        f"differ by at most {largest.largest:.3f} ± {largest.error:.3f} (state {largest.state} at "
        f"{largest.time_fs:.0f} fs; goal {goals.populations:g})",
    )


def about_errors(
    energy_ev: Float[np.ndarray, "label"],
    force_ev_per_angstrom: Float[np.ndarray, "label"],
    goals: GoalsSection,
) -> Answer:
    """Return whether fresh labels at random, one mean error each, are met."""
    question = "errors of fresh labels"
    if len(energy_ev) < FEWEST_FRESH:
        return Answer(question, None, f"{len(energy_ev)} labels, at least {FEWEST_FRESH} are needed")
    found = [
        (np.mean(one), np.std(one, ddof=1) / np.sqrt(len(one))) for one in (energy_ev, force_ev_per_angstrom)
    ]
    (energy, energy_error), (force, force_error) = found
    return Answer(
        question,
        bool(energy <= goals.energy_ev and force <= goals.force_ev_per_angstrom),
        f"{energy:.3f} ± {energy_error:.3f} eV (goal {goals.energy_ev:g}), {force:.3f} ± {force_error:.3f} "
        f"eV/Å (goal {goals.force_ev_per_angstrom:g}), {len(energy_ev)} labels",
    )


def converged(answers: Sequence[Answer]) -> bool:
    """Return whether every goal is reached."""
    return all(answer.reached is True for answer in answers)
