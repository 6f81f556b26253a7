"""A state counted among those of one multiplicity, and what is said where the spin of a start is another."""

from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.section import InitialSection
from nadyn.electronic.state_spins import has_several_spins, known_multiplicities, state_multiplicities
from nadyn.models.model import Model
from nadyn.trajectory.initial_conditions import InitialConditions


def check_multiplicity(model: Model, section: InitialSection) -> None:
    """Refuse a multiplicity that the model has no states of, or not so many.

    Raises:
        InputError: That.
    """
    if section.multiplicity is None:
        return
    spins = known_multiplicities(model)
    if not spins:
        raise InputError(
            f"`multiplicity` must be left out for model {model.name}, whose states are of one kind, but is "
            f"{section.multiplicity}. Remove it."
        )
    n = spins.count(section.multiplicity)
    if not n:
        known = ", ".join(map(str, dict.fromkeys(spins)))
        raise InputError(
            f"`multiplicity` must be one of {known} for model {model.name}, but is {section.multiplicity}."
        )
    if section.state >= n:
        raise InputError(
            f"`state` must be from 0 to {n - 1} among the states of multiplicity {section.multiplicity}, but "
            f"is {section.state}."
        )


def with_spin(model: Model, section: InitialSection, initial: InitialConditions) -> InitialConditions:
    """Return initial conditions whose `state` was counted among the states of `multiplicity`.

    Without a `multiplicity` they are returned as they are, with a notice where a state that was counted among
    those of all multiplicities is not one of the lowest state's: light does not change the spin.

    Args:
        model: The model of the dynamics.
        section: Where `state` and `multiplicity` stand.
        initial: Starts whose `state` is that of the section.
    """
    if not has_several_spins(model) or initial.diabatic_state is not None:
        return initial
    if section.multiplicity is not None:
        found = state_multiplicities(model, initial.positions) == section.multiplicity
        number = np.cumsum(found, axis=1) - 1
        chosen = found & (number == section.state)
        if missing := int((~chosen.any(axis=1)).sum()):
            raise InputError(
                f"`state` {section.state} of multiplicity {section.multiplicity} must be among the states of "
                f"model {model.name} at every start, but is not at {missing} of {len(chosen)}. Start on a "
                "lower one."
            )
        states = chosen.argmax(axis=1)
        same = bool((states == states[0]).all())
        return replace(initial, state=int(states[0]) if same else None, states=None if same else states)
    if section.state is None:
        return initial
    found = state_multiplicities(model, initial.positions)
    other = int((found[:, section.state] != found[:, 0]).sum())
    if not other:
        return initial
    lowest = int(found[0, 0])
    notice = (
        f"{other} of {len(found)} trajectories start with another multiplicity than that of the lowest "
        f"state, {lowest}, because `state: {section.state}` counts the states of all multiplicities by "
        f"energy. For what light excites give `multiplicity: {lowest}`, among which `state` is then counted."
    )
    return replace(initial, notices=(*initial.notices, notice))
