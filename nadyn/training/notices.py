"""What a user should know about a training beside its numbers, in sentences."""

from collections.abc import Mapping

import numpy as np

from nadyn.checks.counts import counted
from nadyn.data import Dataset, Group
from nadyn.data.dipole_origin import about_dipoles
from nadyn.data.statistics import NEAR_GAP_EV
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.origin import is_among
from nadyn.training.search import Trial
from nadyn.units import ELECTRONVOLT_PER_HARTREE

# Of one trial, in the first round: the shortest schedule of which the end says something.
SHORTEST_TRIAL = 300


def about_couplings(dataset: Dataset, configuration: TrainingConfiguration) -> str | None:
    """Return a sentence where several states are learned without a single coupling, otherwise None."""
    labels = [group.interstate_couplings for group in dataset.groups]
    if dataset.groups[0].n_states < 2 or any(h is not None and np.isfinite(h).any() for h in labels):
        return None
    if configuration.model.kind == "atomic_sum":
        return None
    sentence = "no frame has couplings, and energies and forces hardly tell where states cross"
    if configuration.small_starts:
        return (
            f"{sentence}. Where twenty frames have a gap below 1 eV, small networks look for it first "
            "(`small_starts`), but couplings of about a hundred frames are surer."
        )
    return (
        f"{sentence}: crossings may be missed. Couplings of about a hundred frames suffice; without any, "
        "leave out `small_starts: 0`."
    )


def about_gaps(dataset: Dataset) -> str | None:
    """Return a sentence where no frame is near a crossing of its states, otherwise None.

    Trajectories find crossings within femtoseconds, and a model that has never seen a small gap stops them.
    """
    if dataset.groups[0].n_states < 2:
        return None
    smallest = min(float(np.nanmin(np.diff(group.energies, axis=1))) for group in dataset.groups)
    smallest *= ELECTRONVOLT_PER_HARTREE
    if not smallest >= NEAR_GAP_EV:
        return None
    return (
        f"no frame has a gap below {NEAR_GAP_EV} eV, the smallest is {smallest:.2f} eV: the model will not "
        "know where states meet, and trajectories that come there are stopped. More labels are wanted before "
        "dynamics; `nadyn learn --data` asks for them, `nadyn label --stopped` labels where runs stopped."
    )


def about_judged(trained_on: Mapping[str, object], group: Group) -> list[str]:
    """Return sentences on what errors of a model on a group are worth: frames it has seen, other surfaces.

    Args:
        trained_on: What the model file says of its training.
        group: The frames that the model is judged on.
    """
    result = []
    if is_among(group, trained_on.get("data", {})):
        held_out = trained_on["held_out"]["n_frames"]
        result.append(
            f"the model was trained on this group, of which at most {counted(held_out, 'frame')} had been "
            "held out: the errors are those of frames that it has learned, which say little about others"
        )
    for key, value in (
        ("charge", "" if "charge" in group.assumed else group.charge),
        ("multiplicities", list(group.multiplicities)),
        ("theory", group.theory),
    ):
        known = [one[key] for one in trained_on.get("groups", {}).values() if one.get(key) not in (None, "")]
        if value != "" and known and value not in known:
            seen = " and ".join(dict.fromkeys(map(str, known)))
            result.append(
                f"the model was trained on `{key}` {seen}, but this group has {value}, which the model does "
                "not see: the errors are those of another surface"
            )
    if group.dipoles is not None and (sentence := about_dipoles(group)):
        result.append(f"dipoles are not compared: {sentence.rstrip('.')}")
    return result


def about_trials(trials: tuple[Trial, ...]) -> str | None:
    """Return a sentence where the trials of a search were too short to choose by, otherwise None."""
    shortest = min((trial.n_steps for trial in trials), default=SHORTEST_TRIAL)
    if shortest >= SHORTEST_TRIAL:
        return None
    return (
        f"trials of {counted(shortest, 'step')} are too short to tell which basis is right. Give the "
        "training more time, or name a basis."
    )
