"""`nadyn cite`: methods and programs that a run or a model used, with their papers."""

from pathlib import Path
from typing import Annotated

import typer


def cite(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE …", help="Trajectory files and models (.safetensors).")
    ],
    bibtex: Annotated[
        Path | None, typer.Option("--bibtex", help="Write the entries to this file (.bib).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Print methods and programs that were used, each with its papers.

    Name the run and its model: a run knows how it was run, a model how it was made.
    """
    from nadyn.analysis.citations import as_bibtex, as_text, cited_by_model, cited_by_run, programs
    from nadyn.checks.output import check_output, check_suffix, write_new
    from nadyn.trajectory import open_run

    if bibtex is not None:
        check_output(bibtex, *files, overwrite=overwrite)
        check_suffix(bibtex, "`--bibtex`", (".bib",))
    used = programs()
    for file in files:
        if file.suffix == ".safetensors":
            from nadyn.models.model_description import describe

            used += cited_by_model(describe(file))
        else:
            used += cited_by_run(open_run(file, verified=False))
    used = list({one.what: one for one in used}.values())
    if bibtex is not None:
        write_new(bibtex, as_bibtex(used))
    typer.echo(as_text(used), nl=False)
