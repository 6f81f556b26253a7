"""Figures of a run: one function a figure."""

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nadyn.analysis.beside import Beside, shown_frames
from nadyn.analysis.energies import energy_conservation, temperature
from nadyn.analysis.fates import has_settled, known, n_shown, shown_times
from nadyn.analysis.geometry import Quantity, label, measure
from nadyn.analysis.kinetics import Lifetime, decay_curve
from nadyn.analysis.moments import lead_to_moments
from nadyn.analysis.multiplicities import diabatic_names
from nadyn.analysis.plots_style import (
    COLOURS,
    INK,
    QUIET,
    around_zero,
    legend_above,
    new_figure,
    state_colour,
    time_axis,
    unit_text,
    value_axis,
)
from nadyn.analysis.populations import Populations, populations
from nadyn.analysis.scattering import Branching
from nadyn.trajectory import Run

_MOST_LINES = 120
# Without hops to find, more than a few vibrating lines hide each other.
_MOST_LINES_ONE_STATE = 8
# Of more states, those that stay empty are not drawn: the bands of their intervals would hide the others.
_ALL_STATES = 6


def drawn_trajectories(run: Run) -> Int[np.ndarray, "drawn"]:
    """Return the trajectories that a geometry figure draws, evenly chosen."""
    most = _MOST_LINES if run.changes_states else _MOST_LINES_ONE_STATE
    return np.unique(np.linspace(0, run.n_trajectories - 1, most).round().astype(int))


def drawn_states(pops: Populations) -> list[int]:
    """Return the states that a figure of populations draws: of many, those that are ever populated."""
    n_states = pops.mean.shape[1]
    populated = np.nan_to_num(np.fmax(pops.mean, pops.electronic)).max(axis=0) > 0.005
    return [k for k in range(n_states) if n_states <= _ALL_STATES or populated[k]]


def populations_figure(run: Run, fitted: dict[int, Lifetime], other: Beside | None = None) -> Figure:
    """Return populations with 95 % bands; fitted decay dotted, mean |c|^2 dashed, another run as points."""
    return figure_of_populations(populations(run), run, run.n_trajectories, fitted, other)


