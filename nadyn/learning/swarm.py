"""A swarm: trajectories on one member of a committee, which the others judge."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import ended_as_asked, known
from nadyn.analysis.learning_record import SwarmRecord
from nadyn.analysis.populations import occupations
from nadyn.trajectory import Run, open_run

# Of a component of the force on the worst atom, calibrated [eV/angstrom].
FORCE_SPREAD = 2.5


def swarm_file(
    dynamics: Mapping[str, object], *, model: str, starts: str, n: int, state: int, member: int, seed: int
) -> dict[str, object]:
    """Return the run file of a swarm; starts and random numbers are the same for all members and rounds."""
    return {
        **dynamics,
        "stop": stops_of(dynamics),
        "model": model,
        "member": member,
        "initial": {"file": starts, "n": n, "state": state},
        "seed": seed,
        "output": f"swarm_{member}.h5",
    }


def stops_of(dynamics: Mapping[str, object]) -> dict[str, object]:
    """Return the section `stop` of swarms: the spreads of the loop, where the learn file names no others.

    Forces are known worst, and a force that is off for a femtosecond moves nobody far: measured on ethylene
    after 540 labels, a bound of 1 eV/Å ended every trajectory within 77 fs, half of them in 11 fs, where
    energies were off by 0.1 eV. So energies and gaps decide, and forces where they are beyond all reason.
    """
    return {"force_spread_ev_per_angstrom": FORCE_SPREAD, **dict(dynamics.get("stop") or {})}


def run_swarm(*, config: dict[str, object], output: str) -> None:
    """Run a swarm into a file, or go on with it; a job of its own process."""
    from nadyn.dynamics.run.loop import run

    run({**config, "output": output}, resume=True, progress=False)


def swarm_record(path: Path, member: int) -> SwarmRecord:
    """Return how the trajectories of a swarm ended."""
    run = open_run(path)
    names = [run.status_names[int(code)] for code in run.status]
    endings = {name: names.count(name) for name in sorted(set(names))}
    n_results = int(ended_as_asked(run).sum())
    return SwarmRecord(member, path.name, run.n_trajectories, endings, n_results)


def known_occupations(run: Run) -> Float[np.ndarray, "frame traj state"]:
    """Return what each trajectory contributes to the populations; NaN where a stop has made it unknown."""
    values = np.array(occupations(run), dtype=np.float64)
    values[~known(run)] = np.nan
    return values
