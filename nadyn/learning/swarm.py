"""A swarm: trajectories on one member of a committee, which the others judge."""

from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np

from nadyn.analysis.fates import ended_as_asked
from nadyn.analysis.learning_record import SwarmRecord
from nadyn.learning.context import Context, teller
from nadyn.learning.jobs import Job, side_by_side
from nadyn.learning.objections import Objections
from nadyn.trajectory import open_run

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
    """Return the run file of a swarm; starts and random numbers are the same for all members and rounds.

    Every step is a frame: an objection between two frames would not be seen.
    """
    return {
        **dynamics,
        "write_every": 1,
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


def run_swarms(context: Context, folder: Path, members: Sequence[int], n: int, lenience: float) -> None:
    """Run so many trajectories on each of these members, or what is left of them."""
    config = context.config
    jobs = []
    for member in members:
        content = swarm_file(
            config.dynamics,
            model="model.safetensors",
            starts=str(Path("..") / context.folder.starts.name),
            n=min(n, config.sample.n),
            state=config.state,
            member=member,
            seed=config.seed,
            lenience=lenience,
        )
        if not _complete(folder / f"swarm_{member}.h5"):
            jobs.append(
                Job("nadyn.learning.swarm:run_swarm", {"config": content, "folder": str(folder.absolute())})
            )
    if jobs:
        context.narrator.stage(f"{n} trajectories on each of {len(members)} members")
        side_by_side(jobs, processes=config.processes, waiting=teller(context, "swarms", len(jobs)))


def _complete(path: Path) -> bool:
    if not path.exists():
        return False
    run = open_run(path)
    return all(run.status_names[int(code)] != "running" for code in run.status)


def swarm_records(context: Context, folder: Path, members: Sequence[int]) -> list[SwarmRecord]:
    """Return how the swarms on these members ended."""
    objections = Objections.of(context.config.dynamics)
    return [swarm_record(folder / f"swarm_{member}.h5", member, objections) for member in members]
