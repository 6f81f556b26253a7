"""A swarm: trajectories on one member of a committee, which the others judge."""

from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import ended_as_asked, known
from nadyn.analysis.learning_record import SwarmRecord
from nadyn.analysis.populations import occupations
from nadyn.learning.objections import Objections
from nadyn.trajectory import Run, open_run

# How a trajectory is counted that ended as asked, but to which the committee had objected on its way.
IN_DOUBT = "in_doubt"


def swarm_file(
    dynamics: Mapping[str, object],
    *,
    model: str,
    starts: str,
    n: int,
    state: int,
    member: int,
    seed: int,
    lenience: float,
) -> dict[str, object]:
    """Return the run file of a swarm; starts and random numbers are the same for all members and rounds."""
    return {
        **dynamics,
        "stop": Objections.of(dynamics).section(dynamics, lenience=lenience),
        "model": model,
        "member": member,
        "initial": {"file": starts, "n": n, "state": state},
        "seed": seed,
        "output": f"swarm_{member}.h5",
    }


def run_swarm(*, config: dict[str, object], folder: str) -> None:
    """Run a swarm into a file, or go on with it; a job of its own process.

    Its files are named from the folder of its round, so that a loop can be moved while it rests.
    """
    from nadyn.dynamics.run.loop import run

    with chdir(folder):
        run(config, resume=True, progress=False)


def swarm_record(path: Path, member: int, objections: Objections) -> SwarmRecord:
    """Return how the trajectories of a swarm ended; what ended as asked, but in doubt, is no result."""
    run = open_run(path)
    results = objections.results(run)
    names = np.array([run.status_names[int(code)] for code in run.status])
    names[ended_as_asked(run) & ~results] = IN_DOUBT
    endings = {str(name): int((names == name).sum()) for name in sorted(set(names.tolist()))}
    return SwarmRecord(member, path.name, run.n_trajectories, endings, int(results.sum()))


def known_occupations(run: Run) -> Float[np.ndarray, "frame traj state"]:
    """Return what each trajectory contributes to the populations; NaN where a stop has made it unknown."""
    values = np.array(occupations(run), dtype=np.float64)
    values[~known(run)] = np.nan
    return values
