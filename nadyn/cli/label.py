"""`nadyn label`: geometries to labels, by quantum chemistry or whatever else a source is."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nadyn.checks.counts import counted

if TYPE_CHECKING:
    from rich.console import Console

    from nadyn.learning.geometries import Geometries
    from nadyn.learning.labelling import Labelled

# Reasons that are told one by one.
_MOST_REASONS = 8


def label(
    source: Annotated[Path, typer.Option("--source", help="Source file (YAML): {pyscf: {method: …}}.")],
    geometries: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[GEOMETRIES …]",
            help="What to label: .xyz with any number of frames, datasets, files of `nadyn sample`.",
        ),
    ] = None,
    store: Annotated[
        Path,
        typer.Option("--store", help="Folder in which labels are kept; nothing in it is computed twice."),
    ] = Path("labels"),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the trusted labels to this dataset (.h5).")
    ] = None,
    stopped: Annotated[
        list[Path] | None,
        typer.Option("--stopped", help="Also label where the trajectories of this run stopped; repeatable."),
    ] = None,
    match: Annotated[
        Path | None,
        typer.Option(
            "--match", help="Shift the energies of OUTPUT onto this older dataset, a constant a state."
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", help="How many labels are computed at a time, one thread each; one."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Address of a dask scheduler whose workers label, one a thread."),
    ] = None,
    time_limit_minutes: Annotated[
        float | None, typer.Option("--time-limit-minutes", help="A label that takes longer has failed.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask once more for labels that have failed.")
    ] = False,
    molecule: Annotated[
        str | None, typer.Option("--molecule", help="Which molecule of a dataset with several.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write what became of each geometry to this file.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing OUTPUT.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
) -> None:
    """Label geometries: energies, forces, couplings, and how far each is to be trusted.

    Interrupted, or with a source that answers later, the same command goes on where it was.
    """
    import json

    from rich.console import Console

    from nadyn.checks.errors import InputError, RunError
    from nadyn.checks.output import (
        DATASET,
        check_folder_name,
        check_json,
        check_output,
        check_suffix,
        write_new,
    )
    from nadyn.data import write_dataset
    from nadyn.electronic.labels import Quality
    from nadyn.interfaces.sources import read_source
    from nadyn.learning.geometries import joined, read_geometries, stopped_geometries
    from nadyn.learning.labelling import label_geometries

    files, runs = geometries or [], stopped or []
    inputs = [*files, *runs, source, match]
    if output is not None:
        check_output(output, *inputs, overwrite=overwrite)
        check_suffix(output, "`--output`", DATASET)
    elif match is not None:
        raise InputError("`--match` must stand beside `--output`, whose energies it shifts, but does not.")
    check_folder_name(store, "`--store`")
    if json_file is not None:
        check_json(json_file, *(path for path in inputs if path is not None))
    if time_limit_minutes is not None and not time_limit_minutes > 0:
        raise InputError(f"`--time-limit-minutes` must be positive, but is {time_limit_minutes:g}.")
    if scheduler is not None and processes is not None:
        raise InputError(
            "`--processes` must not come with `--scheduler`, which has workers of its own, but does. Leave "
            "one out."
        )
    configuration = read_source(source)
    asked = joined(
        [
            *(read_geometries(path, group=molecule) for path in files),
            *(stopped_geometries(path) for path in runs),
        ]
    )
    console = Console(stderr=True, quiet=quiet)
    found = _labelled(
        console,
        lambda report: label_geometries(
            configuration,
            asked,
            store,
            processes=processes or 1,
            scheduler=scheduler,
            time_limit_seconds=None if time_limit_minutes is None else 60.0 * time_limit_minutes,
            again=again,
            report=report,
        ),
        asked,
    )
    if not quiet:
        _print_summary(found)
    if json_file is not None:
        write_new(json_file, json.dumps(_as_json(found), indent=1))
    waiting, trusted = found.frames(None), found.frames(Quality.TRUSTED)
    if output is not None and trusted:
        write_dataset(output, found.dataset(molecule, match=match), overwrite=overwrite)
        print(f"wrote {output}: {counted(len(trusted), 'trusted label')}")
    if not trusted and not waiting:
        raise RunError(
            f"none of {counted(len(asked), 'label')} is trusted; the reasons stand above"
            f"{'' if output is None else ', and no dataset was written'}. They are in {store}."
        )
    if waiting:
        print(f"{counted(len(waiting), 'label')} to come: type the same command again.")


def _labelled(console: "Console", work: object, asked: "Geometries") -> "Labelled":
    """Do the work under a bar, or with a line every half a minute where there is no terminal."""
    from nadyn.cli.labelling_progress import LabellingProgress

    with LabellingProgress(console, len(asked)) as bar:
        try:
            return work(bar.show)
        except KeyboardInterrupt:
            # Said here, because typer keeps only the exit code of an interrupt.
            print(
                f"interrupted after {bar.n_done} of {counted(len(asked), 'label')}, which are kept: type the "
                "same command to go on.",
                file=sys.stderr,
            )
            raise


def _print_summary(found: "Labelled") -> None:
    from nadyn.electronic.labels import Quality
    from nadyn.interfaces.folder_source import FolderSource
    from nadyn.learning.labelling import in_a_list

    counts = {quality: len(found.frames(quality)) for quality in Quality}
    parts = [f"{n} {quality.name.lower()}" for quality, n in counts.items()]
    if waiting := len(found.frames(None)):
        parts.append(f"{waiting} to come")
    print(f"{found.source.theory}: {', '.join(parts)} of {counted(len(found.labels), 'geometry')}.")
    if n := sum(counts.values()):
        # Of many labels in minutes.
        minutes = found.seconds > 120.0
        spent = (
            f"{found.seconds / 60:.1f} processor minutes"
            if minutes
            else f"{found.seconds:.1f} processor seconds"
        )
        print(f"{spent}, {found.seconds / n:.2g} s a label.")
    if isinstance(found.source, FolderSource) and (begun := found.source.unfinished()):
        print(
            f"{counted(len(begun), 'answer')} begun and without an end: {begun[0]}{', …' * (len(begun) > 1)}"
        )
    for quality in (Quality.DOUBTFUL, Quality.FAILED):
        reasons = found.reasons(quality)
        for reason, frames in reasons[:_MOST_REASONS]:
            print(f"{len(frames)} {quality.name.lower()}: {reason} (geometry {in_a_list(frames)})")
        if len(reasons) > _MOST_REASONS:
            left = sum(len(frames) for _, frames in reasons[_MOST_REASONS:])
            print(f"{left} {quality.name.lower()} for other reasons")


def _as_json(found: "Labelled") -> dict[str, object]:
    return {
        "theory": found.source.theory,
        "processor_seconds": found.seconds,
        "geometries": [
            {
                "tag": tag,
                "quality": "to come" if one is None else one.quality.name.lower(),
                "reason": "" if one is None else one.reason,
                "checks": {} if one is None else dict(one.checks),
            }
            for tag, one in zip(found.geometries.tags, found.labels, strict=True)
        ],
    }
