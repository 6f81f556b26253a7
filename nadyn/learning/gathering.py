"""From the label store to a dataset: what trains, and what does not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nadyn.data import Dataset, Group, load_dataset
from nadyn.data.joining import join
from nadyn.data.validation import group_from_arrays
from nadyn.electronic.labels import Label
from nadyn.learning.context import Context
from nadyn.learning.fresh import single
from nadyn.structures.rigid import without_rigid_part

# Steps of direct trajectories between those that train: too near to their neighbours to teach anything.
BETWEEN = "between"


def gathered_labels(context: Context) -> Group:
    """Return all trusted labels as one group, with the datasets that were there before.

    Couplings are free of translation and rotation, whatever the source gives.
    """
    store = context.desk.store
    tags = sorted({record.tag for record in store.records} - {BETWEEN})
    group = store.group(context.name, tags=tags)
    if group.interstate_couplings is not None:
        group = replace(
            group,
            interstate_couplings=np.stack(
                [
                    without_rigid_part(h, x)
                    for h, x in zip(group.interstate_couplings, group.positions, strict=True)
                ]
            ),
        )
    return single(join([*earlier_data(context), Dataset((group,))]))


def earlier_data(context: Context) -> list[Dataset]:
    """Return the datasets that were there before, under the name of the molecule."""
    found = []
    for path in context.config.data:
        group = single(load_dataset(path))
        found.append(Dataset((replace(group, name=context.name),)))
    return found


def group_of(
    context: Context, positions: Sequence[np.ndarray], labels: Sequence[Label]
) -> Group:
    """Return labels as a group of their own."""
    method = context.desk.store.method
    couplings = None
    if all(label.interstate_couplings is not None for label in labels):
        couplings = np.stack(
            [
                without_rigid_part(label.interstate_couplings, x)
                for label, x in zip(labels, positions, strict=True)
            ]
        )
    forces = None
    if all(label.forces is not None for label in labels):
        forces = np.stack([label.forces for label in labels])
    return group_from_arrays(
        context.name,
        atomic_numbers=method.atomic_numbers,
        positions=np.stack(positions),
        energies=np.stack([label.energies for label in labels]),
        forces=forces,
        interstate_couplings=couplings,
        charge=method.charge,
        multiplicities=method.multiplicities,
        theory=method.theory,
    )
