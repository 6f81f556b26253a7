"""Charge and multiplicities that a file does not say: assumed, kept as an assumption, and said by a user."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group

# What may be assumed, in the order in which it is shown.
ASSUMABLE = ("charge", "multiplicities")


def with_charge(dataset: Dataset, charge: int | None) -> Dataset:
    """Return the dataset with a charge in the groups of which no file says one.

    Args:
        dataset: Its groups are of one charge where a charge is given.
        charge: Total charge [e]; None leaves all as it is.

    Raises:
        InputError: A file says another charge.
    """
    if charge is None:
        return dataset
    for group in dataset.groups:
        if "charge" not in group.assumed and group.charge != charge:
            raise InputError(
                f"`--charge` must not contradict the file, which says {group.charge} of group "
                f"{group.name!r}, but is {charge}. Remove the option, or correct the file."
            )
    return Dataset(
        tuple(replace(group, charge=charge, assumed=group.assumed - {"charge"}) for group in dataset.groups)
    )


def agreed_multiplicities(said: object, given: Sequence[int] | None) -> object:
    """Return the multiplicities that a file says, or those given where it says none.

    Args:
        said: What the file says; None if nothing.
        given: What the user says; None if nothing.

    Raises:
        InputError: The two differ.
    """
    if said is None or given is None:
        return given if said is None else said
    if not np.array_equal(np.atleast_1d(said), given):
        known = " ".join(map(str, np.atleast_1d(said).tolist()))
        raise InputError(
            f"`--multiplicities` must not contradict the file, which says {known}, but is "
            f"{' '.join(map(str, given))}. Remove the option, or correct the file."
        )
    return said


def in_words(group: Group) -> str:
    """Return charge and multiplicities of a group as one line, and which of them no file says."""
    values = {"charge": f"{group.charge:+d}" if group.charge else "0"}
    values["multiplicities"] = " ".join(map(str, group.multiplicities))
    return ", ".join(
        f"{key} {values[key]}" + f" (assumed: no file says it; give `--{key}`)" * (key in group.assumed)
        for key in ASSUMABLE
    )
