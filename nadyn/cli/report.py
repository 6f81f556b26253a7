"""`nadyn report`: a run as one HTML page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.cli.believe import Believe

if TYPE_CHECKING:
    from nadyn.trajectory import Run


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN.h5 [MORE.h5 …]",
            help="Trajectory file, finished or not; or several of one model, which are joined, or of "
            "several members of one committee.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="HTML page to write (.html); needs no other file.")] = Path(
        "report.html"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing page.")] = False,
    beside: Annotated[
        Path | None,
        typer.Option(help="JSON of `nadyn analyse` of another run, to stand beside this one."),
    ] = None,
    beside_name: Annotated[str | None, typer.Option(help="What the other run is, for legends.")] = None,
    crossings: Annotated[
        Path | None,
        typer.Option(help="Crossings of `nadyn intersect`, its folder or .xyz: how far hops are from them."),
    ] = None,
    coordinate: Annotated[
        list[str] | None,
        typer.Option(
            help="Coordinate to show with its distribution, such as 'dihedral 0 1 2 3' or 'pyramidalisation "
            "0 1 2 3' of the first atom; repeatable."
        ),
    ] = None,
    modes: Annotated[
        Path | None, typer.Option(help="Molden file or output with frequencies: which normal modes move.")
    ] = None,
    absorption: Annotated[
        Path | None,
        typer.Option(
            help="JSON of `nadyn spectrum --kind uv` of a larger ensemble, with its window, instead of the "
            "absorption at the starts."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Of direct dynamics: folder with the labels of `nadyn spectrum --kind transient`, for what "
            "light sees."
        ),
    ] = None,
    believe: Believe = 1.0,
) -> None:
    """Write one self-contained page: the answer, trajectories to look at, figures, what was run.

    Runs of one model with different seeds or starts are one page, with all their trajectories.
    Runs of several members of one committee give one page with two error bars.
    """
    from rich.console import Console

    from nadyn.analysis import report as write_report
    from nadyn.analysis.joined import are_one_ensemble, open_runs_as_one
    from nadyn.analysis.members_page import members_report
    from nadyn.checks.errors import InputError
    from nadyn.checks.kinds import Kind, check_not_swapped
    from nadyn.checks.output import PAGE, check_output, check_suffix
    from nadyn.cli.analyse_more import modes_given
    from nadyn.cli.light_of_run import light_of_run

    if beside_name is not None and beside is None:
        raise InputError(
            "`--beside-name` must come with `--beside`, which names the file of the other run, but comes "
            "alone. Add it, or remove the name."
        )
    joined = len(runs) > 1 and are_one_ensemble(runs)
    if len(runs) > 1 and not joined and beside is not None:
        raise InputError(
            "`--beside` must come with one run, but comes with several. Put the JSON that nadyn analyse "
            "writes of the members beside the other run instead."
        )
    if len(runs) > 1 and not joined and any((crossings, coordinate, modes, absorption, labels)):
        raise InputError(
            "`--crossings`, `--coordinate`, `--modes`, `--absorption` and `--labels` must come with runs of "
            "one model, but come with several members. Name those of one member."
        )
    run = runs[0]
    check_not_swapped(
        *(run, beside),
        kinds=(Kind.HDF5, Kind.JSON),
        right=f"nadyn report {beside} --beside {run}",
    )
    check_output(output, *runs, beside, crossings, modes, absorption, overwrite=overwrite)
    check_suffix(output, "`--output`", PAGE)
    console = Console()
    with console.status("Drawing figures"):
        if len(runs) > 1 and not joined:
            written = members_report(runs, output, believe=believe)
        else:
            written = write_report(
                run,
                output,
                *runs[1:],
                beside=beside,
                beside_name=beside_name,
                crossings=crossings,
                coordinates=coordinate or (),
                modes=None if modes is None else modes_given(modes),
                atoms=_atoms(runs),
                light=light_of_run(open_runs_as_one(runs, believe=believe), runs[0], absorption, labels),
                believe=believe,
            )
    console.print(f"Report written to {written}", highlight=False, soft_wrap=True)


def _atoms(runs: list[Path]) -> "Run | None":
    """Return runs in normal coordinates with the geometries of their molecule; None where atoms are there."""
    from nadyn.analysis.joined import open_runs_as_one
    from nadyn.cli.atoms_of_run import atoms_of_run
    from nadyn.trajectory import open_run

    if open_run(runs[0], verified=False).atomic_numbers is not None:
        return None
    return atoms_of_run(open_runs_as_one(runs), runs)
