"""All numbers of a run in one dictionary: the JSON of `nadyn analyse`."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.analysis.bulk import bulk
from nadyn.analysis.energies import degrees_of_freedom, energy_conservation, temperature
from nadyn.analysis.fates import (
    MOST_UNKNOWN,
    OUTSIDE_METHOD,
    ended_as_asked,
    endings,
    final_state,
    known,
    stopped,
)
from nadyn.analysis.geometry import Quantity, choose_quantities, isomers, measure
from nadyn.analysis.hops import hop_statistics
from nadyn.analysis.joined import open_runs_as_one
from nadyn.analysis.kinetics import Lifetime, lifetimes
from nadyn.analysis.multiplicities import (
    among_spin_adiabatic_states,
    keys_of_multiplicities,
    multiplicity_populations,
)
from nadyn.analysis.populations import Populations, populations
from nadyn.analysis.products import products, yields
from nadyn.analysis.scattering import branching
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run
from nadyn.units import FEMTOSECOND_PER_AU

# Parts of the trajectories that a coordinate is below, told beside its mean.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def analyse(
    path: str | Path,
    *more: str | Path,
    quantities: Sequence[Quantity] = (),
    after_fs: float | None = None,
    believe: float = 1.0,
) -> dict[str, object]:
    """Return the numbers of a run, finished or not, or of several of one model as one, ready for JSON.

    None stands where a number is not defined, and for means and fractions also where more than half of the
    trajectories, by weight, are of unknown state: what the others do then says nothing of all.

    Always there: `run` (the run file), `time_fs`, `populations` (time, state), means over the
    `populations_counted` trajectories not stopped so far, with `populations_low` and `populations_high`
    (95 %, over every fate that stopped trajectories could have had), `populations_held` (stopped ones held
    at their last state),
    `populations_differ` (whether that is farther off than chance explains), `population_estimator`,
    `populations_electronic` (mean |c|^2), `n_trajectories`, `n_finished`, `endings` {"finished": n,
    "left_region": n, "dissociated": n, "settled": n} that add up to it, `n_running`, `n_stopped`
    {reason: n}, of which
    `n_outside_method` where the level of theory itself fails, `hops` {"1-0": n}, `frustrated_hops`,
    `hop_energy_error_max_ev`, `energy_drift_max_ev`,
    `energy_slope_ev_per_ps` {median, worst}, `lifetimes_fs` {state: {value, low, high, delay, misfit,
    reason}} of the state in which most trajectories start (see `nadyn.analysis.kinetics`), `geometry`.
    Where defined: `diabatic_populations` with `diabatic_populations_error` and
    `diabatic_population_estimator`, of states of several multiplicities `multiplicity_populations` {"1":
    […], "3": […]} and `multiplicity_populations_error`, `isomerisation` (see `isomers`), `products`
    [{fragments, state, n, fraction, low, high}] of a molecule that fell apart and `yields` of the same
    fragments whatever their state (see `products`), `branching` with `branching_error`, with `adaptive`
    `divided_steps` {n, of}, with drawn hops `cut_probabilities` {n, of} (steps in which their sum was
    over 1), for one state `temperature_kelvin` {mean, standard_deviation}, of runs in periodic cells `bulk`
    (see `nadyn.analysis.bulk`).

    Args:
        path: A trajectory file.
        more: Others of the same model with other seeds or starts, see `nadyn.analysis.joined`.
        quantities: Internal coordinates to follow instead of the automatic choice.
        after_fs: What is before is left out of `bulk`.
        believe: How far a committee is believed, see `nadyn.trajectory.judged`.

    Raises:
        InputError: The file is no trajectory file, or holds no frame yet.
    """
    run = open_runs_as_one([path, *more], believe=believe)
    return summarise(run, quantities=quantities, after_fs=after_fs)


def summarise(
    run: Run,
    *,
    quantities: Sequence[Quantity] = (),
    after_fs: float | None = None,
    atoms: Run | None = None,
) -> dict[str, object]:
    """Return the dictionary of `analyse` for a run that is open.

    Args:
        run: The run.
        quantities: As in `analyse`.
        after_fs: As in `analyse`.
        atoms: The same run with the geometries of a molecule, where its own coordinates are others: for
            `geometry`.
    """
    seen = run if atoms is None else atoms
    if run.committed_frames == 0:
        raise InputError(
            f"file {str(run.path)!r} must hold a frame, but its run has only begun. "
            "Try again after its first checkpoint."
        )
    pops = populations(run)
    hops = hop_statistics(run)
    energy = energy_conservation(run)
    slopes = np.abs(energy.slope_ev_per_ps[np.isfinite(energy.slope_ev_per_ps)])
    chosen = list(quantities) or choose_quantities(seen)
    result: dict[str, object] = {
        "run": dict(run.config),
        **keys_of_populations(pops, run),
        "n_trajectories": run.n_trajectories,
        "n_finished": int(ended_as_asked(run).sum()),
        "endings": endings(run),
        "n_running": run.n_trajectories - int(ended_as_asked(run).sum()) - sum(stopped(run).values()),
        "n_stopped": stopped(run),
        "n_outside_method": stopped(run).get(OUTSIDE_METHOD, 0),
        "hops": hops.counts,
        "frustrated_hops": hops.frustrated,
        "hop_energy_error_max_ev": hops.energy_error_max_ev,
        "energy_drift_max_ev": float(np.nanmax(energy.largest_ev))
        if np.isfinite(energy.largest_ev).any()
        else None,
        "energy_slope_ev_per_ps": {
            "median": float(np.median(slopes)) if len(slopes) else None,
            "worst": float(slopes.max()) if len(slopes) else None,
        },
        "lifetimes_fs": {str(k): asdict(life) for k, life in run_lifetimes(run).items()},
        "geometry": [followed(seen, quantity) for quantity in chosen],
    }
    result |= keys_of_multiplicities(multiplicity_populations(run))
    changed = next((found for quantity in chosen if (found := isomers(seen, quantity))), None)
    if changed is not None:
        result["isomerisation"] = changed
    if run.divided_steps is not None:
        result["divided_steps"] = {"n": int(run.divided_steps.sum()), "of": int(run.last_step.sum())}
    if run.cut_probabilities is not None:
        n = int(run.cut_probabilities.sum())
        result["cut_probabilities"] = {"n": n, "of": int(run.last_step.sum())}
    fell_apart = products(run)
    if fell_apart:
        result["products"] = [asdict(one) for one in fell_apart]
        result["yields"] = [
            {key: value for key, value in asdict(one).items() if key != "state"} for one in yields(run)
        ]
    scattered = branching(run)
    if scattered is not None:
        result["branching"] = scattered.fraction
        result["branching_error"] = scattered.error
        result["branching_undecided"] = scattered.n_undecided
    if not run.changes_states:
        kelvin = temperature(run)
        result["temperature_kelvin"] = {
            "mean": float(np.nanmean(kelvin)),
            "standard_deviation": float(np.nanstd(kelvin)),
            "degrees_of_freedom": degrees_of_freedom(run),
        }
    matter = bulk(run, after_fs=after_fs)
    if matter is not None:
        result["bulk"] = matter
    return plain(result)


def keys_of_populations(pops: Populations, run: Run) -> dict[str, object]:
    """Return populations by the names that results have; of a run, or of all of which it is a part."""
    named = {
        "time_fs": pops.time_fs,
        "populations": pops.mean,
        "populations_low": pops.low,
        "populations_high": pops.high,
        "populations_counted": pops.counted,
        "populations_held": pops.held,
        "populations_differ": pops.differ,
        "population_estimator": run.attributes["population_estimator"],
        "populations_electronic": pops.electronic,
    }
    if pops.diabatic is not None:
        named["diabatic_populations"] = pops.diabatic
        named["diabatic_populations_error"] = pops.diabatic_error
        named["diabatic_population_estimator"] = run.attributes["diabatic_population_estimator"]
    return named


def run_lifetimes(run: Run) -> dict[int, Lifetime]:
    """Return the lifetime of the state in which a run starts; none for scattering, where nothing decays.

    It is fitted to the states that trajectories are on, so there is none where populations are estimated
    in another way, and none among spin-adiabatic states, whose components trajectories change all the time.
    """
    decay = states_that_decay(run)
    if decay is None:
        return {}
    return lifetimes(
        run.time_fs,
        decay[0],
        run.weight,
        n_states=run.n_states,
        seed=int(run.attributes["seed"]),
        end_fs=decay[1],
        end_state=decay[2],
    )


def states_that_decay(
    run: Run,
) -> tuple[Int[np.ndarray, "frame traj"], Float[np.ndarray, "traj"], Int[np.ndarray, "traj"]] | None:
    """Return the state of each trajectory, -1 where it is not known, when and on which it ended [fs]; None
    where no lifetime is defined."""
    if among_spin_adiabatic_states(run) or run.populations_adiabatic is not None:
        return None
    if not run.changes_states or branching(run) is not None or run.committed_frames < 5:
        return None
    # A stopped trajectory is known up to its last step, and may have hopped after its last frame.
    return (
        np.where(known(run), np.asarray(run.active_state), -1),
        run.last_step * float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU,
        final_state(run),
    )


def plain(value: object) -> object:
    """Return lists, numbers, strings and None only: JSON has no NaN and no arrays."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def followed(run: Run, quantity: Quantity) -> dict[str, object]:
    """Return mean, standard deviation and quantiles of a coordinate over trajectories that run, by frame."""
    alive = run.alive()
    values = measure(run, quantity)
    # A dihedral has no mean across its seam; its size, 0 for cis and 180 for trans, has one.
    values = np.where(alive, np.abs(values) if quantity.kind == "dihedral" else values, np.nan)
    some = alive @ run.weight >= (1 - MOST_UNKNOWN) * run.weight.sum()
    mean, spread = np.full(len(values), np.nan), np.full(len(values), np.nan)
    mean[some], spread[some] = np.nanmean(values[some], axis=1), np.nanstd(values[some], axis=1)
    return {
        "kind": quantity.kind,
        "atoms": list(quantity.atoms),
        "unit": quantity.unit,
        "mean": mean,
        "standard_deviation": spread,
        "quantiles": {f"{q:g}": row for q, row in zip(QUANTILES, _quantiles(run, values, some), strict=True)},
    }


def _quantiles(
    run: Run, values: Float[np.ndarray, "frame traj"], some: Bool[np.ndarray, "frame"]
) -> Float[np.ndarray, "quantile frame"]:
    """Return what parts of the trajectories that run are below, by weight."""
    found = np.full((len(QUANTILES), len(values)), np.nan)
    for frame in np.nonzero(some)[0].tolist():
        order = np.argsort(values[frame])
        order = order[np.isfinite(values[frame][order])]
        reached = np.cumsum(run.weight[order])
        place = np.searchsorted(reached, np.array(QUANTILES) * reached[-1] * (1 - 1e-12))
        found[:, frame] = values[frame][order][place]
    return found
