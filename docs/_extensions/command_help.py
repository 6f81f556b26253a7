"""`{command-help} run`: the help text of a command, taken from the program itself."""

import os
import subprocess
import sys

from docutils import nodes
from docutils.parsers.rst import Directive


class CommandHelp(Directive):
    """A literal block with what `nadyn <arguments> --help` prints."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        arguments = [*self.arguments, "--help"]
        # Without rich, typer prints plain text, which reads best on a page.
        environment = os.environ | {"COLUMNS": "96", "NO_COLOR": "1", "TERM": "dumb", "TYPER_USE_RICH": "0"}
        done = subprocess.run(
            [sys.executable, "-m", "nadyn", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        block = nodes.literal_block(text, text)
        block["language"] = "text"
        return [block]


def setup(app):
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "version": "1"}
