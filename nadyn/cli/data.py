"""Join, split, thin and shift datasets; what was done stays in the file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    import numpy as np

    from nadyn.data import Dataset, Group

Sources = Annotated[
    list[Path],
    typer.Argument(metavar="DATA [MORE …]", help="Datasets, or whatever else `nadyn convert` reads."),
]
Output = Annotated[Path, typer.Option("--output", "-o", help="Dataset to write (.h5).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
DropDoubtful = Annotated[
    bool,
    typer.Option("--leave-out-doubtful", "--drop-doubtful", help="Leave out the frames that look wrong."),
]


def join(
    data: Sources,
    output: Output,
    tags: Annotated[
        bool, typer.Option("--tags", help="Frames without a tag get the name of their file as one.")
    ] = False,
    mix: Annotated[
        bool, typer.Option("--mix-theory", help="Join groups of one name whose levels of theory differ.")
    ] = False,
    drop_copies: Annotated[
        bool, typer.Option("--drop-copies", help="Leave out frames with the geometry of one before them.")
    ] = False,
    drop_doubtful: DropDoubtful = False,
    overwrite: Overwrite = False,
) -> None:
    """Join files to one dataset; groups of one name become one, and must fit together."""
    from nadyn.checks.output import DATASET, check_output, check_suffix
    from nadyn.data import Dataset
    from nadyn.data.frames_in_words import frames_in_words
    from nadyn.data.thinning import copies

    check_suffix(output, "`--output`", DATASET)
    check_output(output, *data, overwrite=overwrite)
    dataset, sources = _read(data, tags=tags, mix=mix)
    groups = []
    for group in dataset.groups:
        double = copies(group)
        if double.any():
            done = "were left out" if drop_copies else "stay, `--drop-copies` leaves them out"
            print(f"{group.name}: {frames_in_words(double)} repeat a geometry before them and {done}.")
        groups.append(group.select((~double).nonzero()[0]) if drop_copies and double.any() else group)
    dataset = _without_doubtful(Dataset(tuple(groups)), drop_doubtful)
    options = {"tags": tags, "mix-theory": mix, "drop-copies": drop_copies}
    _write("data join", options, sources, drop_doubtful, overwrite, {output: dataset})


def split(
    data: Sources,
    parts: Annotated[
        list[str],
        typer.Option("--part", help="File and share of a part, such as train.h5=0.8; two or more."),
    ],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="random (frame by frame), block (consecutive frames), trajectory (whole ones, by their tags "
            "or where frames jump) or file (whole files of DATA).",
        ),
    ] = "random",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 1,
    drop_doubtful: DropDoubtful = False,
    overwrite: Overwrite = False,
) -> None:
    """Split data into two or more datasets by shares, and say which frames are nearly in two of them."""
    from nadyn.checks.output import DATASET, check_output, check_suffix
    from nadyn.data.parts import parted

    shares = _shares(parts)
    for path in shares:
        check_suffix(path, "`--part`", DATASET)
        check_output(path, *data, overwrite=overwrite)
    dataset, sources = _read(data)
    dataset = _without_doubtful(dataset, drop_doubtful)
    found = dict(zip(shares, parted(dataset, list(shares.values()), by=by, seed=seed), strict=True))
    options = {"by": by, "seed": seed, "part": [f"{path.name}={share:g}" for path, share in shares.items()]}
    _write("data split", options, sources, drop_doubtful, overwrite, found)
    first, *others = found
    for other in others:
        for sentence in _nearly_in_both(found[first], found[other]):
            print(f"{other}: {sentence} in {first}.")


def thin(
    data: Sources,
    output: Output,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Most frames to keep of each molecule.")] = None,
    closest_angstrom: Annotated[
        float,
        typer.Option("--closest-angstrom", min=0.0, help="Keep no frame nearer than this to a kept one."),
    ] = 0.0,
    drop_doubtful: DropDoubtful = False,
    overwrite: Overwrite = False,
) -> None:
    """Keep the frames that differ most: each time the one farthest from all that are kept.

    Two frames differ by the root mean square of the differences of their distances between atoms, sorted for
    each pair of elements. Farthest points are often broken ones: look at them, or leave out doubtful frames.
    """
    from nadyn.checks.output import DATASET, check_output, check_suffix
    from nadyn.data.thinning import thin as thinned

    check_suffix(output, "`--output`", DATASET)
    check_output(output, *data, overwrite=overwrite)
    dataset, sources = _read(data)
    dataset = _without_doubtful(dataset, drop_doubtful)
    found = thinned(dataset, n=n, closest_angstrom=closest_angstrom)
    options = {"n": n, "closest-angstrom": closest_angstrom or None}
    _write("data thin", options, sources, drop_doubtful, overwrite, {output: found.dataset})
    for group, radius in zip(found.dataset.groups, found.radius_angstrom, strict=True):
        print(f"{group.name}: no frame left out is farther than {radius:.3f} Å from a kept one.")


def shift(
    data: Sources,
    output: Output,
    energy_ev: Annotated[
        list[str] | None,
        typer.Option("--energy-ev", help="What is added: -12.5 to all states, or 1=0.25 to one; repeatable."),
    ] = None,
    match: Annotated[
        Path | None,
        typer.Option("--match", help="Dataset on whose energies these are laid, where both have a geometry."),
    ] = None,
    drop_doubtful: DropDoubtful = False,
    overwrite: Overwrite = False,
) -> None:
    """Shift energies by a number a state, or onto those of another level of theory."""
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import DATASET, check_output, check_suffix
    from nadyn.data import Dataset
    from nadyn.data.level_shift import fit_shift, shifted, shifted_by

    check_suffix(output, "`--output`", DATASET)
    check_output(output, *data, match, overwrite=overwrite)
    if bool(energy_ev) == (match is not None):
        raise InputError("`--energy-ev` or `--match` must be given, one of them. Try `--energy-ev -12.5`.")
    dataset, sources = _read(data)
    dataset = _without_doubtful(dataset, drop_doubtful)
    if match is None:
        groups = [shifted_by(group, _added(group, energy_ev)) for group in dataset.groups]
    else:
        older, more = _read([match])
        sources = [*sources, *more]
        fits = [fit_shift(group, older.group(group.name)) for group in dataset.groups]
        groups = [shifted(group, fit) for group, fit in zip(dataset.groups, fits, strict=True)]
        for group, fit in zip(dataset.groups, fits, strict=True):
            print(f"{group.name}: {fit.in_words()}.")
    options = {"energy-ev": energy_ev, "match": None if match is None else match.name}
    _write("data shift", options, sources, drop_doubtful, overwrite, {output: Dataset(tuple(groups))})


def _read(
    paths: list[Path], *, tags: bool = False, mix: bool = False
) -> "tuple[Dataset, list[tuple[Path, int]]]":
    """Return files as one dataset, and how many frames each of them has."""
    from dataclasses import replace

    from rich.console import Console

    from nadyn.data import Dataset
    from nadyn.data.joining import join as joined
    from nadyn.data.readers.table import read_file

    found = []
    with Console(stderr=True).status("reading"):
        for path in paths:
            one = read_file(path)
            if tags:
                named = [
                    replace(group, tag=group.tag or (path.stem,) * group.n_frames) for group in one.groups
                ]
                one = Dataset(tuple(named))
            found.append(one)
        sources = [(path, one.n_frames) for path, one in zip(paths, found, strict=True)]
        return joined(found, mix=("theory",) if mix else ()), sources


def _without_doubtful(dataset: "Dataset", asked: bool) -> "Dataset":
    """Return a dataset of which everything doubtful was said, and left out where that is asked for."""
    from nadyn.data.cleaning import without_doubtful
    from nadyn.data.label_checks.table import warn_of_doubts

    if asked:
        dataset, sentences = without_doubtful(dataset)
        for sentence in sentences:
            print(sentence)
    warn_of_doubts(dataset)
    return dataset


def _write(
    command: str,
    options: dict[str, object],
    sources: list[tuple[Path, int]],
    drop_doubtful: bool,
    overwrite: bool,
    found: "dict[Path, Dataset]",
) -> None:
    from nadyn.data import write_dataset
    from nadyn.data.history import step_in_words, with_step

    said = {**options, "leave-out-doubtful": drop_doubtful}
    for path, dataset in found.items():
        step = step_in_words(f"nadyn {command} --output {path.name}", said, sources)
        write_dataset(path, with_step(dataset, step), overwrite=overwrite)
        groups = ", ".join(f"{group.name} {group.n_frames}" for group in dataset.groups)
        more = f" ({groups})" if len(dataset.groups) > 1 else ""
        print(f"wrote {path}: {counted(dataset.n_frames, 'frame')}{more}")


def _shares(parts: list[str]) -> dict[Path, float]:
    from nadyn.checks.errors import InputError

    found: dict[Path, float] = {}
    for text in parts:
        name, _, share = text.rpartition("=")
        try:
            value = float(share)
        except ValueError:
            value = float("nan")
        if not name or not 0 < value < 1:
            raise InputError(
                f"`--part` must be a file and a share below 1 as in `--part train.h5=0.8`, but is {text!r}."
            )
        if Path(name) in found:
            raise InputError(f"`--part` must name different files, but names {name!r} twice.")
        found[Path(name)] = value
    return found


def _added(group: "Group", given: list[str]) -> "np.ndarray":
    """Return what is added to each state [hartree]."""
    import numpy as np

    from nadyn.checks.errors import InputError
    from nadyn.units import HARTREE_PER_EV

    added = np.zeros(group.n_states)
    for text in given:
        state, _, number = text.rpartition("=")
        try:
            value, states = float(number), range(group.n_states) if not state else [int(state)]
        except ValueError:
            raise InputError(
                f"`--energy-ev` must be a number, or one of a state as in 1=0.25, but is {text!r}."
            ) from None
        if not np.isfinite(value) or not all(0 <= one < group.n_states for one in states):
            raise InputError(
                f"`--energy-ev` must be a finite number for a state from 0 to {group.n_states - 1} of group "
                f"{group.name!r}, but is {text!r}."
            )
        for one in states:
            added[one] += value * HARTREE_PER_EV
    return added


def _nearly_in_both(first: "Dataset", other: "Dataset") -> list[str]:
    """Return how many frames of `other` have a neighbour in `first`, molecule by molecule."""
    from nadyn.data.similarity import fingerprints, nearest_distances, neighbour_distance, typical_distance
    from nadyn.units import ANGSTROM_PER_BOHR

    sentences = []
    for group in other.groups:
        if group.name not in first.names or group.n_atoms < 2:
            continue
        known = fingerprints(first.group(group.name))
        typical = typical_distance(known)
        near = neighbour_distance(len(known), group.n_atoms) * typical
        n = int((nearest_distances(fingerprints(group), known) < near).sum())
        if n:
            which = f"{n} of {counted(group.n_frames, 'frame')} of {group.name}"
            sentences.append(f"{which} have a neighbour (under {near * ANGSTROM_PER_BOHR:.3f} Å)")
    return sentences
