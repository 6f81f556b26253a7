"""The live bar of labelling: how many are trusted, doubtful, failed, and how long it still takes."""

import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nadyn.learning.desk import Progress as Done

_SECONDS_BETWEEN_LINES = 30.0


class LabellingProgress:
    """Shows how far a list of geometries is; a line every half a minute where there is no terminal.

    Used as a context.
    """

    def __init__(self, console: Console, n: int) -> None:
        """Prepare a bar for n geometries."""
        self.n_done = 0
        self._console, self._n = console, n
        self._counts: Counter[str] = Counter()
        self._began = self._lined = time.monotonic()
        self._bar = Progress(
            TextColumn("labelling"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal or console.quiet,
        )
        self._task = self._bar.add_task("labelling", total=n, counts="")

    def __enter__(self) -> "LabellingProgress":
        """Open the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def show(self, done: Done) -> None:
        """Count a label."""
        self.n_done = done.n_done
        if done.label is not None:
            self._counts[done.label.quality.name.lower()] += 1
        counts = ", ".join(f"{n} {name}" for name, n in sorted(self._counts.items()))
        self._bar.update(self._task, completed=done.n_done, counts=counts)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._lined >= _SECONDS_BETWEEN_LINES:
            self._lined = now
            spent = (now - self._began) / 60.0
            self._console.print(
                f"{done.n_done} of {self._n} labels, {counts or 'none new'}, {spent:.1f} minutes",
                highlight=False,
                soft_wrap=True,
            )
