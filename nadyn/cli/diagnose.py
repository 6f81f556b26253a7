"""`nadyn diagnose`: traffic lights over a run, each with the trajectories behind it."""

from pathlib import Path
from typing import Annotated

import typer

_MARKS = {"good": "●", "doubtful": "▲", "bad": "■", "unknown": "○"}
_COLOURS = {"good": "green", "doubtful": "yellow", "bad": "red", "unknown": "dim"}
_MOST_LISTED = 12


def diagnose(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN.h5 [MORE.h5 …]", help="Trajectory file, or several of one model."),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all lights with all their trajectories to this file.")
    ] = None,
) -> None:
    """Say what looks wrong in a run, and in which trajectories: energies, norm, hops, model, stops.

    Good: nothing. Doubtful: some trajectories. Bad: 5 % of them or more. The exit code is 0 whatever is
    found.
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from nadyn.analysis.diagnostics import diagnose as lights_of
    from nadyn.analysis.joined import open_runs_as_one
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import check_json, write_new
    from nadyn.cli.tables import print_table

    if json_file is not None:
        check_json(json_file, *runs)
    run = open_runs_as_one(runs)
    if run.committed_frames == 0:
        raise InputError(
            f"file {str(run.path)!r} must hold a frame, but its run has only begun. Try again after its "
            "first checkpoint."
        )
    lights = lights_of(run)
    if json_file is not None:
        rows = [{**vars(light), "trajectories": list(light.trajectories)} for light in lights]
        write_new(json_file, json.dumps({"lights": rows}, indent=1) + "\n")
    table = Table(title=", ".join(path.name for path in runs), title_justify="left", box=None)
    for heading in ("", "", "", "trajectories"):
        table.add_column(heading, overflow="fold")
    for light in lights:
        listed = ", ".join(map(str, light.trajectories[:_MOST_LISTED]))
        listed += ", …" if len(light.trajectories) > _MOST_LISTED else ""
        colour = _COLOURS[light.verdict]
        mark = f"[{colour}]{_MARKS[light.verdict]} {light.verdict}[/{colour}]"
        table.add_row(mark, light.name, light.sentence, listed)
    print_table(Console(), table)
