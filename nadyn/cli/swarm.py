"""`nadyn swarm`: a large run as many shards, on one machine, a cluster, or a job array."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def swarm(
    config: Annotated[Path, typer.Argument(help="Run file (YAML).")],
    n: Annotated[
        int | None, typer.Option("--n", min=1, help="Number of trajectories, instead of `initial.n`.")
    ] = None,
    width: Annotated[
        int, typer.Option("--width", min=1, help="Trajectories in a shard; fixed once a swarm has begun.")
    ] = 1000,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="Folder of the swarm; by default that of `output`, run_swarm for run.h5."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Address of a dask scheduler, such as tcp://node1:8786."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes on this machine; by default one a processor."),
    ] = None,
    shard: Annotated[
        int | None,
        typer.Option(
            "--shard", min=0, help="Run only this shard, here: a task of a job array. Needs no dask."
        ),
    ] = None,
    walltime_minutes: Annotated[
        float | None,
        typer.Option(
            "--walltime-minutes", min=0.0, help="End with checkpoints after so long, with exit code 75."
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say how many shards, and how large.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No live table and no summary.")] = False,
) -> None:
    """Run any number of trajectories as shards of a fixed width, each a trajectory file of its own.

    Trajectories have the numbers, starts and bits that one `nadyn run` would give them, whatever the number
    of shards, workers and interruptions. The same command goes on with what is left. SIGTERM, Ctrl-C and the
    end of the wall time end in checkpoints and exit code 75.
    """
    from nadyn.checks.errors import InputError
    from nadyn.interfaces.swarm.plan import bytes_of_swarm, check_room, in_words, make_folder, plan_swarm
    from nadyn.interfaces.swarm.shard import TO_BE_CONTINUED, run_shard
    from nadyn.trajectory.swarm_folder import is_swarm

    if shard is not None and (scheduler is not None or workers is not None):
        raise InputError(
            "`--shard` runs one shard here and must not come with `--scheduler` or `--workers`, but does. "
            "Leave it out for all shards."
        )
    if scheduler is not None and workers is not None:
        raise InputError(
            "`--workers` must not come with `--scheduler`, which has workers of its own, but does. "
            "Leave one out."
        )
    try:
        swarm = plan_swarm(config, n=n, width=width, folder=output)
        if shard is not None:
            swarm.rows(shard)
        # A task of an array is one of many: the first start of all has looked at the size.
        size = None
        if plan or not is_swarm(swarm.folder) or shard is None:
            size = bytes_of_swarm(swarm)
        if size is not None and not plan:
            check_room(swarm, size)
        if not plan:
            make_folder(swarm)
        if not quiet:
            print(in_words(swarm, size), flush=True)
        if plan:
            if size is not None:
                check_room(swarm, size)
            return
        if shard is None:
            from nadyn.interfaces.swarm.dask_workers import run_on_workers

            run_on_workers(
                swarm,
                scheduler=scheduler,
                workers=workers,
                walltime_minutes=walltime_minutes,
                progress=not quiet,
            )
        elif not swarm.is_complete(shard):
            run_shard(swarm, shard, progress=not quiet, walltime_minutes=walltime_minutes)
    except KeyboardInterrupt as error:
        # An interrupt without a word is still an object, and true.
        early = "interrupted before the first step; nothing is lost. Go on with the same command."
        print(str(error) or early, file=sys.stderr)
        raise typer.Exit(TO_BE_CONTINUED) from None
    if not quiet:
        left = sum(not swarm.is_complete(one) for one in range(swarm.n_shards))
        if left:
            print(f"Shard {shard} is complete, {left} of {swarm.n_shards} are not.")
        else:
            print(f"All {swarm.n_shards} shards are complete. Next: nadyn analyse {swarm.folder}")
