"""`nadyn run`: trajectories from a run file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    from nadyn.dynamics.run.result import RunResult


def run(
    config: Annotated[Path, typer.Argument(help="Run file (YAML).")],
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the newest checkpoint, also beyond the end with a larger time_fs; or begin.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    molecule: Annotated[
        str | None,
        typer.Option("--molecule", help="Which molecule of the model, instead of the one in the run file."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No live table and no summary.")] = False,
) -> None:
    """Run trajectories and write them to one HDF5 file."""
    from nadyn.checks.errors import RunError
    from nadyn.interfaces.direct_run import run as run_trajectories

    try:
        result = run_trajectories(
            config, molecule=molecule, resume=resume, overwrite=overwrite, progress=not quiet
        )
    except KeyboardInterrupt as error:
        # Said here, because typer keeps only the exit code of an interrupt.
        early = "interrupted before the first step. Begin again, or go on, with --resume."
        print(str(error) or early, file=sys.stderr)
        raise
    if not quiet:
        for notice in result.notices:
            print(f"Note: {notice}")
    if not quiet and not result.steps:
        print(
            f"{result.path} is complete at {result.time_fs:g} fs and nothing was done: give a larger "
            f"`time_fs` in {config} and --resume again to make it longer, or --overwrite to run it anew."
        )
    elif not quiet:
        _print_summary(result)
    if not result.n_finished:
        reason = max(result.n_stopped, key=result.n_stopped.get)
        raise RunError(
            f"none of {counted(result.n_trajectories, 'trajectory')} finished, most stopped for {reason}. "
            f"They are in {result.path} up to their last step."
        )


def _print_summary(result: "RunResult") -> None:
    from nadyn.dynamics.run.stopping import ADVICE, STATUS_NAMES
    from nadyn.trajectory import doubt_limits, open_judged, open_run

    advice = {STATUS_NAMES[int(status)]: text for status, text in ADVICE.items()}
    print(
        f"{result.n_finished} of {counted(result.n_trajectories, 'trajectory')} finished in "
        f"{result.seconds:.1f} s."
    )
    if n := result.endings["dissociated"]:
        print(
            f"{n} of them ended before, as dissociated: they had fallen apart for good. "
            f"{advice['dissociated']}"
        )
    if n := result.endings["settled"]:
        print(f"{n} of them ended before, as settled. {advice['settled']}")
    for reason, n in result.n_stopped.items():
        print(f"{n} stopped: {reason}. {advice[reason]}")
    written, hops = open_run(result.path, verified=False), result.n_hops
    if (limits := doubt_limits(written)) is not None:
        shown = open_judged(result.path)
        n = int(((shown.status != written.status) | (shown.last_step != written.last_step)).sum())
        print(
            f"{n} of all went beyond the limits of `stop` on their way, to {limits.lenience:g} times as much "
            "at most: analyses take them as ended there, and go further with `--believe`."
        )
    changes = {
        "active state": f"{counted(hops, 'hop')}, {result.n_refused} refused. " * written.changes_states,
        "mean of the states": "",
        "mean of the states and a pointer state": f"{counted(hops, 'change of the pointer state')}. ",
    }[written.moves_on]
    print(f"{changes}Worst energy error {result.energy_error_max_ev:.4f} eV.")
    if result.n_divided is not None:
        percent = 100 * result.n_divided / max(result.n_steps_of_trajectories, 1)
        steps = result.n_steps_of_trajectories
        print(f"{result.n_divided} of {steps} steps were divided, as `adaptive` asks for: {percent:.3g} %.")
    if result.n_cut:
        percent = 100 * result.n_cut / max(result.n_steps_of_trajectories, 1)
        print(
            f"Probabilities of hops had a sum above 1 {counted(result.n_cut, 'time')} and were cut to it, in "
            f"{percent:.2g} % of the steps: the active state was nearly empty."
        )
    print(f"Written: {result.path}. Next: nadyn report {result.path}")
