"""What `nadyn analyse` prints of the folder of a swarm."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    from rich.console import Console


def print_swarm(console: "Console", folder: Path, *, json_file: Path | None, csv_file: Path | None) -> None:
    """Print the numbers of a swarm, and write them where they are asked for.

    Raises:
        InputError: There is no complete shard.
    """
    from rich.table import Table

    from nadyn.analysis.population_csv import populations_csv
    from nadyn.analysis.swarms import analyse_swarm
    from nadyn.checks.output import write_new
    from nadyn.cli.population_tables import diabatic_tables, population_tables
    from nadyn.cli.tables import print_table

    with console.status("Reading shards"):
        numbers = analyse_swarm(folder)
    if json_file is not None:
        write_new(json_file, json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    if csv_file is not None:
        write_new(csv_file, populations_csv(numbers))
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
    for one in population_tables(numbers, console.width):
        console.print(one)
    if "diabatic_populations" in numbers:
        names = [f"diabatic state {d}" for d in range(len(numbers["diabatic_populations"][0]))]
        for one in diabatic_tables(numbers, names, console.width):
            console.print(one)


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
            value = f"{life['value']:.4g} fs, {life['low']:.4g} to {life['high']:.4g}"
            facts.append((f"lifetime of state {state}", f"{value}, of {numbers['lifetimes_of']}"))
    return facts
