"""From the label store to a dataset: what trains, and what does not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group, load_dataset
from nadyn.data.joining import join
from nadyn.data.rigid_couplings import without_rigid_couplings
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.learning.context import Context
from nadyn.learning.diabatic import with_eigenvectors
from nadyn.learning.export import group_of_labels
from nadyn.learning.fresh import single
from nadyn.learning.stored_labels import known_of
from nadyn.structures import symbol

# Steps of direct trajectories between those that train: too near to their neighbours to teach anything.
BETWEEN = "between"


def gathered_labels(context: Context) -> tuple[Group, str | None]:
    """Return all trusted labels as one group, behind the datasets that were there before, and their basis.

    Couplings are free of translation and rotation, whatever the source gives. The basis is that of the
    eigenvectors of a diabatic matrix, None where none are looked for.

    Raises:
        InputError: Nothing is trusted, or the datasets are of other atoms, states or another level.
    """
    found, source, basis = earlier_data(context), context.desk.source, None
    known = [known_of(record) for record in context.desk.store.records if record.tag != BETWEEN]
    trusted = [one for one in known if one.label.quality is Quality.TRUSTED]
    if not found or trusted:
        group = group_of_labels(source, known, context.name)
        if context.config.diabatic:
            context.narrator.stage("comparing the wave functions of the labels")
            labels = with_eigenvectors(source, trusted, group)
            group, basis = labels.group, labels.basis
            context.narrator.note(labels.in_words())
        found.append(Dataset((group,)))
    return single(join(found)), basis


def earlier_data(context: Context) -> list[Dataset]:
    """Return the datasets that were there before, under the name of the molecule."""
    groups = [single(load_dataset(path)) for path in context.config.data]
    return [Dataset((without_rigid_couplings(replace(group, name=context.name)),)) for group in groups]


def check_earlier_data(context: Context) -> None:
    """Refuse datasets of other atoms, other states or another level, before anything is asked.

    Raises:
        InputError: One of them does not fit what the source labels.
    """
    source = context.desk.source
    wanted = (
        ("atoms", _elements(source.atomic_numbers), "`molecule`"),
        ("charge", source.charge, "`source`"),
        ("multiplicities of states", list(source.multiplicities), "`source`"),
        ("theory", source.theory, "`source`"),
    )
    for path, dataset in zip(context.config.data, earlier_data(context), strict=True):
        group = dataset.groups[0]
        found = (
            _elements(group.atomic_numbers.tolist()),
            group.charge,
            list(group.multiplicities),
            group.theory,
        )
        for (what, mine, of), other in zip(wanted, found, strict=True):
            # A dataset that does not say its theory is taken at the word of who names it.
            if other != mine and not (what == "theory" and not other):
                raise InputError(
                    f"`data` {path!r} must have the {what} of {of}, {mine}, but has {other}. Leave it out, "
                    "or change the other."
                )


def group_of(context: Context, positions: Sequence[np.ndarray], labels: Sequence[Label]) -> Group:
    """Return trusted labels as a group of their own, in their order."""
    known = [Known(x, label) for x, label in zip(positions, labels, strict=True)]
    return group_of_labels(context.desk.source, known, context.name)


def _elements(atomic_numbers: Sequence[int]) -> str:
    return " ".join(symbol(int(number)) for number in atomic_numbers)
