"""From labels to data that a model is trained on: the trusted ones, their couplings free of rigid motion."""

from collections.abc import Sequence

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Group
from nadyn.data.rigid_couplings import without_rigid_couplings
from nadyn.data.validation import group_from_arrays
from nadyn.electronic.labels import Known, LabelSource, Quality

_LABELS = ("forces", "interstate_couplings", "dipoles")


def group_of_labels(
    source: LabelSource, known: Sequence[Known], name: str, *, note: str = "", licence: str = ""
) -> Group:
    """Return a group of a dataset with the trusted ones of some labels, in their order.

    Couplings lose what they have along translations and rotations, whatever the source; what it said stays in
    the store.

    Args:
        source: What the labels are from.
        known: Geometries with their labels.
        name: Name of the molecule.
        note: Anything that a reader should know.
        licence: Licence of the data.

    Raises:
        InputError: No label is trusted.
    """
    trusted = [one for one in known if one.label.quality is Quality.TRUSTED]
    if not trusted:
        raise InputError(
            f"a dataset must hold a trusted label, but none of {len(known)} of {source.theory} is trusted."
        )
    arrays = {key: _stacked([getattr(one.label, key) for one in trusted]) for key in _LABELS}
    group = group_from_arrays(
        name,
        atomic_numbers=list(source.atomic_numbers),
        positions=np.stack([one.positions for one in trusted]),
        energies=np.stack([one.label.energies for one in trusted]),
        charge=source.charge,
        multiplicities=source.multiplicities,
        theory=source.theory,
        source=f"nadyn label, source {source.name}",
        licence=licence,
        note=note,
        **arrays,
    )
    return without_rigid_couplings(group)


def _stacked(arrays: Sequence[np.ndarray | None]) -> np.ndarray | None:
    shape = next((array.shape for array in arrays if array is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if array is None else array for array in arrays])
