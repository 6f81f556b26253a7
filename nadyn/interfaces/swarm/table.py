"""The live table over all workers of a swarm."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from nadyn.checks.errors import InputError
from nadyn.checks.forecast import size_in_words, time_in_words
from nadyn.trajectory import open_run
from nadyn.trajectory.swarm_folder import Swarm

_REFRESH_SECONDS = 2.0
_LINE_SECONDS = 30.0
_MOST_WORKERS = 20


@dataclass(frozen=True)
class Progress:
    """A worker by its name, and the shards that it has."""

    worker: str
    shards: tuple[int, ...]


class SwarmTable:
    """Shows how far a swarm is on stderr. Used as a context.

    Where that is no terminal, a line is written every half a minute, and one at the end.
    """

    def __init__(self, swarm: Swarm, *, n_done: int, shown: bool) -> None:
        """Prepare a table for a swarm of which `n_done` shards were complete before."""
        self.n_done = n_done
        self._swarm, self._shown, self._before = swarm, shown, n_done
        self._live = Live(console=Console(stderr=True, quiet=not shown), auto_refresh=False)
        self._start = self._drawn = self._lined = time.monotonic()
        self._finished = self._stopped = self._hops = self._memory = 0

    def __enter__(self) -> "SwarmTable":
        """Open the table."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last table standing."""
        self._draw([])
        self._live.stop()

    def add(self, told: Mapping[str, object]) -> None:
        """Count a shard that is complete, by what its process told."""
        self.n_done += 1
        self._finished += int(told["n_finished"])
        self._stopped += int(told["n_trajectories"]) - int(told["n_finished"])
        self._hops += int(told["n_hops"])
        self._memory = max(self._memory, int(told["memory"]))

    def update(self, progress: Sequence[Progress]) -> None:
        """Draw the table if it is time."""
        if time.monotonic() - self._drawn >= _REFRESH_SECONDS:
            self._draw(progress)

    def _draw(self, progress: Sequence[Progress]) -> None:
        self._drawn = now = time.monotonic()
        rows = self._rows(progress, now - self._start)
        if not self._shown:
            return
        if self._live.console.is_terminal:
            self._live.update(self._table(rows, progress), refresh=True)
        elif now - self._lined >= _LINE_SECONDS or not progress:
            self._lined = now
            self._live.console.print(
                ", ".join(f"{name} {value}" for name, value in rows.items()), highlight=False, soft_wrap=True
            )

    def _rows(self, progress: Sequence[Progress], seconds: float) -> dict[str, str]:
        here, left = self.n_done - self._before, self._swarm.n_shards - self.n_done
        busy = sum(bool(one.shards) for one in progress)
        return {
            "shards": f"{self.n_done}/{self._swarm.n_shards}",
            "left": time_in_words(left * seconds / here) if here else ("0 s" if not left else "?"),
            "workers": f"{busy} busy of {len(progress)}",
            "finished in this start": str(self._finished),
            "stopped": str(self._stopped),
            "hops": str(self._hops),
            "memory of a shard": size_in_words(self._memory) if self._memory else "?",
            "time": time_in_words(seconds),
        }

    def _table(self, rows: Mapping[str, str], progress: Sequence[Progress]) -> Table:
        table = Table.grid(padding=(0, 2))
        names = list(rows)
        for one, two in zip(names[0::2], names[1::2], strict=True):
            table.add_row(one, f"[bold]{rows[one]}", two, f"[bold]{rows[two]}")
        for one in progress[:_MOST_WORKERS]:
            table.add_row("worker", one.worker, "shard", ", ".join(map(self._step, one.shards[:1])) or "none")
        if len(progress) > _MOST_WORKERS:
            table.add_row("", f"and {len(progress) - _MOST_WORKERS} more")
        return table

    def _step(self, shard: int) -> str:
        """Return a shard and how far its newest checkpoint is."""
        try:
            run = open_run(self._swarm.path(shard), verified=False)
        except (InputError, OSError):
            return f"{shard}, begins"
        return f"{shard}, step {run.step}/{run.attributes['n_steps']}"
