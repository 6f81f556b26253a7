"""What a user should know about a training beside its numbers, in sentences."""

import numpy as np

from nadyn.data import Dataset
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.search import Trial

# Of one trial, in the first round: the shortest schedule of which the end says something.
SHORTEST_TRIAL = 300


def about_couplings(dataset: Dataset, configuration: TrainingConfiguration) -> str | None:
    """Return a sentence where several states are learned without a single coupling, otherwise None."""
    labels = [group.interstate_couplings for group in dataset.groups]
    if dataset.groups[0].n_states < 2 or any(h is not None and np.isfinite(h).any() for h in labels):
        return None
    if configuration.curvature_couplings or configuration.model.kind == "atomic_sum":
        return None
    return (
        "no frame has couplings, and energies and forces do not tell where states cross: crossings may be "
        "missed. Couplings of about a hundred frames suffice; without any try `curvature_couplings: true`."
    )


def about_trials(trials: tuple[Trial, ...]) -> str | None:
    """Return a sentence where the trials of a search were too short to choose by, otherwise None."""
    shortest = min((trial.n_steps for trial in trials), default=SHORTEST_TRIAL)
    if shortest >= SHORTEST_TRIAL:
        return None
    return (
        f"trials of {shortest} steps are too short to tell which basis is right. Give the training more "
        "time, or name a basis."
    )
