"""The numbers of a swarm: those of one run of all its trajectories, with one shard in memory at a time."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from nadyn.analysis.energies import energy_conservation
from nadyn.analysis.fates import OUTSIDE_METHOD, ended_as_asked, endings, stopped
from nadyn.analysis.hops import hop_statistics
from nadyn.analysis.kinetics import lifetimes
from nadyn.analysis.summary import keys_of_populations, plain, states_that_decay
from nadyn.analysis.sums import Sums, populations_of, sums_of
from nadyn.checks.errors import InputError
from nadyn.trajectory import Run, open_run
from nadyn.trajectory.swarm_folder import open_swarm

# A lifetime is fitted to the histories of so many trajectories: its interval is then narrow enough.
_OF_LIFETIMES = 20_000


def analyse_swarm(folder: str | Path) -> dict[str, object]:
    """Return the numbers of a swarm, or of its shards that are complete, ready for JSON.

    Keys and meanings are those of `nadyn.analysis.summary.analyse`, without what needs geometries
    (`geometry`, `products`, `branching`, …). `n_shards` and `n_shards_complete` are added, and
    `lifetimes_of`: how many trajectories, from the first on, lifetimes are of.

    Raises:
        InputError: There is no swarm, no complete shard, or shards are not of one model.
    """
    swarm = open_swarm(Path(folder))
    counts: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    hops: Counter[str] = Counter()
    slopes, histories, hop_error = [], [], 0.0
    drift: float | None = None
    sums: Sums | None = None
    first: Run | None = None
    for run in _complete(swarm.paths):
        first = first or run
        if run.attributes["model_digest"] != first.attributes["model_digest"]:
            raise InputError(
                f"{str(run.path)!r} must be of the same model as {str(first.path)!r}, but is not: it was "
                "changed on the way."
            )
        sums = sums_of(run) if sums is None else sums + sums_of(run)
        energy, hopped = energy_conservation(run), hop_statistics(run)
        counts += Counter(n=run.n_trajectories, shards=1, finished=int(ended_as_asked(run).sum()))
        counts += Counter(frustrated=hopped.frustrated, steps=int(run.last_step.sum()))
        for name in ("divided_steps", "cut_probabilities"):
            counted = getattr(run, name)
            counts += Counter({name: 0 if counted is None else int(counted.sum())})
        ended += Counter(endings(run))
        reasons += Counter(stopped(run))
        hops += Counter(hopped.counts)
        slopes.append(np.abs(energy.slope_ev_per_ps[np.isfinite(energy.slope_ev_per_ps)]))
        if np.isfinite(energy.largest_ev).any():
            drift = max(drift or 0.0, float(np.nanmax(energy.largest_ev)))
        hop_error = max(hop_error, hopped.energy_error_max_ev)
        if counts["n"] - run.n_trajectories < _OF_LIFETIMES:
            histories.append((states_that_decay(run), run.weight))
    if first is None or sums is None:
        raise InputError(
            f"swarm {str(swarm.folder)!r} must have a complete shard, but has none yet. Try again later, or "
            "look at one shard: nadyn analyse shard_000000.h5."
        )
    pops, slope = populations_of(sums), np.concatenate(slopes)
    result: dict[str, object] = {
        "run": dict(swarm.run),
        **keys_of_populations(pops, first),
        "n_trajectories": counts["n"],
        "n_finished": counts["finished"],
        "endings": {name: ended[name] for name in endings(first)},
        "n_running": counts["n"] - counts["finished"] - sum(reasons.values()),
        "n_stopped": dict(reasons.most_common()),
        "n_outside_method": reasons[OUTSIDE_METHOD],
        "hops": {name: hops[name] for name in sorted(hops)},
        "frustrated_hops": counts["frustrated"],
        "hop_energy_error_max_ev": hop_error,
        "energy_drift_max_ev": drift,
        "energy_slope_ev_per_ps": {
            "median": float(np.median(slope)) if len(slope) else None,
            "worst": float(slope.max()) if len(slope) else None,
        },
        "n_shards": swarm.n_shards,
        "n_shards_complete": counts["shards"],
        **_lifetimes(first, histories),
    }
    for name in ("divided_steps", "cut_probabilities"):
        if getattr(first, name) is not None:
            result[name] = {"n": counts[name], "of": counts["steps"]}
    return plain(result)


def _complete(paths: list[Path]) -> Iterator[Run]:
    """Yield the shards that have come to their end, one at a time."""
    for path in paths:
        if path.exists():
            run = open_run(path)
            if run.timings:
                yield run


def _lifetimes(first: Run, histories: list) -> dict[str, object]:
    decays = [decay for decay, _ in histories]
    if any(decay is None for decay in decays):
        return {"lifetimes_fs": {}, "lifetimes_of": 0}
    state, end_fs, end_state = (np.concatenate(parts, axis=-1) for parts in zip(*decays, strict=True))
    weight = np.concatenate([weight for _, weight in histories])
    found = lifetimes(
        first.time_fs,
        state,
        weight,
        n_states=first.n_states,
        seed=int(first.attributes["seed"]),
        end_fs=end_fs,
        end_state=end_state,
    )
    return {"lifetimes_fs": {str(k): asdict(life) for k, life in found.items()}, "lifetimes_of": len(weight)}
