"""What a learning loop tells in a terminal: a line for what it does, a table row for each round."""

from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.status import Status
from rich.table import Table

from nadyn.analysis.learning_page import learning_page
from nadyn.analysis.learning_record import FILE, RoundRecord
from nadyn.cli.tables import print_table
from nadyn.learning.context import Silence


class Drawn(Silence):
    """A narrator that says nothing, and draws the page."""

    def __init__(self) -> None:
        """Draw nothing before it is told where."""
        self._folder: Path | None = None

    def watch(self, folder: Path) -> None:
        """Draw the page of this folder again whenever something has come of it."""
        self._folder = folder

    def round(self, record: RoundRecord) -> None:
        """Draw the page."""
        draw(self._folder)


class Told:
    """A narrator for a console; use it in a `with` block."""

    def __init__(self, console: Console) -> None:
        """Say everything on a console."""
        self._console = console
        self._status = Status("", console=console) if console.is_terminal else None
        self._stage = ""
        self._folder: Path | None = None

    def __enter__(self) -> "Told":
        """Show what is under way."""
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing it."""
        if self._status is not None:
            self._status.stop()

    def watch(self, folder: Path) -> None:
        """Draw the page of this folder again whenever something has come of it."""
        self._folder = folder

    def stage(self, text: str) -> None:
        """Begin something that takes a while."""
        self._stage = text
        if self._status is None:
            self._console.print(text, highlight=False, soft_wrap=True)
        else:
            self._status.update(text)

    def progress(self, text: str) -> None:
        """How far it is."""
        if self._status is not None:
            self._status.update(f"{self._stage}: {text}")

    def note(self, text: str) -> None:
        """Say something that is to be read later too."""
        self._console.print(f"Note: {text}", highlight=False, soft_wrap=True)

    def round(self, record: RoundRecord) -> None:
        """Print what a round has come to, and draw the page."""
        print_table(self._console, round_table(record))
        draw(self._folder)


def draw(folder: Path | None) -> None:
    """Draw the page of a loop, once there is something to see."""
    if folder is not None and (folder / FILE).exists():
        learning_page(folder)


def round_table(record: RoundRecord) -> Table:
    """Return a table of a round: its answers, with a mark where a goal is reached."""
    title = "the last models" if record.final else f"round {record.number}"
    minutes = sum(record.seconds.values()) / 60.0
    text = f"{title}: {record.frames} frames, {minutes:.1f} min"
    if record.number == 0:
        text = f"the beginning: {minutes:.1f} min"
    table = Table(title=text, title_justify="left", show_header=False)
    table.add_column("goal")
    table.add_column("question")
    table.add_column("answer", overflow="fold")
    for answer in record.answers:
        mark = {True: "reached", False: "not yet", None: "?"}[answer.reached]
        table.add_row(mark, answer.question, answer.sentence)
    asked = ", ".join(f"{one.trusted} {one.kind}" for one in record.asked)
    untrusted = sum(one.doubtful + one.failed for one in record.asked)
    more = f"; {untrusted} not trusted" if untrusted else ""
    table.add_row("", "asked for", f"{asked or 'nothing'}{more}")
    return table
