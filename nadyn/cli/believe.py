"""The option of commands that analyse runs of a committee: how far it is believed."""

from typing import Annotated

import typer

Believe = Annotated[
    float,
    typer.Option(
        "--believe",
        min=0.0,
        help="Of runs with `stop.lenience`: how many times its limits a committee is believed.",
    ),
]
