"""`nadyn schema`: what an editor needs to check run, training and learn files while they are typed."""

from pathlib import Path
from typing import Annotated

import typer


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="run, train or learn.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (.json), instead of the screen.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Print the JSON schema of run, training or learn files.

    An editor with the YAML language server takes it where the file begins with
    `# yaml-language-server: $schema=run.schema.json`.
    """
    from nadyn import shipped
    from nadyn.checks.errors import InputError
    from nadyn.checks.output import JSON, check_output, check_suffix, write_new

    kinds = ("run", "train", "learn")
    if kind not in kinds:
        raise InputError(f"KIND must be run, train or learn, but is {kind!r}.")
    text = shipped.path(f"schemas/{kind}.schema.json").read_text(encoding="utf-8")
    if output is None:
        print(text, end="")
        return
    check_suffix(output, "`--output`", JSON)
    check_output(output, overwrite=overwrite)
    write_new(output, text)
    print(f"wrote {output}; begin a file with: # yaml-language-server: $schema={output}")
