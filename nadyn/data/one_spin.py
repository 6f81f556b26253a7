"""The states of one multiplicity out of a group of several."""

from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group, state_pairs


def with_one_multiplicity(dataset: Dataset, multiplicity: int) -> Dataset:
    """Return the dataset with the states of one multiplicity, as data for a model of that spin.

    Charges of atoms, which are of the lowest state, stay with the multiplicity that comes first.

    Raises:
        InputError: A group has no such state.
    """
    return Dataset(tuple(_of_one_spin(group, multiplicity) for group in dataset.groups))


def _of_one_spin(group: Group, multiplicity: int) -> Group:
    spins = group.multiplicities
    own = [state for state, spin in enumerate(spins) if spin == multiplicity]
    if not own:
        raise InputError(
            f"`--multiplicity` must be one of {list(dict.fromkeys(spins))} in group {group.name!r}, but is "
            f"{multiplicity}."
        )
    if len(own) == len(spins):
        return replace(group, spin_orbit=None, spin_orbit_norms=None)
    pairs = [number for number, (k, l) in enumerate(state_pairs(len(spins))) if {k, l} <= set(own)]

    def states(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[:, own]

    couplings = group.interstate_couplings
    return replace(
        group,
        energies=group.energies[:, own],
        forces=states(group.forces),
        interstate_couplings=None if couplings is None or not pairs else couplings[:, pairs],
        dipoles=None if group.dipoles is None else group.dipoles[:, own][:, :, own],
        polarisabilities=states(group.polarisabilities),
        stress=states(group.stress),
        charges=group.charges if own[0] == 0 else None,
        spin_orbit=None,
        spin_orbit_norms=None,
        # Rows of one multiplicity are not told from those of others.
        eigenvectors=None,
        multiplicities=(multiplicity,) * len(own),
    )
