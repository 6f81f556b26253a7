"""Figures of a learning loop: one function a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nadyn.analysis.fates import ENDED_AS_ASKED
from nadyn.analysis.learning_record import RoundRecord, SwarmRecord
from nadyn.analysis.plots_style import COLOURS, QUIET, legend_above, new_figure, state_colour, time_axis
from nadyn.analysis.populations import populations
from nadyn.trajectory import open_run

_BEGINNING = ("data", "preflight", "wigner", "direct", "direct, between")
_KINDS = (*_BEGINNING, "random", "doubt", "crossing", "gap", "stop")
_COSTS = ("labels", "training", "running")


def errors_figure(rounds: Sequence[RoundRecord], goals: dict[str, float]) -> Figure:
    """Return mean errors of fresh labels by the number of labels, with 95 % intervals and the goals."""
    figure, both = new_figure(3.2, columns=2, widths=(1.0, 1.0))
    judged = [one for one in rounds if one.fresh is not None]
    labels = np.array([one.labels for one in judged])
    shown = (
        ("energy_ev", "energy_error_ev", "energies (eV)"),
        ("force_ev_per_angstrom", "force_error_ev_per_angstrom", "forces (eV/Å)"),
    )
    for axes, (name, error, title), colour in zip(both, shown, COLOURS, strict=False):
        mean = np.array([getattr(one.fresh, name) for one in judged])
        reach = 1.96 * np.nan_to_num([getattr(one.fresh, error) for one in judged])
        axes.errorbar(
            labels, mean, yerr=reach, fmt="o-", color=colour, markersize=4, capsize=2.5, linewidth=1.4
        )
        axes.axhline(goals[name], color=QUIET, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.set_ylim(bottom=0.0)
        axes.set_xlabel("labels")
        axes.set_ylabel(f"error of {title}")
    return figure


def endings_figure(rounds: Sequence[RoundRecord], goals: dict[str, float]) -> Figure:
    """Return how the trajectories of each round ended, as shares."""
    figure, axes = new_figure(3.2)
    ran = [one for one in rounds if one.swarms]
    counts = [_endings(one.swarms) for one in ran]
    names = sorted({name for one in counts for name in one}, key=lambda n: (n not in ENDED_AS_ASKED, n))
    parts = {
        name.replace("_", " "): [one.get(name, 0) / max(sum(one.values()), 1) for one in counts]
        for name in names
    }
    _stacked(axes, [one.number for one in ran], parts)
    axes.axhline(goals["ended"], color=QUIET, linewidth=1.1, linestyle=(0, (4, 2)))
    axes.set_ylabel("share of the trajectories")
    legend_above(axes)
    return figure


def asked_figure(rounds: Sequence[RoundRecord]) -> Figure:
    """Return what was asked for in each round, by kind, and how much of it is not trusted."""
    figure, axes = new_figure(3.2)
    there = {one.kind for r in rounds for one in r.asked}
    parts = {
        kind: [float(sum(one.trusted for one in r.asked if one.kind == kind)) for r in rounds]
        for kind in _KINDS
        if kind in there
    }
    untrusted = [float(sum(one.doubtful + one.failed for one in r.asked)) for r in rounds]
    if any(untrusted):
        parts["not trusted"] = untrusted
    _stacked(axes, [one.number for one in rounds], parts)
    axes.set_ylabel("labels")
    legend_above(axes)
    return figure


def costs_figure(rounds: Sequence[RoundRecord]) -> Figure:
    """Return the time that each round took, by what it was spent on."""
    figure, axes = new_figure(2.8)
    parts = {what: [one.seconds.get(what, 0.0) / 60.0 for one in rounds] for what in _COSTS}
    _stacked(axes, [one.number for one in rounds], parts)
    axes.set_ylabel("minutes")
    legend_above(axes)
    return figure


def members_figure(folder: Path, last: RoundRecord, before: RoundRecord | None) -> Figure:
    """Return populations of the last round, a line for each member; dashed those of the round before."""
    figure, axes = new_figure(3.5)
    extra = []
    times = np.zeros(1)
    for one, width, style in ((before, 0.9, (0, (4, 2))), (last, 1.6, "-")):
        if one is None:
            continue
        for swarm in one.swarms:
            pops = populations(open_run(folder / f"round_{one.number:02d}" / swarm.run))
            times = pops.time_fs
            for k in range(pops.mean.shape[1]):
                axes.plot(
                    times, pops.mean[:, k], color=state_colour(k), linewidth=width, linestyle=style, alpha=0.8
                )
    n_states = pops.mean.shape[1]
    extra += [Line2D([], [], color=state_colour(k), linewidth=2, label=f"state {k}") for k in range(n_states)]
    if before is not None:
        dashed = Line2D([], [], color=QUIET, linewidth=0.9, linestyle=(0, (4, 2)), label="the round before")
        extra.append(dashed)
    time_axis(axes, times)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("population")
    legend_above(axes, extra)
    return figure


def _endings(swarms: Sequence[SwarmRecord]) -> dict[str, int]:
    total: dict[str, int] = {}
    for swarm in swarms:
        for name, count in swarm.endings.items():
            total[name] = total.get(name, 0) + count
    return total


def _stacked(axes: Axes, numbers: Sequence[int], parts: Mapping[str, Sequence[float]]) -> None:
    bottom = np.zeros(len(numbers))
    for (name, values), colour in zip(parts.items(), COLOURS * 2, strict=False):
        axes.bar(numbers, values, 0.7, bottom=bottom, color=colour, label=name, linewidth=0)
        bottom += np.array(values, dtype=float)
    axes.set_xticks(list(numbers))
    axes.set_xlabel("round")
