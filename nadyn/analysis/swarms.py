"""The numbers of a swarm: those of one run of all its trajectories, with one shard in memory at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nadyn.analysis.coordinate_sums import coordinate_sums, followed_of
from nadyn.analysis.energies import energy_conservation
from nadyn.analysis.fates import OUTSIDE_METHOD, ended_as_asked, endings, stopped
from nadyn.analysis.geometry import Quantity, choose_quantities
from nadyn.analysis.hops import hop_statistics
from nadyn.analysis.kinetics import Lifetime, lifetimes
from nadyn.analysis.multiplicities import MultiplicityPopulations, keys_of_multiplicities
from nadyn.analysis.occupations import by_multiplicity
from nadyn.analysis.populations import Populations, mean_and_error_of, populations_of
from nadyn.analysis.summary import QUANTILES, keys_of_populations, plain, states_that_decay
from nadyn.analysis.sums import Sums, sums_of
from nadyn.analysis.sums_of_fates import ProductSums, isomer_sums, isomers_of, product_sums, products_of
from nadyn.checks.errors import InputError
from nadyn.structures import formula
from nadyn.trajectory import Run, open_judged
from nadyn.trajectory.swarm_folder import open_swarm

# A lifetime is fitted to the histories of so many trajectories: its interval is then narrow enough.
_OF_LIFETIMES = 20_000


@dataclass(frozen=True, eq=False)
class SwarmNumbers:
    """What a swarm, or its shards that are complete, add up to.

    Attributes:
        numbers: Ready for JSON, see `analyse_swarm`.
        populations: For a figure.
        lifetimes: Of the state that most trajectories start on.
        first: The first complete shard, which knows what all have in common.
    """

    numbers: dict[str, object]
    populations: Populations
    lifetimes: dict[int, Lifetime]
    first: Run


def analyse_swarm(
    folder: str | Path, *, quantities: Sequence[Quantity] = (), believe: float = 1.0
) -> dict[str, object]:
    """Return the numbers of a swarm, or of its shards that are complete, ready for JSON.

    Keys and meanings are those of `nadyn.analysis.summary.analyse`, without `branching`,
    `temperature_kelvin` and `bulk`. The coordinates that are followed unless they
    are named are those of the first shard; their quantiles are good to the width of a bin, see
    `nadyn.analysis.coordinate_sums`. `n_shards` and `n_shards_complete` are added, and `lifetimes_of`: how
    many trajectories, from the first on, lifetimes are of. How far a committee is believed is `believe`, see
    `judged`.

    Raises:
        InputError: There is no swarm, no complete shard, or shards are not of one model.
    """
    return swarm_numbers(folder, quantities=quantities, believe=believe).numbers


def first_shard(folder: str | Path, *, believe: float = 1.0) -> Run:
    """Return the first shard that is complete.

    Raises:
        InputError: There is none.
    """
    swarm = open_swarm(Path(folder))
    found = next(_complete(swarm.paths, believe), None)
    if found is None:
        raise InputError(
            f"swarm {str(swarm.folder)!r} must have a complete shard, but has none yet. Try again later, or "
            "look at one shard: nadyn analyse shard_000000.h5."
        )
    return found


def swarm_numbers(
    folder: str | Path, *, quantities: Sequence[Quantity] = (), believe: float = 1.0
) -> SwarmNumbers:
    """Return what the complete shards of a swarm add up to, with one of them in memory at a time.

    Args:
        folder: The swarm.
        quantities: Internal coordinates to follow instead of the automatic choice.
        believe: How far a committee is believed, see `judged`.

    Raises:
        InputError: There is no swarm, no complete shard, or shards are not of one model.
    """
    swarm, first = open_swarm(Path(folder)), first_shard(folder, believe=believe)
    followed = list(quantities) or choose_quantities(first)
    dihedral = next((one for one in followed if one.kind == "dihedral"), None)
    counts: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    hops: Counter[str] = Counter()
    slopes, histories, hop_error = [], [], 0.0
    drift: float | None = None
    total: list | None = None
    for run in _complete(swarm.paths, believe):
        if run.attributes["model_digest"] != first.attributes["model_digest"]:
            raise InputError(
                f"{str(run.path)!r} must be of the same model as {str(first.path)!r}, but is not: it was "
                "changed on the way."
            )
        parts = [
            sums_of(run),
            *(product_sums(run, by_state=by_state) for by_state in (True, False)),
            *([] if dihedral is None else [isomer_sums(run, dihedral)]),
            *(coordinate_sums(run, quantity) for quantity in followed),
        ]
        total = parts if total is None else [one + two for one, two in zip(total, parts, strict=True)]
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
    of_states, by_end, by_fragments, *rest = total
    pops, slope = populations_of(of_states), np.concatenate(slopes)
    lives, lives_of = _lifetimes(first, histories)
    changed = {} if dihedral is None else isomers_of(rest.pop(0))
    result: dict[str, object] = {
        "run": dict(swarm.run),
        **keys_of_populations(pops, first),
        **keys_of_multiplicities(_multiplicities(of_states, first)),
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
        "lifetimes_fs": {str(k): asdict(life) for k, life in lives.items()},
        "lifetimes_of": lives_of,
        "geometry": [followed_of(one, QUANTILES) for one in rest],
        **({"isomerisation": changed} if changed else {}),
        **_products(first, by_end, by_fragments),
    }
    for name in ("divided_steps", "cut_probabilities"):
        if getattr(first, name) is not None:
            result[name] = {"n": counts[name], "of": counts["steps"]}
    return SwarmNumbers(plain(result), pops, lives, first)


def _multiplicities(sums: Sums, first: Run) -> MultiplicityPopulations | None:
    found = by_multiplicity(first)
    if found is None or sums.multiplicities is None:
        return None
    return MultiplicityPopulations(
        found[0], *mean_and_error_of(sums.multiplicities, sums.unknown, sums.settled)
    )


def _products(first: Run, by_end: ProductSums, by_fragments: ProductSums) -> dict[str, object]:
    if first.atomic_numbers is None:
        return {}
    whole = formula(first.atomic_numbers, first.masses)
    found, shares = (products_of(sums, whole) for sums in (by_end, by_fragments))
    if not found:
        return {}
    yields = [{key: value for key, value in asdict(one).items() if key != "state"} for one in shares]
    return {"products": [asdict(one) for one in found], "yields": yields}


def _complete(paths: list[Path], believe: float) -> Iterator[Run]:
    """Yield the shards that have come to their end, one at a time."""
    for path in paths:
        if path.exists():
            run = open_judged(path, believe=believe)
            if run.timings:
                yield run


def _lifetimes(first: Run, histories: list) -> tuple[dict[int, Lifetime], int]:
    """Return lifetimes, and of how many trajectories they are."""
    decays = [decay for decay, _ in histories]
    if any(decay is None for decay in decays):
        return {}, 0
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
    return found, len(weight)
