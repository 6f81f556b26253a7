"""What `nadyn analyse` is asked for beside its table: exits, yields, hops by geometry, normal modes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nadyn.analysis.exits import Exits
    from nadyn.analysis.hop_clusters import Cluster
    from nadyn.analysis.mode_activity import ModeActivity, NormalModes
    from nadyn.analysis.quantum_yields import QuantumYields
    from nadyn.trajectory import Run

_MOST_MODES = 6


@dataclass
class More:
    """Tables to print, and what to write to the JSON file."""

    tables: list["Table"] = field(default_factory=list)
    numbers: dict[str, object] = field(default_factory=dict)


def more_of(
    run: "Run",
    atoms: "Run",
    *,
    exits: int | None,
    hops: Path | None,
    crossings: Path | None,
    modes: Path | None,
) -> More:
    """Compute what was asked for; the representatives of hops are written.

    Args:
        run: The run.
        atoms: The same with the geometries of its molecule, from `atoms_of_run`.
        exits: State that trajectories leave.
        hops: Where representatives are written.
        crossings: What is beside them.
        modes: Normal modes.
    """
    from dataclasses import asdict

    from nadyn.analysis.exits import first_exits
    from nadyn.analysis.hop_clusters import beside_crossings, clusters_xyz, hop_clusters, read_crossings
    from nadyn.analysis.quantum_yields import quantum_yields
    from nadyn.analysis.summary import plain
    from nadyn.checks.output import write_new
    from nadyn.units import ANGSTROM_PER_BOHR

    found, cluster = More(), None
    if exits is not None:
        stays = first_exits(run, exits)
        found.tables.append(_exits(stays))
        found.numbers["exits"] = plain(asdict(stays))
    if hops is not None:
        groups, cluster = hop_clusters(atoms)
        if crossings is not None:
            groups = beside_crossings(groups, atoms, *read_crossings(crossings))
        write_new(hops, clusters_xyz(groups, atoms))
        found.tables.append(_groups(groups))
        found.numbers["hop_clusters"] = [
            plain(
                {name: value for name, value in vars(one).items() if name != "positions"}
                | {"positions_angstrom": ANGSTROM_PER_BOHR * one.positions}
            )
            for one in groups
        ]
    asked_yields = exits is not None or hops is not None
    yields = quantum_yields(run, cluster) if asked_yields else None
    if yields is not None:
        found.tables.append(_yields(yields))
        found.numbers["quantum_yields"] = plain(asdict(yields))
    if modes is not None:
        activity, inverse_cm = _modes(atoms, modes)
        found.tables.append(_activity(activity, inverse_cm))
        found.numbers["modes"] = plain({"frequencies_per_cm": inverse_cm, **vars(activity)})
    return found


def print_more(console: "Console", more: More) -> None:
    """Print the tables."""
    from nadyn.cli.tables import print_table

    for table in more.tables:
        print_table(console, table)


def check_more(run_paths: list[Path], hops: Path | None, crossings: Path | None) -> None:
    """Refuse outputs and inputs that cannot be used, before anything is computed."""
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import EXTXYZ, check_output, check_suffix

    if crossings is not None and hops is None:
        raise InputError("`--crossings` must come with `--hops`, but comes alone. Add --hops hops.xyz.")
    if hops is not None:
        check_output(hops, *run_paths, overwrite=True)
        check_suffix(hops, "`--hops`", EXTXYZ)


def _modes(run: "Run", path: Path) -> "tuple[ModeActivity, list[float]]":
    from nadyn.analysis.mode_activity import activity_of
    from nadyn.units import INVERSE_CM_PER_HARTREE

    modes = modes_given(path)
    return activity_of(run, modes), (INVERSE_CM_PER_HARTREE * modes.frequencies).tolist()


def modes_given(path: Path) -> "NormalModes":
    """Return the normal modes of a Molden file, or of the output of a program."""
    from nadyn.analysis.mode_activity import NormalModes
    from nadyn.dynamics.initial.read_modes import read_modes

    read = read_modes(path)
    one = read.modes
    return NormalModes(read.atomic_numbers, one.centre, one.masses, one.vectors, one.frequencies, str(path))


def _new_table(title: str, *headings: str) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _exits(found: "Exits") -> "Table":
    def fs(value: float | None) -> str:
        return "not seen" if value is None else f"{value:.4g} fs"

    table = _new_table(
        f"First exits from state {found.state}: {found.n_left} of {found.n}",
        "after",
        "still there",
        "95 % band",
    )
    last = len(found.time_fs) - 1
    for place in sorted({round(k * last / 8) for k in range(9)}):
        table.add_row(
            f"{found.time_fs[place]:.4g} fs",
            f"{found.survival[place]:.3f}",
            f"{found.low[place]:.3f}…{found.high[place]:.3f}",
        )
    middle, low, high = (fs(value) for value in found.median_fs)
    table.add_row("half left", middle, f"{low} … {high}")
    return table


def _groups(groups: "list[Cluster]") -> "Table":
    from nadyn.analysis.hops import pairs_in_words

    table = _new_table(
        "Hops by geometry",
        *(
            "",
            "hops",
            "share (95 %)",
            "gap (eV)",
            "states",
            "represented by",
            "spread (Å)",
            "nearest crossing",
        ),
    )
    for one in groups:
        far = "" if one.crossing is None else f"{one.crossing}, {one.crossing_angstrom:.3f} Å"
        table.add_row(
            str(one.number),
            str(one.n),
            f"{one.share:.3f} ({one.low:.3f}…{one.high:.3f})",
            f"{one.gap_ev:.2f}",
            pairs_in_words(one.pairs),
            f"trajectory {one.traj} at {one.time_fs:.4g} fs",
            f"{one.spread_angstrom:.3f}",
            far,
        )
    return table


def _yields(found: "QuantumYields") -> "Table":
    import numpy as np

    title = "Quantum yields, intervals that hold all at once"
    title += f"; {found.n_unknown} of unknown product" if found.n_unknown else ""
    table = _new_table(title, "by way of", "", "yield", "95 %")
    for name, rows in (("all", found.products), *found.by_seam.items()):
        for share in rows:
            fraction = "not known" if np.isnan(share.fraction) else f"{share.fraction:.3f}"
            table.add_row(name, f"{share.n} {share.name}", fraction, f"{share.low:.3f}…{share.high:.3f}")
    return table


def _activity(found: "ModeActivity", inverse_cm: list[float]) -> "Table":
    import numpy as np

    table = _new_table("Normal modes that move most", "mode", "cm⁻¹", "together", "each")
    for mode in np.argsort(-found.total)[:_MOST_MODES].tolist():
        table.add_row(
            str(mode + 1),
            f"{inverse_cm[mode]:.0f}",
            f"{found.coherent[mode]:.2f}",
            f"{found.total[mode]:.2f}",
        )
    return table
