"""`nadyn convert`: data of other programs to a dataset, and back."""

from pathlib import Path
from typing import Annotated

import typer

EXTXYZ_SUFFIXES = (".xyz", ".extxyz")
DATASET_SUFFIXES = (".h5", ".hdf5")


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Extended xyz file, or a dataset.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Dataset (.h5) or extended xyz file (.xyz).")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it exists.")] = False,
    theory: Annotated[str, typer.Option(help="Level of theory, kept in the dataset.")] = "",
    origin: Annotated[str, typer.Option("--source", help="Where the data are from, kept too.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data, kept too.")] = "",
) -> None:
    """Convert extended xyz files to a dataset, a dataset to extended xyz, or rewrite a dataset."""
    from dataclasses import replace

    from rich.console import Console

    from nadyn.checks.errors import InputError
    from nadyn.data import Dataset, load_dataset, write_dataset
    from nadyn.data.output import check_output
    from nadyn.data.readers.extxyz import read_extxyz
    from nadyn.data.writers.extxyz import write_extxyz

    suffix = target.suffix.lower()
    if suffix not in EXTXYZ_SUFFIXES + DATASET_SUFFIXES:
        known = ", ".join(DATASET_SUFFIXES + EXTXYZ_SUFFIXES)
        raise InputError(f"OUT must end in one of {known}, but is {str(target)!r}.")
    # Before the work is done, not after it.
    check_output(target, overwrite=overwrite)
    console = Console(stderr=True)
    with console.status(f"reading {source}"):
        read = read_extxyz if source.suffix.lower() in EXTXYZ_SUFFIXES else load_dataset
        dataset = read(source)
    given = {
        key: text for key, text in (("theory", theory), ("source", origin), ("licence", licence)) if text
    }
    dataset = Dataset(tuple(replace(group, **given) for group in dataset.groups))
    with console.status(f"writing {target}"):
        write = write_extxyz if suffix in EXTXYZ_SUFFIXES else write_dataset
        write(target, dataset, overwrite=overwrite)
    for group in dataset.groups:
        labels = ", ".join(key for key in group.frame_arrays() if key != "positions")
        print(
            f"{group.name}: {group.n_frames} frames, {group.n_atoms} atoms, {group.n_states} states; {labels}"
        )
    print(f"wrote {target}")
