"""Populations of singlets, triplets and so on: sums of diabatic populations over the states of each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.analysis.occupations import by_multiplicity
from nadyn.analysis.populations import mean_and_error
from nadyn.trajectory import Run

_LETTERS = {1: "S", 2: "D", 3: "T", 4: "Q"}
_NAMES = {1: "singlets", 2: "doublets", 3: "triplets", 4: "quartets", 5: "quintets"}


@dataclass(frozen=True)
class MultiplicityPopulations:
    """Populations by multiplicity over time.

    Attributes:
        multiplicities: 2S + 1, rising.
        mean: Over trajectories, of the sum of the diabatic populations of each multiplicity.
        error: Its standard error.
    """

    multiplicities: tuple[int, ...]
    mean: Float[np.ndarray, "frame multiplicity"]
    error: Float[np.ndarray, "frame multiplicity"]


def multiplicity_populations(run: Run) -> MultiplicityPopulations | None:
    """Return the populations by multiplicity; None for a run whose states have one multiplicity or none."""
    found = by_multiplicity(run)
    return None if found is None else MultiplicityPopulations(found[0], *mean_and_error(run, found[1]))


def keys_of_multiplicities(spins: MultiplicityPopulations | None) -> dict[str, dict[str, np.ndarray]]:
    """Return populations by multiplicity by the names that results have; nothing without them."""
    if spins is None:
        return {}
    return {
        f"multiplicity_populations{name}": {
            str(kind): values[:, place] for place, kind in enumerate(spins.multiplicities)
        }
        for name, values in (("", spins.mean), ("_error", spins.error))
    }


def among_spin_adiabatic_states(run: Run) -> bool:
    """Tell whether the states of a run are those of a Hamiltonian with all M_S of several multiplicities."""
    stored = run.attributes.get("multiplicities")
    return stored is not None and run.n_states > len(json.loads(str(stored)))


def diabatic_names(run: Run) -> list[str]:
    """Return names of the diabatic states: S0, S1, T1 and so on by multiplicity, else their numbers."""
    n_basis = run.diabatic_populations.shape[2]
    stored = run.attributes.get("multiplicities")
    if stored is None:
        return [f"diabatic state {d}" for d in range(n_basis)]
    if "all states of one spin" in str(run.attributes.get("diabatic_population_estimator", "")):
        return [multiplicity_name(kind) for kind in json.loads(str(stored))]
    return state_names(json.loads(str(stored)))


def state_names(multiplicities: Sequence[int]) -> list[str]:
    """Return names of states, such as S0, S1, T1, from the multiplicity of each."""
    names, seen = [], {}
    for kind in multiplicities:
        # Singlets and doublets hold the ground state, which is number 0.
        number = seen[kind] = seen.get(kind, -1 if kind <= 2 else 0) + 1
        names.append(f"{_LETTERS.get(kind, f'M{kind} ')}{number}")
    return names


def multiplicity_name(multiplicity: int) -> str:
    """Return the name of the states of a multiplicity."""
    return _NAMES.get(multiplicity, f"multiplicity {multiplicity}")
