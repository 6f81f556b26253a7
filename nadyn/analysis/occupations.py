"""What each trajectory contributes to the population of each state."""

import json

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.trajectory import Run


def occupations(run: Run) -> Float[np.ndarray, "frame traj state"]:
    """Return what each trajectory contributes to each population: the method's estimate if there is one.

    Raises:
        InputError: The file has none and its estimator is unknown.
    """
    if run.populations_adiabatic is not None:
        return np.asarray(run.populations_adiabatic)
    estimator = str(run.attributes["population_estimator"])
    if estimator.startswith("fraction of trajectories"):
        return (np.asarray(run.active_state)[..., None] == np.arange(run.n_states)).astype(float)
    if estimator.startswith("mean |c|^2"):
        # Between 0 and 1 in each trajectory: the interval of a fraction is then on the safe side.
        return (np.asarray(run.coefficients) ** 2).sum(axis=-1)
    raise InputError(
        f"`population_estimator` must be a known one, but is {estimator!r}. "
        "Known: fraction of trajectories, mean |c|^2. Try a newer nadyn."
    )


def by_multiplicity(run: Run) -> tuple[tuple[int, ...], Float[np.ndarray, "frame traj multiplicity"]] | None:
    """Return the multiplicities 2S + 1 of a run's states, rising, and the sum of the diabatic populations of
    each; None for a run whose states have one multiplicity or none.

    A spin-adiabatic state belongs to no multiplicity, but the diabatic states do. Sums come before averages:
    the populations of one trajectory depend on each other.
    """
    stored = run.attributes.get("multiplicities")
    if stored is None or run.diabatic_populations is None:
        return None
    of_row = np.array(json.loads(str(stored)))
    kinds = tuple(sorted(set(of_row.tolist())))
    values = np.asarray(run.diabatic_populations)
    return kinds, np.stack([values[..., of_row == kind].sum(axis=-1) for kind in kinds], axis=-1)
