"""What a network does not see and what changes the surface: it must not differ within a training."""

from collections import defaultdict
from collections.abc import Callable
from itertools import combinations

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group
from nadyn.units import ELECTRONVOLT_PER_HARTREE

# The same atoms with mean energies this far apart, and so many times their spread, are of two surfaces.
_APART_EV = 1.0
_APART_SPREADS = 5.0

_UNSEEN: dict[str, Callable[[Group], object]] = {
    "charge": lambda group: group.charge,
    "multiplicities": lambda group: list(group.multiplicities),
    "theory": lambda group: group.theory,
}


def check_one_surface(dataset: Dataset, mix: tuple[str, ...]) -> None:
    """Refuse groups that differ in their number of states, or in what a network does not see.

    A level of theory that is not given may be any.

    Args:
        dataset: All groups of a training.
        mix: Names of what may differ.

    Raises:
        InputError: One sentence with the first two groups that differ.
    """
    states = {group.n_states for group in dataset.groups}
    if len(states) > 1:
        raise InputError(
            f"all groups must have the same number of states, but have {sorted(states)}. Train them apart."
        )
    for group in dataset.groups:
        if len(set(group.multiplicities)) > 1:
            raise InputError(
                f"`multiplicities` must be the same for all states, but are {list(group.multiplicities)}. "
                "Train each with `--multiplicity`, and put them together with `nadyn couple`."
            )
    for key, value_of in _UNSEEN.items():
        if key in mix:
            continue
        known = [(group, value_of(group)) for group in dataset.groups if value_of(group) != ""]
        for group, value in known[1:]:
            first, expected = known[0]
            if value != expected:
                silent = " and ".join(repr(one.name) for one in (first, group) if key in one.assumed)
                told = (
                    f" It is assumed in {silent}, whose file does not say it: give `--{key}`."
                    if silent
                    else ""
                )
                raise InputError(
                    f"`{key}` must be the same in all groups of a training, but is {expected!r} in "
                    f"{first.name!r} and {value!r} in {group.name!r}.{told} A model sees elements and "
                    "positions only, so it would learn a mean of both: train one for each, or, if you know "
                    f"that they fit together, say `mix: [{key}]` in the training file."
                )


def about_energies(dataset: Dataset) -> list[str]:
    """Return a sentence for each two groups of the same atoms whose energies cannot be of one surface."""
    same = defaultdict(list)
    for group in dataset.groups:
        same[tuple(sorted(group.atomic_numbers.tolist()))].append(group)
    sentences = []
    for groups in same.values():
        for one, two in combinations(groups, 2):
            energies = [group.energies[:, 0] * ELECTRONVOLT_PER_HARTREE for group in (one, two)]
            apart = abs(np.mean(energies[0]) - np.mean(energies[1]))
            spread = max(np.std(values) for values in energies)
            if apart > max(_APART_EV, _APART_SPREADS * spread):
                sentences.append(
                    f"{one.name} and {two.name} have the same atoms, but their energies are {apart:.1f} eV "
                    f"apart on average, with a spread of {spread:.1f} eV: they may be of different charges "
                    "or methods, which a model cannot tell apart"
                )
    return sentences
