"""Whether trajectories of two runs are pairs, and what else differs between the runs."""

from pathlib import Path

import numpy as np

from nadyn.analysis.multiplicities import among_spin_adiabatic_states
from nadyn.analysis.unlike_dynamics import unlike_dynamics
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR

# Starts that are the same [bohr, au of momentum].
_SAME_START = 1e-6
# What need not be said: who is beside whom, who answers, and limits of judges, which only end trajectories.
_TOLD_APART = ("member", "labels", "stop")
# Ends that are results: whoever came to one is taken to stay as it is.
_RESULTS_OF_STOP = ("lowest_state_fs", "dissociated", "beyond_au")
_DEFAULTS_OF_STOP = {"dissociated": True}


def check_alike(path: Path, first: Run, second: Run, *, n_common: int) -> None:
    """Refuse runs of unlike things, whose populations are not to be compared.

    Args:
        path: Of the second run.
        first: A run.
        second: Another run.
        n_common: Number of times that both have.

    Raises:
        InputError: They are of other atoms, masses, states or times.
    """
    where = f"{str(path)!r} must be of"
    if not np.array_equal(first.atomic_numbers, second.atomic_numbers):
        raise InputError(f"{where} the same atoms as the other run, but is not.")
    if not np.allclose(first.masses, second.masses, rtol=1e-6):
        raise InputError(f"{where} the same isotopes as the other run, but is not.")
    if first.n_states != second.n_states:
        raise InputError(f"{where} {first.n_states} states, as the other run, but is of {second.n_states}.")
    if n_common < 2:
        raise InputError(
            f"{where} two times at least that the other run has, but is of {n_common}. Let it run further, "
            "or run both with the same `dt_fs` and `write_every`."
        )


def why_no_pairs(first: Run, second: Run) -> str | None:
    """Return why trajectories of one number of two runs are no pairs; None where they are.

    Pairs begin in the same way and have equal weights.
    """
    n = min(first.n_trajectories, second.n_trajectories)
    if any(np.ptp(np.asarray(run.weight)[:n]) > 1e-9 for run in (first, second)):
        return "trajectories of one of them have unequal weights"
    positions, momenta = (
        np.abs(np.asarray(getattr(first, name)[0, :n]) - np.asarray(getattr(second, name)[0, :n])).max()
        for name in ("positions", "momenta")
    )
    if positions > _SAME_START:
        return f"starts differ by {positions * ANGSTROM_PER_BOHR:.2g} Å"
    if momenta > _SAME_START:
        return f"momenta differ by {momenta:.2g} au"
    if not np.array_equal(first.active_state[0, :n], second.active_state[0, :n]):
        return "they begin on other states"
    return None


def check_pairs(path: Path, first: Run, second: Run, *, n_common: int) -> None:
    """Refuse runs whose trajectories are no pairs.

    Args:
        path: Of the second run.
        first: A run.
        second: Another run.
        n_common: Number of times that both have.

    Raises:
        InputError: They are of other atoms, masses, states, weights or times, or begin in other ways.
    """
    check_alike(path, first, second, n_common=n_common)
    reason = why_no_pairs(first, second)
    if reason is not None:
        raise InputError(
            f"{str(path)!r} must be of pairs with the trajectories of the other run, but {reason}. "
            "Run both with `initial: {file: starts.h5}`, the same `state` and the same `seed`."
        )


def unlike(first: Run, second: Run, *, pairs: bool = True) -> tuple[str, ...]:
    """Return in sentences which keys of the run files differ that decide what a trajectory does.

    Args:
        first: A run.
        second: Another run.
        pairs: Whether trajectories are pairs, so that seeds matter.
    """
    found = {
        key: values
        for key, values in unlike_dynamics(
            first.config, second.config, spin_adiabatic=among_spin_adiabatic_states(first)
        ).items()
        if key not in _TOLD_APART and not key.startswith("initial.")
    }
    stops = [run.config.get("stop") or {} for run in (first, second)]
    for key in _RESULTS_OF_STOP:
        one, two = (_DEFAULTS_OF_STOP.get(key) if stop.get(key) is None else stop[key] for stop in stops)
        if one != two:
            found[f"stop.{key}"] = tuple("null" if value is None else str(value) for value in (one, two))
    seeds = [run.config.get("seed") for run in (first, second)]
    if pairs and seeds[0] != seeds[1]:
        found["seed"] = tuple(map(str, seeds))
    sentences = [f"`{key}` is {one} in one and {two} in the other." for key, (one, two) in found.items()]
    if pairs and seeds[0] != seeds[1]:
        sentences.append("Other random numbers decide the hops: pairs share their starts only.")
    return tuple(sentences)
