"""What would be known if a committee were believed further: populations at multiples of its limits.

Where a committee objects to many trajectories, what became of them is unknown, and intervals hold every
fate. Believed further it leaves more of them, on models that may be wrong by more. Where the answer stays,
the doubt does not matter to it; where it moves, more labels are needed.
"""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nadyn.analysis.fates import ended_as_asked
from nadyn.analysis.joined import are_one_ensemble, open_runs_as_one
from nadyn.analysis.member_numbers import member_populations
from nadyn.analysis.members import open_members
from nadyn.analysis.page_parts import with_code
from nadyn.analysis.populations import populations
from nadyn.trajectory import doubt_limits, open_run

_FACTORS = (1.0, 1.5, 2.0, 3.0, 5.0)
TITLE = "How far the committee is believed"
_WORDS = (
    "A trajectory ends, for these numbers, where the members differ by more than so many times the limits of "
    "`stop`. Where the population stays from row to row, the doubt does not matter to it; where it moves, "
    "more labels are needed. In brackets: 95 %, whatever became of those that ended so."
)


def belief_rows(paths: Sequence[str | Path]) -> list[dict[str, object]]:
    """Return a row for each multiple of the limits, the limits themselves first.

    Each has `believe` (how many times the limits), `n_trajectories`, `n_results`, and `lowest_state`, its
    population half way and at the end: [{time_fs, fraction, low, high}], `fraction` NaN where too many are of
    unknown fate. Of runs on several members the mean over these and the interval of everything.

    Empty for runs that were stopped at their limits, and on one state.

    Args:
        paths: One run, several of one model, or of members of one committee.

    Raises:
        InputError: As `open_runs_as_one` or `open_members`.
    """
    runs = [open_run(path) for path in paths]
    limits = [doubt_limits(run) for run in runs]
    if any(one is None for one in limits) or not all(run.changes_states for run in runs):
        return []
    most = min(one.lenience for one in limits)
    alone = len(paths) == 1 or are_one_ensemble(paths)
    row = _of_ensemble if alone else _of_members
    return [row(paths, believe) for believe in (*(f for f in _FACTORS if f < most), most)]


def _of_ensemble(paths: Sequence[str | Path], believe: float) -> dict[str, object]:
    run = open_runs_as_one(paths, believe=believe)
    found = populations(run)
    return _row(believe, [run], found.time_fs, found)


def _of_members(paths: Sequence[str | Path], believe: float) -> dict[str, object]:
    members = open_members(paths, believe=believe)
    return _row(
        believe, members.runs, members.runs[0].time_fs[: members.n_frames], member_populations(members)
    )


def _row(believe: float, runs: Sequence, time_fs: np.ndarray, found: object) -> dict[str, object]:
    frames = sorted({len(time_fs) // 2, len(time_fs) - 1})
    return {
        "believe": believe,
        "n_trajectories": sum(run.n_trajectories for run in runs),
        "n_results": sum(int(ended_as_asked(run).sum()) for run in runs),
        "lowest_state": [
            {
                "time_fs": float(time_fs[frame]),
                "fraction": float(found.mean[frame, 0]),
                "low": float(found.low[frame, 0]),
                "high": float(found.high[frame, 0]),
            }
            for frame in frames
        ],
    }


def belief_cells(rows: Sequence[dict[str, object]]) -> tuple[list[str], list[list[str]]]:
    """Return headings and cells of the rows, as a table shows them."""
    head = ["times its limits", "results"]
    head += [f"state 0 at {one['time_fs']:.4g} fs" for one in rows[0]["lowest_state"]]
    cells = []
    for row in rows:
        share = f"{100 * row['n_results'] / row['n_trajectories']:.1f} %"
        populations = []
        for one in row["lowest_state"]:
            known = "—" if np.isnan(one["fraction"]) else f"{one['fraction']:.3f}"
            populations.append(f"{known} ({one['low']:.3f} to {one['high']:.3f})")
        cells.append([f"{row['believe']:g}", share, *populations])
    return head, cells


def belief_html(rows: Sequence[dict[str, object]]) -> str:
    """Return the rows as a part of a page; empty where there are none."""
    if not rows:
        return ""
    head, cells = belief_cells(rows)
    heads = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in cells
    )
    return (
        f"<section id=belief><h2>{TITLE}</h2><p>{with_code(_WORDS)}</p>"
        f"<div class=wide><table><tr>{heads}</tr>{body}</table></div></section>"
    )
