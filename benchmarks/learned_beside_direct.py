"""Trajectories on learned models beside direct ones from the same starts with the same random numbers.

    python benchmarks/learned_beside_direct.py direct.h5 swarm_0.h5 [swarm_1.h5 ...] [--json out.json]

Pairs are trajectories of one number. Printed are, for each learned run, the largest paired difference of a
population over all times, with its standard error; how many pairs hop down from the start's state in both and
the median difference of these first hop times; and the products of all. The direct run may be under way: its
common time counts.

The largest of many differences is above zero even where both runs are alike: of 40 pairs that share
nothing but their populations it is 0.19 on average and below 0.30 in 95 of 100. So what the difference is
at least, at 95 % confidence and at one time, stands beside it.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from nadyn.analysis.fates import ended_as_asked
from nadyn.analysis.products import yields
from nadyn.learning.convergence import paired_difference
from nadyn.learning.swarm import known_occupations
from nadyn.trajectory import Run, open_run


def first_hops(run: Run, end_fs: float) -> np.ndarray:
    """Return the time of the first accepted hop of each trajectory up to a time [fs]; NaN where none is."""
    times = np.full(run.n_trajectories, np.nan)
    step_fs = _step_fs(run)
    hops = run.hops
    good = (hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]])
    good &= hops["to_state"] < hops["from_state"]
    for trajectory, step in zip(hops["traj"][good].tolist(), hops["step"][good].tolist(), strict=True):
        time = step * step_fs
        if time <= end_fs and not times[trajectory] <= time:
            times[trajectory] = time
    return times


def _step_fs(run: Run) -> float:
    return float(run.time_fs[1] - run.time_fs[0]) / int(run.attributes["write_every"])


def compare(direct: Run, learned: Run) -> dict[str, object]:
    """Return what differs between the pairs."""
    n = min(direct.n_trajectories, learned.n_trajectories)
    frames = min(direct.committed_frames, learned.committed_frames)
    end_fs = float(direct.time_fs[frames - 1])
    apart = float(np.abs(direct.positions[0, :n] - learned.positions[0, :n]).max())
    if apart > 1e-6:
        raise SystemExit(f"starts differ by {apart:.2g} bohr: these are no pairs.")
    values = [known_occupations(run)[:frames, :n] for run in (direct, learned)]
    found = paired_difference(direct.time_fs[:frames], *values)
    times = np.stack([first_hops(run, end_fs)[:n] for run in (direct, learned)])
    both = np.isfinite(times).all(axis=0)
    # A pair of which one has stopped before the other hops says nothing.
    ends = np.stack([_step_fs(run) * np.asarray(run.last_step)[:n] for run in (direct, learned)])
    first = np.nanmin(np.where(np.isfinite(times), times, np.inf), axis=0)
    either = np.isfinite(first) & (ends >= first).all(axis=0)
    lag = times[1] - times[0]
    return {
        "pairs": n,
        "to_fs": end_fs,
        "known": int(np.isfinite(values[1][-1]).all(axis=1).sum()),
        "largest_difference": found.largest,
        "standard_error": found.error,
        "at_least": found.at_least,
        "at_fs": found.time_fs,
        "state": found.state,
        "hopped_in_both": int(both.sum()),
        "hopped_in_either": int(either.sum()),
        "median_lag_fs": float(np.median(np.abs(lag[both]))) if both.any() else None,
        "within_5_fs": int((np.abs(lag[both]) <= 5.0).sum()),
    }


def products(run: Run) -> dict[str, int]:
    """Return how many trajectories ended as which fragments; all as the molecule where none fell apart."""
    found = {one.fragments: one.n for one in yields(run)}
    return found or {"whole": int(ended_as_asked(run).sum())}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("direct", type=Path)
    parser.add_argument("learned", type=Path, nargs="+")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    direct = open_run(arguments.direct)
    rows = []
    for path in arguments.learned:
        learned = open_run(path)
        row = {"run": path.name, **compare(direct, learned)}
        row["products"] = products(learned)
        rows.append(row)
        lag = "none" if row["median_lag_fs"] is None else f"{row['median_lag_fs']:.1f} fs"
        print(
            f"{path.name}: {row['pairs']} pairs to {row['to_fs']:.1f} fs, {row['known']} learned ones known "
            f"there; populations differ by at most {row['largest_difference']:.3f} ± "
            f"{row['standard_error']:.3f} (state {row['state']} at {row['at_fs']:.0f} fs), and at least by "
            f"{row['at_least']:.3f} at some time; first hops down: "
            f"{row['hopped_in_both']} of {row['hopped_in_either']} in both, median difference {lag}, "
            f"{row['within_5_fs']} within 5 fs; products {row['products']}"
        )
    print("direct:", products(direct))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
