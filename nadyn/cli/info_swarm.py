"""What `nadyn info` says of the folder of a swarm, and of the trajectories that it shares with a run."""

from pathlib import Path

from nadyn.checks.counts import counted


def trajectories_digest(file: Path) -> str:
    """Return the sha256 over the trajectories of a run or of a swarm, the same for both.

    Raises:
        InputError: It is none, or not complete.
    """
    from nadyn.trajectory import digest_by_trajectory
    from nadyn.trajectory.swarm_folder import is_swarm, open_swarm

    return digest_by_trajectory(open_swarm(file).complete() if is_swarm(file) else [file])


def swarm_facts(folder: Path) -> dict[str, str]:
    """Return how large a swarm is and how far it has come."""
    from nadyn.trajectory.swarm_folder import open_swarm

    swarm = open_swarm(folder)
    done = sum(swarm.is_complete(shard) for shard in range(swarm.n_shards))
    return {
        "method": str(swarm.run.get("method")),
        "trajectories": str(swarm.n),
        "shards": f"{done} of {swarm.n_shards} complete, of {counted(swarm.width, 'trajectory')}",
    }
