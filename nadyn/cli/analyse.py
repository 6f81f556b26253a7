"""`nadyn analyse`: the numbers of a run, as a table and as JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer


def analyse(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN.h5 [MORE.h5 …]",
            help="Trajectory file, finished or not; the folder of a swarm; or several of one model, "
            "which are joined, or of several members of one committee.",
        ),
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers to this file.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write populations to this table.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw populations (PNG, PDF or SVG).")
    ] = None,
    distance: Annotated[list[str] | None, typer.Option(help="Two atoms to follow, such as 0,1.")] = None,
    angle: Annotated[list[str] | None, typer.Option(help="Three atoms, the middle one at the tip.")] = None,
    dihedral: Annotated[list[str] | None, typer.Option(help="Four atoms. Atoms count from 0.")] = None,
    coordinate: Annotated[
        list[str] | None,
        typer.Option(
            help="Any coordinate to follow, such as 'dihedral 0 1 2 3' or 'pyramidalisation 0 1 2 3' of the "
            "first atom; repeatable."
        ),
    ] = None,
    exits: Annotated[
        int | None, typer.Option(min=0, help="State whose first exits to count (Kaplan and Meier).")
    ] = None,
    hops: Annotated[
        Path | None,
        typer.Option(help="Group hops by geometry and write what represents each group (.xyz)."),
    ] = None,
    crossings: Annotated[
        Path | None, typer.Option(help="With --hops: crossings of `nadyn intersect`, its folder or .xyz.")
    ] = None,
    modes: Annotated[
        Path | None, typer.Option(help="Molden file or output with frequencies: which normal modes move.")
    ] = None,
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            help="Kinetic scheme to fit: sequential, parallel, reversible, all of them (all), or steps "
            "such as '2>1, 1<>0'; repeatable."
        ),
    ] = None,
    after_fs: Annotated[
        float | None,
        typer.Option(min=0.0, help="Leave out what is before, of pressure, density and diffusion."),
    ] = None,
    believe: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Of runs with `stop.lenience`: how many times its limits a committee is believed; once if "
            "not given, with a table of what more would tell.",
        ),
    ] = None,
) -> None:
    """Print populations with intervals, the lifetime of the first state, hops and energy conservation.

    Runs of one model with different seeds or starts count as one run with all their trajectories.
    Runs of several members of one committee give means with two error bars: from the finite number of
    trajectories and from the model, and what would make them smaller.
    """
    from rich.console import Console
    from rich.table import Table

    from nadyn.analysis.belief import belief_rows
    from nadyn.analysis.joined import are_one_ensemble, open_runs_as_one
    from nadyn.analysis.key_numbers import key_numbers, note_on_settled, note_on_stopped, sentence_on_method
    from nadyn.analysis.multiplicities import among_spin_adiabatic_states, diabatic_names
    from nadyn.analysis.plots import populations_figure
    from nadyn.analysis.plots_style import save_picture
    from nadyn.analysis.population_csv import populations_csv
    from nadyn.analysis.run_schemes import scheme_numbers
    from nadyn.analysis.summary import plain, run_lifetimes, summarise
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import PICTURE, check_json, check_output, check_suffix, write_new
    from nadyn.cli.analyse_members import print_members
    from nadyn.cli.analyse_more import check_more, more_of, print_more
    from nadyn.cli.analyse_quantities import print_followed, quantities_asked
    from nadyn.cli.analyse_swarm import print_swarm
    from nadyn.cli.atoms_of_run import atoms_of_run
    from nadyn.cli.population_tables import belief_table, diabatic_tables, population_tables
    from nadyn.cli.scheme_tables import print_schemes, schemes_asked
    from nadyn.cli.tables import print_table
    from nadyn.trajectory.swarm_folder import is_swarm

    if json_file is not None:
        check_json(json_file, *runs)
    for path in (csv_file, figure):
        if path is not None:
            check_output(path, *runs, overwrite=True)
    if csv_file is not None and csv_file.suffix != ".csv":
        raise InputError(f"`--csv` must name a file that ends in .csv, but is {str(csv_file)!r}.")
    if figure is not None:
        check_suffix(figure, "`--figure`", PICTURE)
    check_more(runs, hops, crossings)
    console = Console()
    asked = {"distance": distance, "angle": angle, "dihedral": dihedral}
    if any(is_swarm(run) for run in runs):
        if len(runs) > 1 or any((scheme, exits is not None, hops, modes, after_fs is not None)):
            raise InputError(
                "the folder of a swarm must come alone and without `--scheme`, `--exits`, `--hops`, "
                "`--modes` and `--after-fs`, but does not. For those name shards of it."
            )
        followed = {**asked, "coordinate": coordinate}
        files = {"json_file": json_file, "csv_file": csv_file, "figure": figure}
        print_swarm(console, runs[0], followed, **files, believe=1.0 if believe is None else believe)
        return
    if len(runs) > 1 and not are_one_ensemble(runs):
        alone = (coordinate, scheme, exits is not None, hops, modes)
        if any(asked.values()) or any(alone):
            raise InputError(
                "`--distance`, `--angle`, `--dihedral`, `--coordinate`, `--scheme`, `--exits`, `--hops` and "
                "`--modes` must come with runs of one model, but come with runs of several members. Name "
                "those of one member."
            )
        print_members(console, runs, json_file=json_file, csv_file=csv_file, figure=figure, believe=believe)
        return
    opened = open_runs_as_one(runs, believe=1.0 if believe is None else believe)
    wants_atoms = any((*asked.values(), coordinate, hops, modes))
    atoms = atoms_of_run(opened, runs) if wants_atoms else opened
    quantities = quantities_asked({**asked, "coordinate": coordinate}, atoms)
    with console.status("Reading trajectories"):
        numbers = summarise(opened, quantities=quantities, after_fs=after_fs, atoms=atoms)
        fits, notes = schemes_asked(opened, scheme or [])
        rows = belief_rows(runs) if believe is None else []
        more = more_of(opened, atoms, exits=exits, hops=hops, crossings=crossings, modes=modes)
    numbers |= more.numbers
    numbers |= {"belief": plain(rows)} if rows else {}
    if fits:
        numbers["schemes"] = [plain(scheme_numbers(fit)) for fit in fits]
    if json_file is not None:
        write_new(json_file, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    if csv_file is not None:
        write_new(csv_file, populations_csv(numbers))
    if figure is not None:
        save_picture(populations_figure(opened, run_lifetimes(opened)), figure)

    table = Table(
        title=f"{_names(runs)}: {opened.attributes['method']}, {opened.time_fs[-1]:.4g} fs", box=None
    )
    table.add_column("")
    table.add_column("", justify="right", style="bold")
    table.add_column("", style="dim")
    for number in key_numbers(opened, numbers):
        table.add_row(number.name, number.value + number.unit, number.detail)
    print_table(console, table)
    if sentence_on_method(numbers):
        console.print(sentence_on_method(numbers), soft_wrap=True, highlight=False)
    for note in (note_on_stopped(opened, numbers), note_on_settled(numbers)):
        if note:
            console.print(note, soft_wrap=True, highlight=False)
    has_diabatic = "diabatic_populations" in numbers
    if opened.changes_states and has_diabatic and among_spin_adiabatic_states(opened):
        console.print(
            f"Populations of the {opened.n_states} spin-adiabatic states, which are something else from step "
            "to step, stand in `--json` and `--csv`.",
            highlight=False,
        )
    elif opened.changes_states:
        for one in population_tables(numbers, console.width):
            console.print(one)
    if opened.changes_states and has_diabatic:
        for one in diabatic_tables(numbers, diabatic_names(opened), console.width):
            console.print(one)
    if rows:
        console.print(belief_table(rows))
    print_followed(console, numbers if quantities else {})
    for reason, count in numbers["n_stopped"].items():
        advice = next(
            (opened.status_advice.get(c, "") for c, n in opened.status_names.items() if n == reason), ""
        )
        console.print(
            f"{count} stopped, {reason.replace('_', ' ')}: {advice}", soft_wrap=True, highlight=False
        )
    if fits:
        print_schemes(console, fits, notes)
    print_more(console, more)


def _names(runs: list[Path]) -> str:
    """Return what a table is headed with: the file, or how many there are."""
    return runs[0].name if len(runs) == 1 else f"{len(runs)} runs, {runs[0].name} to {runs[-1].name}"
