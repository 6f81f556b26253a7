"""The live table of a run."""

import time
from contextlib import AbstractContextManager
from types import TracebackType

import numpy as np
import torch
from rich.console import Console
from rich.live import Live
from rich.table import Table

from nadyn.dynamics.run.ensemble import Ensemble, rows_of
from nadyn.dynamics.run.stopping import RESULTS, STATUS_NAMES, Status
from nadyn.units import ELECTRONVOLT_PER_HARTREE, FEMTOSECOND_PER_AU

_REFRESH_SECONDS = 0.25
# Between lines in a file, in which a table cannot be redrawn.
_LINE_SECONDS = 30.0
# Of more states than this only those with trajectories are shown.
_MOST_STATES = 6


class LiveTable:
    """Shows where a run stands on stderr, four times a second at most. Used as a context.

    Where it is no terminal, rich draws the last table only; there a line is written every half a minute.
    """

    def __init__(
        self,
        *,
        n_steps: int,
        first_step: int,
        dt: float,
        n_states: int,
        hops: tuple[int, int],
        on_states: bool,
    ) -> None:
        """Prepare a table for steps first_step to n_steps of `dt` [au].

        Args:
            n_steps: Of the whole run.
            first_step: Where this process begins.
            dt: Time step [au].
            n_states: Number of states.
            hops: Accepted and refused ones before the first step.
            on_states: Whether a trajectory is on a state, not on the mean of several.
        """
        self._n_steps, self._first_step, self._dt, self._n_states = n_steps, first_step, dt, n_states
        self._live = Live(console=Console(stderr=True), auto_refresh=False)
        self._start = self._shown = self._lined = time.monotonic()
        self._hops, self._on_states = np.array(hops), on_states

    def __enter__(self) -> "LiveTable":
        """Open the table."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last table standing."""
        self._live.stop()
        if not self._live.console.is_terminal:
            # Rich ends the last table with a new line on a terminal only.
            self._live.console.line()

    def update(self, ensemble: Ensemble, *, accepted: int, refused: int, last: bool = False) -> None:
        """Count hops, and draw the table if it is time."""
        self._hops += (accepted, refused)
        now = time.monotonic()
        if now - self._shown >= _REFRESH_SECONDS or last:
            self._shown = now
            rows = self._rows(ensemble, now - self._start)
            self._live.update(_table(rows), refresh=True)
            if not self._live.console.is_terminal and not last and now - self._lined >= _LINE_SECONDS:
                self._lined = now
                shown = ", ".join(
                    f"{name} {rows[name]}" for name in ("time", "step", "left", "running", "stopped")
                )
                self._live.console.print(shown, highlight=False, soft_wrap=True)

    def _rows(self, ensemble: Ensemble, seconds: float) -> dict[str, str]:
        state, step = ensemble.running, ensemble.step
        rate = (step - self._first_step) / max(seconds, 1e-9)
        over = step >= self._n_steps or not len(state.trajectory)
        left = 0.0 if over else (self._n_steps - step) / rate if rate > 0 else float("inf")
        ended_as_asked = np.isin(ensemble.status, RESULTS)
        running = ensemble.status == Status.RUNNING
        active = ensemble.everyone.active_state.cpu().numpy().copy()
        active[rows_of(state, ensemble.everyone).cpu().numpy()] = state.active_state.cpu().numpy()
        counts = np.bincount(active[running | ended_as_asked], minlength=self._n_states)
        stopped = {
            STATUS_NAMES[int(code)]: int(np.sum(ensemble.status == code))
            for code in np.unique(ensemble.status)
            if code not in (Status.RUNNING, *RESULTS)
        }
        errors = torch.cat([state.energy_error_max, ensemble.everyone.energy_error_max])
        error = float(errors.max()) * ELECTRONVOLT_PER_HARTREE
        hops = f"{self._hops[0]} (+{self._hops[1]} refused)"
        on_state = " ".join(f"{k}:{n}" for k, n in enumerate(counts) if n or self._n_states <= _MOST_STATES)
        return {
            "time": f"{step * self._dt * FEMTOSECOND_PER_AU:.1f} fs",
            "step": f"{step}/{self._n_steps}",
            "steps/s": f"{rate:.1f}",
            "left": _duration(left),
            "running": str(int(running.sum())),
            "finished": str(int(ended_as_asked.sum())),
            "on state": on_state if self._on_states else "the mean of all",
            "hops": hops if self._on_states else "none by this method",
            "worst energy error": f"{error:.4f} eV",
            "stopped": ", ".join(f"{n} {name}" for name, n in stopped.items()) or "0",
        }


def _table(rows: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    names = list(rows)
    for left_name, right_name in zip(names[0::2], names[1::2], strict=True):
        table.add_row(left_name, f"[bold]{rows[left_name]}", right_name, f"[bold]{rows[right_name]}")
    return table


class NoTable(AbstractContextManager):
    """Takes the place of `LiveTable` where nothing is to be shown."""

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def update(self, ensemble: Ensemble, *, accepted: int, refused: int, last: bool = False) -> None:
        """Do nothing."""


def _duration(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
