"""`nadyn info`: what a file holds, for every kind of file that nadyn reads or writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.checks.counts import counted
from nadyn.cli.convert import (
    AllFrames,
    Charge,
    EnergyKey,
    ForcesKey,
    Keys,
    Multiplicities,
    Units,
    read_options,
)
from nadyn.cli.info_swarm import swarm_facts, trajectories_digest

if TYPE_CHECKING:
    from nadyn.data import Dataset, Group
    from nadyn.data.readers.reader import ReadOptions
    from nadyn.data.statistics import GroupStatistics

# Data of another program, and initial conditions of one.
FOREIGN = "foreign"
STARTS = "starts"


def info(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Dataset, model, trajectory or initial file, folder of a swarm, or any file that "
            "`nadyn convert` reads.",
        ),
    ],
    digest: Annotated[bool, typer.Option("--digest", help="Print only the digest of the content.")] = False,
    by_trajectory: Annotated[
        bool,
        typer.Option(
            "--by-trajectory", help="Print only the digest by trajectory, which a run and a swarm share."
        ),
    ] = False,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    charge: Charge = None,
    multiplicities: Multiplicities = None,
    keys: Keys = None,
    units: Units = None,
    all_frames: AllFrames = False,
) -> None:
    """Say what a file holds and what looks wrong; with --digest, print a sha256 over arrays and attributes.

    The digest leaves out host, date and timings: two runs with the same result have the same digest.
    """
    from nadyn.trajectory.swarm_folder import is_swarm

    if digest or by_trajectory:
        print(trajectories_digest(file) if by_trajectory or is_swarm(file) else file_digest(file))
        return
    if is_swarm(file):
        _print_pairs(f"swarm {file}", swarm_facts(file))
        return
    from nadyn.data.frames_in_words import every_frame_named

    kind = file_kind(file)
    if kind == "model":
        from nadyn.models.model_description import describe

        _print_pairs(f"model {file}", describe(file))
    elif kind in ("nadyn-dataset", FOREIGN):
        with every_frame_named(all_frames):
            _print_dataset(file, read_options(energy_key, forces_key, multiplicities, charge, keys, units))
    elif kind == "nadyn-trajectories":
        _print_pairs(f"trajectories {file}", _run(file))
    elif kind == STARTS:
        from nadyn.trajectory.starts_of_others import find_starts, starts_in_words

        _print_pairs(f"initial conditions {file}", starts_in_words(find_starts(file), file))
    else:
        from nadyn.data.hdf5_outline import hdf5_outline

        _print_pairs(f"initial conditions {file}", hdf5_outline(file))


def file_kind(file: Path) -> str:
    """Return "model", the format name of an HDF5 file of nadyn, FOREIGN or STARTS for those of others.

    Raises:
        InputError: The file is missing or none that nadyn knows.
    """
    from nadyn.checks.errors import InputError
    from nadyn.checks.files import check_file
    from nadyn.checks.kinds import Kind, kind_of, what_it_is
    from nadyn.checks.packed import is_packed
    from nadyn.data.hdf5_outline import hdf5_format
    from nadyn.data.readers.nadyn_dataset import NADYN_DATASET
    from nadyn.data.readers.table import check_holds_geometries, find_reader
    from nadyn.trajectory.starts_of_others import find_starts

    if file.is_dir() and find_reader(file) is not None:
        return FOREIGN
    if find_starts(file) is not None:
        return STARTS
    check_file(file, f"file {str(file)!r}")
    if file.suffix == ".safetensors":
        return "model"
    found = hdf5_format(file)
    if found in ("nadyn-dataset", "nadyn-trajectories", "nadyn-initial"):
        return found
    reader = find_reader(file) if found is None else None
    if reader is NADYN_DATASET and is_packed(file):
        return "nadyn-dataset"
    if reader not in (None, NADYN_DATASET):
        return FOREIGN
    if kind_of(file) is not Kind.HDF5:
        check_holds_geometries(file)
    raise InputError(
        f"file {str(file)!r} must be a dataset, model, trajectory or initial file of nadyn, or one that "
        f"`nadyn convert` reads, but is {what_it_is(file)}."
    )


def file_digest(file: Path) -> str:
    """Return the sha256 of the content of any file of nadyn, without host, date and timings.

    Raises:
        InputError: The file is missing or none of nadyn.
    """
    from nadyn.checks.errors import InputError

    kind = file_kind(file)
    if kind in (FOREIGN, STARTS):
        raise InputError(
            f"file {str(file)!r} must be a file of nadyn to have a digest, but is none. Make it a dataset "
            "with `nadyn convert`."
        )
    if kind == "model":
        from nadyn.models.model_file import digest
    else:
        from nadyn.trajectory.digest import digest
    return digest(file)


def _run(file: Path) -> dict[str, str]:
    import numpy as np

    from nadyn.structures import formula
    from nadyn.trajectory import open_run
    from nadyn.trajectory.layout import CHECKSUM

    run = open_run(file)
    names = {int(code): name for code, name in run.status_names.items()}
    codes, counts = np.unique(run.status, return_counts=True)
    molecule = {} if run.atomic_numbers is None else {"molecule": formula(run.atomic_numbers, run.masses)}
    shown = (
        "method",
        "model_name",
        "seed",
        "n_steps",
        "dt_au",
        "population_estimator",
        "nadyn_version",
        "date",
    )
    return {key.replace("_", " "): str(run.attributes[key]) for key in shown if key in run.attributes} | {
        **molecule,
        "trajectories": str(len(run.status)),
        "states": str(run.energies.shape[-1]),
        "step": f"{run.step} of {run.attributes['n_steps']}",
        "frames": str(run.committed_frames),
        "status": ", ".join(f"{count} {names[int(code)]}" for code, count in zip(codes, counts, strict=True)),
        "checksums": "of all that is read"
        if CHECKSUM in run.attributes
        else "of frames, hops and checkpoints",
    }


def _print_pairs(title: str, pairs: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nadyn.cli.tables import print_table

    console = Console()
    console.print(title, style="italic", highlight=False, markup=False, soft_wrap=True)
    table = Table(show_header=False)
    for key, value in pairs.items():
        table.add_row(Text(key), Text(str(value)))
    print_table(console, table)


def _print_dataset(file: Path, options: "ReadOptions") -> None:
    import warnings
    from collections import Counter
    from functools import partial

    from rich.console import Console

    from nadyn.checks.errors import InputWarning
    from nadyn.cli.info_tables import couplings_table, states_table
    from nadyn.cli.tables import print_table
    from nadyn.data.assumptions import in_words
    from nadyn.data.hdf5_outline import checksums_in_words, hdf5_format
    from nadyn.data.label_checks.table import warn_of_doubts
    from nadyn.data.not_learned import not_learned
    from nadyn.data.readers.table import read_file
    from nadyn.data.statistics import group_statistics

    console = Console()
    # A line that the terminal breaks itself is found by a search, and nothing of it is lost.
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    with Console(stderr=True).status(f"reading {file}"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        dataset = read_file(file, options)
        warn_of_doubts(dataset)
        tables = [(group, group_statistics(group)) for group in dataset.groups]
    title = f"dataset {file}: {counted(dataset.n_frames, 'frame')}"
    console.print(title, style="bold", highlight=False, markup=False, soft_wrap=True)
    for group, numbers in tables:
        console.print()
        for line in _facts(numbers):
            say(line)
        say(in_words(group))
        if not_learned(group):
            say(f"not used in training: {', '.join(not_learned(group))}")
        if group.tag is not None:
            counts = Counter(word or "no tag" for word in group.tag)
            say(f"tags: {', '.join(f'{word} ({n})' for word, n in counts.items())}")
        if group.weight is not None:
            say(f"weights: {group.weight.min():g} to {group.weight.max():g}")
        for key in ("theory", "source", "licence", "note"):
            if getattr(group, key):
                say(f"{key}: {getattr(group, key)}")
        for line in group.history.splitlines():
            say(f"made by: {line}")
        if group.masses is not None:
            say(f"masses [u]: {_masses(group)}")
        print_table(console, states_table(numbers, group.multiplicities))
        if any(frame is not None for frame in numbers.coupling_max_frame):
            print_table(console, couplings_table(numbers, group.pairs))
    if file.is_file() and hdf5_format(file) == "nadyn-dataset":
        say(f"checksums: {checksums_in_words(file)}")
    console.print()
    # One sentence a line, however long: a line that the terminal breaks is found by nobody's search.
    for warning in caught:
        print("warning: " + " ".join(str(warning.message).split()))
    if not caught:
        print(f"nothing looks wrong: {', '.join(_looked_at(dataset))} were looked at")


def _looked_at(dataset: "Dataset") -> list[str]:
    """Return what the checks could see in these data."""
    groups = dataset.groups
    molecules = any(group.n_atoms > 1 and not group.pbc.any() for group in groups)
    seen = {
        "bond lengths": any(group.n_atoms > 1 for group in groups),
        "single frames": True,
        "energies": molecules,
        "forces": molecules and any(group.forces is not None for group in groups),
        "the order of states": any(group.n_states > 1 for group in groups),
        "couplings": any(group.interstate_couplings is not None for group in groups),
    }
    return [name for name, is_seen in seen.items() if is_seen]


def _masses(group: "Group") -> str:
    from nadyn.structures import symbol
    from nadyn.units import ELECTRON_MASS_PER_DALTON

    return ", ".join(
        f"{symbol(int(number))} {mass / ELECTRON_MASS_PER_DALTON:.4f}"
        for number, mass in zip(group.atomic_numbers, group.masses, strict=True)
    )


def _facts(numbers: "GroupStatistics") -> list[str]:
    from nadyn.data.statistics import NEAR_GAP_EV

    labels = ", ".join(
        key if count == numbers.n_frames else f"{key} ({counted(count, 'frame')})"
        for key, count in numbers.n_labelled.items()
    )
    lines = [
        f"{numbers.name}: {counted(numbers.n_frames, 'frame')}, {counted(numbers.n_atoms, 'atom')}, "
        f"{counted(numbers.n_states, 'state')}",
        f"labels: {labels}",
        "shortest distances [Å]: "
        + ", ".join(f"{pair} {value:.3f}" for pair, value in numbers.shortest_angstrom.items()),
    ]
    if numbers.gap_min_ev is not None:
        lines.append(
            f"smallest gap: {numbers.gap_min_ev:.4f} eV; {counted(numbers.n_near, 'frame')} under "
            f"{NEAR_GAP_EV} eV"
        )
    return lines
