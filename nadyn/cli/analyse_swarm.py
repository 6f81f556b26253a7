"""What `nadyn analyse` prints of the folder of a swarm."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    from rich.console import Console


def print_swarm(
    console: "Console",
    folder: Path,
    asked: Mapping[str, list[str] | None],
    *,
    json_file: Path | None,
    csv_file: Path | None,
    figure: Path | None,
    believe: float,
) -> None:
    """Print the numbers of a swarm, and write and draw them where they are asked for.

    Args:
        console: To print on.
        folder: The swarm.
        asked: Coordinates to follow, see `quantities_asked`.
        json_file: For all numbers.
        csv_file: For populations.
        figure: For populations.
        believe: How far a committee is believed, see `nadyn.trajectory.judged`.

    Raises:
        InputError: There is no complete shard, or a coordinate is none of its molecule.
    """
    from rich.table import Table

    from nadyn.analysis.key_numbers import note_on_settled
    from nadyn.analysis.multiplicities import diabatic_names
    from nadyn.analysis.plots import figure_of_populations
    from nadyn.analysis.plots_style import save_picture
    from nadyn.analysis.population_csv import populations_csv
    from nadyn.analysis.swarms import first_shard, swarm_numbers
    from nadyn.checks.output import write_new
    from nadyn.cli.analyse_quantities import print_followed, quantities_asked
    from nadyn.cli.population_tables import diabatic_tables, population_tables
    from nadyn.cli.tables import print_table

    with console.status("Reading shards"):
        chosen = quantities_asked(asked, first_shard(folder, believe=believe))
        found = swarm_numbers(folder, quantities=chosen, believe=believe)
    numbers = found.numbers
    if json_file is not None:
        write_new(json_file, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    if csv_file is not None:
        write_new(csv_file, populations_csv(numbers))
    if figure is not None:
        of = numbers["n_trajectories"]
        save_picture(figure_of_populations(found.populations, found.first, of, found.lifetimes), figure)
    done, n_shards = numbers["n_shards_complete"], numbers["n_shards"]
    method, end = numbers["run"]["method"], numbers["time_fs"][-1]
    table = Table(title=f"{folder.name}: {method}, {end:.4g} fs", box=None, show_header=False)
    for name, value in _facts(numbers):
        table.add_row(name, value)
    print_table(console, table)
    if done < n_shards:
        console.print(
            f"{done} of {counted(n_shards, 'shard')} are complete: these are the numbers of those.",
            highlight=False,
            soft_wrap=True,
        )
    if note_on_settled(numbers):
        console.print(note_on_settled(numbers), highlight=False, soft_wrap=True)
    for one in population_tables(numbers, console.width):
        console.print(one)
    if "diabatic_populations" in numbers:
        for one in diabatic_tables(numbers, diabatic_names(found.first), console.width):
            console.print(one)
    print_followed(console, numbers if chosen else {})


def _facts(numbers: dict[str, object]) -> list[tuple[str, str]]:
    facts = [
        ("trajectories", f"{numbers['n_trajectories']}, {numbers['n_finished']} finished"),
        *((f"stopped, {reason.replace('_', ' ')}", str(n)) for reason, n in numbers["n_stopped"].items()),
        ("hops", ", ".join(f"{name}: {n}" for name, n in numbers["hops"].items()) or "none"),
        ("refused hops", str(numbers["frustrated_hops"])),
    ]
    if numbers["energy_drift_max_ev"] is not None:
        facts.append(("largest energy error", f"{numbers['energy_drift_max_ev']:.2g} eV"))
    for state, life in numbers["lifetimes_fs"].items():
        if life["value"] is not None:
            facts.append((f"lifetime of state {state}", f"{_lifetime(life)}, of {numbers['lifetimes_of']}"))
    for one in numbers.get("products", []):
        name = one["fragments"] if one["state"] is None else f"{one['fragments']}, state {one['state']}"
        facts.append((name, f"{_percent(one)}, {one['n']} of {numbers['n_trajectories']}"))
    change = numbers.get("isomerisation")
    if change is not None and change["isomerised"] is not None:
        share = {"fraction": change["isomerised"]} | {
            end: change[f"isomerised_{end}"] for end in ("low", "high")
        }
        facts.append(("isomerised", f"{_percent(share)}, of {change['n_known']} that came to the end"))
    return facts


def _lifetime(life: Mapping[str, float | None]) -> str:
    # An upper end far beyond the run is none.
    upper = f"to {life['high']:.4g}" if life["high"] is not None else "without an upper end"
    return f"{life['value']:.4g} fs, {life['low']:.4g} {upper}"


def _percent(share: Mapping[str, float]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{100 * share['fraction']:.1f} %, 95 %: {low:.1f} to {high:.1f} %"
