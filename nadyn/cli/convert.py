"""`nadyn convert`: data of other programs to a dataset, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nadyn.data import Dataset, Group
    from nadyn.data.readers.reader import ReadOptions

EnergyKey = Annotated[
    str | None, typer.Option("--energy-key", help="Name of the energies in an extended xyz file.")
]
ForcesKey = Annotated[
    str | None, typer.Option("--forces-key", help="Name of the forces in an extended xyz file.")
]
Multiplicities = Annotated[
    str | None,
    typer.Option("--multiplicities", help="2S + 1 of each state where the file does not say it: '1 1 3 3'."),
]
OneMultiplicity = Annotated[
    int | None,
    typer.Option("--multiplicity", help="Take the states of this 2S + 1 alone, where DATA has several."),
]
Charge = Annotated[
    int | None, typer.Option("--charge", help="Total charge where the file does not say it; 0 is assumed.")
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Name of a label in the file, such as energies=E_ref; repeatable."),
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        help="Unit of a label where the file does not say it, such as energies=kcal/mol; repeatable.",
    ),
]
AllFrames = Annotated[
    bool, typer.Option("--all-frames", help="Name every frame that looks wrong, not the first eight.")
]


def convert(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN [MORE …]",
            help="Files or folders of other programs, or datasets, known by their content; groups of one "
            "name "
            "are joined.",
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Dataset (.h5) or extended xyz file (.xyz); of a run .xyz, .traj, .csv, .nc, or a folder "
            "of SHARC.",
        ),
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
    drop_doubtful: Annotated[
        bool,
        typer.Option("--leave-out-doubtful", "--drop-doubtful", help="Leave out the frames that look wrong."),
    ] = False,
    couplings: Annotated[
        str, typer.Option("--couplings", help="What the couplings of IN are: h, or d = h / (E_l - E_k).")
    ] = "h",
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    charge: Charge = None,
    multiplicities: Multiplicities = None,
    keys: Keys = None,
    units: Units = None,
    geometries: Annotated[
        str | None,
        typer.Option("--geometries", help="Of a run: all (the default), hops, ends or stops."),
    ] = None,
    trajectories: Annotated[
        str | None, typer.Option("--trajectories", help="Of a run: which ones, such as 0,3,7; all of them.")
    ] = None,
    all_frames: AllFrames = False,
    dipole_origin: Annotated[
        str | None,
        typer.Option(
            "--dipole-origin",
            help="What dipoles of an ion are about: coordinates, center_of_mass or center_of_charge.",
        ),
    ] = None,
    theory: Annotated[str, typer.Option(help="Level of theory, kept in the dataset.")] = "",
    origin: Annotated[str, typer.Option("--source", help="Where the data are from, kept too.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data, kept too.")] = "",
) -> None:
    """Convert files of other programs to a dataset, and datasets, runs and starts to files of others."""
    from dataclasses import replace

    from rich.console import Console

    from nadyn.checks.errors import InputError
    from nadyn.checks.output import DATASET, EXTXYZ, check_output, check_suffix
    from nadyn.cli.convert_run import convert_initial, convert_run, kind_of_start_or_run
    from nadyn.data import Dataset, write_dataset
    from nadyn.data.cleaning import couplings_from_d, without_doubtful
    from nadyn.data.dipole_origin import check_origin
    from nadyn.data.frames_in_words import every_frame_named
    from nadyn.data.joining import join
    from nadyn.data.label_checks.table import warn_of_doubts
    from nadyn.data.readers.table import read_file
    from nadyn.data.writers.extxyz import without_place, write_extxyz

    first = kind_of_start_or_run(sources[0])
    if first is not None:
        if len(sources) > 1 and first != "run":
            raise InputError("IN must be one file of initial conditions, but there are several.")
        if first == "run":
            options_of_run = {"geometries": geometries, "trajectories": trajectories}
            convert_run(sources, target, **options_of_run, overwrite=overwrite)
        else:
            convert_initial(sources[0], target, overwrite=overwrite)
        return
    if geometries is not None or trajectories is not None:
        raise InputError("`--geometries` and `--trajectories` must come with a run, but do not. Remove them.")
    suffix = target.suffix.lower()
    check_suffix(target, "OUT", DATASET + EXTXYZ)
    if couplings not in ("h", "d"):
        raise InputError(f"`--couplings` must be h or d, but is {couplings!r}.")
    for source in sources:
        if target.is_file() and not source.exists():
            raise InputError(
                f"IN must exist, but {str(source)!r} does not, while {str(target)!r} is there: name what is "
                "read first, then what is written."
            )
    # Before the work is done, not after it.
    check_output(target, *sources, overwrite=overwrite)
    console = Console(stderr=True)
    options = read_options(energy_key, forces_key, multiplicities, charge, keys, units)
    with every_frame_named(all_frames), console.status(f"reading {sources[0]}"):
        dataset = join([read_file(source, options) for source in sources])
    given = {
        key: text for key, text in (("theory", theory), ("source", origin), ("licence", licence)) if text
    }
    if dipole_origin is not None:
        if all(group.dipoles is None for group in dataset.groups):
            raise InputError("`--dipole-origin` must come with dipoles, but IN has none. Remove it.")
        check_origin(dipole_origin)
        given["dipole_origin"] = dipole_origin
    dataset = Dataset(tuple(replace(group, **given) for group in dataset.groups))
    if couplings == "d":
        dataset = couplings_from_d(dataset)
    with every_frame_named(all_frames), console.status("looking at the labels"):
        if drop_doubtful:
            dataset, dropped = without_doubtful(dataset)
            for sentence in dropped:
                print(sentence)
        warn_of_doubts(dataset)
    with console.status(f"writing {target}"):
        write = write_extxyz if suffix in EXTXYZ else write_dataset
        write(target, dataset, overwrite=overwrite)
    _print_groups(dataset, without_place if suffix in EXTXYZ else lambda group: [])
    print(f"wrote {target}")


def read_options(
    energy_key: str | None,
    forces_key: str | None,
    multiplicities: str | None,
    charge: int | None,
    keys: "Sequence[str] | None",
    units: "Sequence[str] | None",
) -> "ReadOptions":
    """Return the options of readers that a command line gives.

    Raises:
        InputError: The multiplicities are no whole numbers, or `--key` or `--unit` has no `=`.
    """
    from nadyn.data.readers.reader import ReadOptions

    return ReadOptions(
        energy_key,
        forces_key,
        given_multiplicities(multiplicities),
        charge,
        _mapping("--key", keys, "energies=E_ref"),
        _mapping("--unit", units, "energies=kcal/mol"),
    )


def _mapping(option: str, given: "Sequence[str] | None", example: str) -> dict[str, str]:
    from nadyn.checks.errors import InputError

    found: dict[str, str] = {}
    for text in given or ():
        label, equals, value = text.partition("=")
        if not equals or not label.strip() or not value.strip():
            raise InputError(f"`{option}` must be as in `{option} {example}`, but is {text!r}.")
        if label.strip() in found:
            raise InputError(f"`{option}` must name a label once, but names {label.strip()!r} twice.")
        found[label.strip()] = value.strip()
    return found


def given_multiplicities(multiplicities: str | None) -> tuple[int, ...] | None:
    """Return what `--multiplicities` says.

    Raises:
        InputError: The multiplicities are no whole numbers.
    """
    from nadyn.checks.errors import InputError

    words = None if multiplicities is None else multiplicities.replace(",", " ").split()
    if words is not None and (not words or not all(word.isdecimal() and int(word) for word in words)):
        raise InputError(f"`--multiplicities` must be numbers as in '1 1 3 3', but is {multiplicities!r}.")
    return None if words is None else tuple(map(int, words))


def _print_groups(dataset: "Dataset", left_out: "Callable[[Group], list[str]]") -> None:
    from nadyn.data.assumptions import in_words

    for group in dataset.groups:
        written = [key for key in group.frame_arrays() if key not in ("positions", *left_out(group))]
        labels = ", ".join(written)
        own = "" if group.masses is None else ", masses"
        spins = ""
        if set(group.multiplicities) != {1}:
            spins = f" (2S+1: {' '.join(map(str, group.multiplicities))})"
        print(
            f"{group.name}: {counted(group.n_frames, 'frame')}, {counted(group.n_atoms, 'atom')}, "
            f"{counted(group.n_states, 'state')}{spins}; "
            f"{labels}{own}"
        )
        if group.assumed:
            print(in_words(group))
