"""When a round was the last one: three questions, each with its answer in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.analysis.pair_differences import Difference
from nadyn.learning.learn_file import GoalsSection

# Fewest fresh labels whose mean error is believed.
FEWEST_FRESH = 10
# Share of the labels at random that may be untrusted.
_MOST_UNTRUSTED = 0.2


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
    largest = max(differences, key=lambda one: one.largest)
    return Answer(
        what,
        max(one.at_least_of_known for one in differences) <= goals.populations
        and largest.largest <= 2 * goals.populations,
        f"differ by at most {largest.largest:.3f} ± {largest.error:.3f} (state {largest.state} at "
        f"{largest.time_fs:.0f} fs; goal {goals.populations:g})",
    )


def about_errors(
    energy_ev: Float[np.ndarray, "label"],
    force_ev_per_angstrom: Float[np.ndarray, "label"],
    goals: GoalsSection,
    *,
    n_untrusted: int = 0,
) -> Answer:
    """Return whether fresh labels at random, one mean error each, are met.

    Args:
        energy_ev: Mean absolute error of the energies of each trusted one.
        force_ev_per_angstrom: The same of the forces; NaN without forces.
        goals: The largest means.
        n_untrusted: How many were asked for beside them, and are not trusted: where the source fails, nobody
            knows what the models are worth.
    """
    question = "errors of fresh labels"
    if len(energy_ev) < FEWEST_FRESH:
        return Answer(question, None, f"{len(energy_ev)} labels, at least {FEWEST_FRESH} are needed")
    n_asked = len(energy_ev) + n_untrusted
    if n_untrusted > _MOST_UNTRUSTED * n_asked:
        return Answer(question, False, f"{n_untrusted} of {n_asked} labels at random are not trusted")
    found = []
    for one in (energy_ev, force_ev_per_angstrom):
        known = one[np.isfinite(one)]
        if len(known) < FEWEST_FRESH:
            return Answer(
                question, None, f"{len(known)} labels with forces, at least {FEWEST_FRESH} are needed"
            )
        found.append((np.mean(known), np.std(known, ddof=1) / np.sqrt(len(known))))
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