def figure_of_populations(
    pops: Populations,
    run: Run,
    n_trajectories: int,
    fitted: dict[int, Lifetime],
    other: Beside | None = None,
) -> Figure:
    """Return the same of populations of as many trajectories, of which the run may be a part."""
    figure, axes = new_figure(3.5)
    for k in drawn_states(pops):
        colour = state_colour(k)
        axes.fill_between(
            pops.time_fs, pops.low[:, k], pops.high[:, k], color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(pops.time_fs, pops.mean[:, k], color=colour, linewidth=2, label=f"state {k}")
        if run.amplitudes_are_populations:
            axes.plot(pops.time_fs, pops.electronic[:, k], color=colour, linewidth=1.1, linestyle=(0, (4, 2)))
    extra = []
    if run.amplitudes_are_populations:
        extra.append(Line2D([], [], color=QUIET, linewidth=1.1, linestyle=(0, (4, 2)), label="mean |c|²"))
    if bool((pops.counted < n_trajectories).any()):
        for k in drawn_states(pops):
            axes.plot(pops.time_fs, pops.held[:, k], color=state_colour(k), linewidth=0.9, linestyle="-.")
        extra.append(Line2D([], [], color=QUIET, linewidth=0.9, linestyle="-.", label="stopped ones held"))
    for k in (k for k, life in fitted.items() if life.value is not None):
        curve = decay_curve(pops.time_fs, float(pops.mean[0, k]), fitted[k])
        axes.plot(pops.time_fs, curve, color=INK, linewidth=1.1, linestyle=(0, (1, 1.6)))
        extra.append(Line2D([], [], color=INK, linewidth=1.1, linestyle=(0, (1, 1.6)), label="fitted decay"))
    if other is not None:
        _points_of(axes, other, pops)
        extra.append(Line2D([], [], color=QUIET, marker="D", markersize=4, linestyle="", label=other.name))
    time_axis(axes, pops.time_fs[: n_shown(pops.counted > 0)])
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("population")
    legend_above(axes, extra)
    return figure


def _points_of(axes: Axes, other: Beside, pops: Populations) -> None:
    frames = shown_frames(other, float(pops.time_fs[-1]))
    for k in drawn_states(pops):
        mean = other.populations[frames, k]
        reach = [mean - other.low[frames, k], other.high[frames, k] - mean]
        axes.errorbar(
            other.time_fs[frames],
            mean,
            yerr=np.maximum(reach, 0.0),
            fmt="D",
            markersize=4,
            markerfacecolor="white",
            color=state_colour(k),
            ecolor=state_colour(k),
            elinewidth=1.1,
            capsize=2.5,
            zorder=3,
        )


def diabatic_figure(run: Run) -> Figure:
    """Return the mean diabatic populations with bands of 1.96 standard errors."""
    pops = populations(run)
    figure, axes = new_figure(3.3)
    names = diabatic_names(run)
    for a in range(pops.diabatic.shape[1]):
        mean, error = pops.diabatic[:, a], pops.diabatic_error[:, a]
        colour = state_colour(a)
        axes.fill_between(
            pops.time_fs, mean - 1.96 * error, mean + 1.96 * error, color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(pops.time_fs, mean, color=colour, linewidth=2, label=names[a])
    time_axis(axes, pops.time_fs)
    axes.set_ylabel("diabatic population")
    legend_above(axes)
    return figure


def geometry_figure(run: Run, quantity: Quantity) -> Figure:
    """Return one coordinate of trajectories over time, coloured by state, and its spread at the end."""
    values = measure(run, quantity)
    values = np.abs(values) if quantity.kind == "dihedral" else values
    alive = run.alive()
    on_mean = run.moves_on == "mean of the states"
    state = np.zeros_like(run.active_state) if on_mean else np.asarray(run.active_state)
    figure, (axes, side) = new_figure(3.7, columns=2, widths=(4.2, 1.0))
    drawn = drawn_trajectories(run)
    opacity = float(np.clip(14 / len(drawn), 0.16, 0.6))
    for trajectory in drawn.tolist():
        axes.add_collection(_coloured_line(run, values, state, alive, trajectory, opacity))
    moved = (np.diff(state, axis=0) != 0) & alive[1:] & np.isin(np.arange(run.n_trajectories), drawn)
    _mark_hops(axes, run, values, state, moved)
    shown = values[:, drawn][alive[:, drawn]]
    time_axis(axes, shown_times(run))
    value_axis(axes, quantity, shown)
    axes.set_ylabel(f"{label(run, quantity)} ({unit_text(quantity)})")
    low, high = axes.get_ylim()
    edges = np.linspace(low, high, 31)
    last = (known(run) & ~has_settled(run))[-1]
    side.hist(
        [values[-1, last & (state[-1] == k)] for k in range(run.n_states)],
        bins=edges,
        orientation="horizontal",
        color=[state_colour(k) for k in range(run.n_states)],
        stacked=True,
    )
    side.set_ylim(low, high)
    side.set_yticks(axes.get_yticks(), labels=[])
    side.set_ylim(low, high)
    side.set_xlabel("at the end" if last.any() else "none at the end")
    side.set_xlim(left=0, right=None if last.any() else 1)
    handles = [
        Line2D([], [], color=state_colour(k), linewidth=2, label=f"state {k}") for k in range(run.n_states)
    ]
    if run.changes_states and not on_mean:
        ring = {"color": INK, "marker": "o", "markersize": 4, "fillstyle": "none", "linestyle": ""}
        handles.append(Line2D([], [], **ring, label="hop" if run.moves_on == "active state" else "change"))
        legend_above(axes, handles, only=True)
    return figure


def energy_figure(run: Run) -> Figure:
    """Return the error of the conserved energy over time, and a histogram of its changes between frames."""
    energy = energy_conservation(run)
    figure, (axes, side) = new_figure(3.1, columns=2, widths=(1.6, 1.0))
    drawn = np.unique(np.linspace(0, run.n_trajectories - 1, _MOST_LINES).round().astype(int))
    lines = [np.column_stack([run.time_fs, 1e3 * energy.error_ev[:, t]]) for t in drawn]
    axes.add_collection(
        LineCollection(
            lines,
            colors=COLOURS[0],
            linewidths=0.8,
            alpha=float(np.clip(14 / len(drawn), 0.2, 0.9)),
            rasterized=True,
        )
    )
    size = np.abs(energy.error_ev)
    if np.isfinite(size).any():
        worst = int(np.nanargmax(np.nanmax(np.where(np.isfinite(size), size, 0.0), axis=0)))
        axes.plot(
            run.time_fs,
            1e3 * energy.error_ev[:, worst],
            color=COLOURS[1],
            linewidth=1.4,
            label=f"trajectory {worst}",
        )
        legend_above(axes)
    time_axis(axes, shown_times(run))
    around_zero(axes, 1e3 * energy.error_ev)
    axes.set_ylabel("energy error (meV)")
    changes = 1e3 * energy.steps_ev
    reach = max(float(np.abs(changes).max(initial=0.0)), 1e-3)
    side.hist(changes, bins=np.linspace(-reach, reach, 42), color=COLOURS[0])
    side.ticklabel_format(axis="x", useOffset=False)
    side.xaxis.get_major_locator().set_params(nbins=4)
    if len(changes):
        side.set_yscale("log")
    side.set_xlabel("change between frames (meV)")
    side.set_ylabel("count")
    return figure


def temperature_figure(run: Run) -> Figure:
    """Return the kinetic temperature: mean over trajectories, and the band that holds two thirds of them."""
    kelvin = temperature(run)
    some = np.isfinite(kelvin).any(axis=1)
    low, mean, high = (np.nanquantile(kelvin[some], q, axis=1) for q in (1 / 6, 0.5, 5 / 6))
    figure, axes = new_figure(3.1)
    axes.fill_between(run.time_fs[some], low, high, color=COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(
        run.time_fs[some], np.nanmean(kelvin[some], axis=1), color=COLOURS[0], linewidth=2, label="mean"
    )
    axes.plot(run.time_fs[some], mean, color=COLOURS[0], linewidth=1.1, linestyle=(0, (4, 2)), label="median")
    target = (run.config.get("thermostat") or {}).get("temperature_kelvin")
    if target is not None:
        axes.axhline(float(target), color=INK, linewidth=1.1, linestyle=(0, (1, 1.6)), label="thermostat")
    time_axis(axes, shown_times(run))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("kinetic temperature (K)")
    legend_above(axes)
    return figure


def branching_figure(found: Branching) -> Figure:
    """Return transmission and reflection on each state as bars with standard errors."""
    names = list(found.fraction)
    figure, axes = new_figure(2.9)
    colours = [state_colour(int(name[1:])) for name in names]
    heights = [found.fraction[name] for name in names]
    errors = [found.error[name] for name in names]
    bars = axes.bar(
        names, heights, yerr=errors, width=0.6, color=colours, ecolor=INK, capsize=3, error_kw={"lw": 1.1}
    )
    for bar, height, error in zip(bars, heights, errors, strict=True):
        axes.annotate(
            f"{height:.3f}",
            (bar.get_x() + bar.get_width() / 2, height + error),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color=INK,
            fontsize=9,
        )
    words = {"T": "transmitted", "R": "reflected"}
    axes.set_xticks(range(len(names)), [f"{words[name[0]]}, state {name[1:]}" for name in names])
    axes.set_ylim(0, 1.08 * max(1e-6, max(h + e for h, e in zip(heights, errors, strict=True))) + 0.05)
    axes.set_ylabel("fraction")
    return figure


def _coloured_line(
    run: Run, values: np.ndarray, state: np.ndarray, alive: np.ndarray, trajectory: int, opacity: float
) -> LineCollection:
    rows = np.nonzero(alive[:, trajectory])[0]
    points = np.column_stack([run.time_fs[rows], values[rows, trajectory]])
    segments = np.stack([points[:-1], points[1:]], axis=1)
    colours = [to_rgba(state_colour(int(k)), opacity) for k in state[rows[1:], trajectory]]
    # As pixels inside the vector figure: thousands of segments would make a heavy page.
    return LineCollection(segments, colors=colours, linewidths=1.0, rasterized=True)


def _mark_hops(axes: Axes, run: Run, values: np.ndarray, state: np.ndarray, moved: np.ndarray) -> None:
    frame, trajectory = np.nonzero(moved)
    down = state[frame + 1, trajectory] < state[frame, trajectory]
    steps = (frame + 1) * int(run.attributes["write_every"])
    for chosen, marker in ((down, "o"), (~down, "^")):
        points = axes.scatter(
            run.time_fs[frame + 1][chosen],
            values[frame + 1, trajectory][chosen],
            s=13,
            marker=marker,
            facecolor="none",
            edgecolor=INK,
            linewidth=0.8,
            zorder=3,
        )
        lead_to_moments(points, trajectory[chosen], steps[chosen])
