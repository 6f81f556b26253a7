"""The figure of energy_conservation.py: slopes on S0, order on S1, energy steps through the cone."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nadyn.analysis.plots_style import COLOURS, INK, new_figure

# Edges of the histogram of energy steps [meV], three bins a decade.
EDGES = np.logspace(-6, 3, 28)


def slopes_panel(axes: Axes, found: dict) -> None:
    """Draw which fraction of trajectories has a smaller slope."""
    goals = found["goals_ev_per_ps"]
    for name, key, colour in (
        ("total energy", "slopes_ev_per_ps", COLOURS[0]),
        ("modified energy", "modified_slopes_ev_per_ps", COLOURS[2]),
    ):
        values = np.sort(np.abs(found[key]))
        axes.plot(
            values,
            (np.arange(len(values)) + 1) / len(values),
            drawstyle="steps-post",
            color=colour,
            label=name,
        )
    for goal, height, text in (
        (goals["median"], 0.5, "goal,\nmedian"),
        (goals["worst"], 1.0, "goal,\nworst"),
    ):
        axes.plot([goal], [height], "v", color=INK, markersize=6, clip_on=False)
        axes.annotate(
            text, (goal, height), (6, -4), textcoords="offset points", fontsize=8, color=INK, va="top"
        )
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("|slope of the energy| (eV/ps)")
    axes.set_ylabel("fraction of trajectories below")
    axes.set_title(f"S0, {found['time_fs']:g} fs at {found['dt_fs']} fs", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def order_panel(axes: Axes, found: dict) -> None:
    """Draw the error against the time step."""
    each = {float(dt): 1e3 * np.array(values) for dt, values in found["rms_of_each_ev"].items()}
    if found["n_kept"]:
        steps = np.array(sorted(each))
        axes.plot(steps, np.array([each[dt] for dt in steps]), color=COLOURS[4], linewidth=0.5, alpha=0.5)
        rms = np.array([1e3 * found["rms_ev"][str(dt)] for dt in steps])
        axes.plot(steps, rms, "o-", color=COLOURS[0])
        axes.plot(steps, rms[-1] * (steps / steps[-1]) ** 2, "--", color=INK, linewidth=1)
        handles = [
            Line2D([], [], color=COLOURS[4], linewidth=0.8, label=f"each of {found['n_kept']}"),
            Line2D([], [], color=COLOURS[0], marker="o", label="all"),
            Line2D([], [], color=INK, linestyle="--", linewidth=1, label="dt squared"),
        ]
        axes.legend(handles=handles, frameon=False, fontsize=8, loc="upper left")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(steps, [f"{dt:g}" for dt in steps])
        axes.minorticks_off()
    axes.set_xlabel("time step (fs)")
    axes.set_ylabel("rms energy error (meV)")
    axes.set_title(f"S1, gap over {found['gap_over_ev']} eV, {found['time_fs']:g} fs", fontsize=10, color=INK)


def cone_panel(axes: Axes, found: dict) -> None:
    """Draw how often energy steps of each size occur."""
    for colour, row in zip(COLOURS, found["steps"].values(), strict=False):
        for name, line in (("near", "-"), ("elsewhere", ":")):
            if name in row:
                counts = np.array(row[name]["sizes_mev"])
                axes.stairs(counts / counts.sum(), EDGES, color=colour, linestyle=line, linewidth=1.4)
    handles = [
        Line2D([], [], color=colour, label=f"dt = {dt} fs")
        for colour, dt in zip(COLOURS, found["steps"], strict=False)
    ]
    handles += [
        Line2D([], [], color=INK, label=f"gap < {found['near_gap_ev']} eV"),
        Line2D([], [], color=INK, linestyle=":", label="elsewhere"),
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="upper left")
    axes.set_xscale("log")
    axes.set_xlim(1e-5, 1e3)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("change of the total energy in one step (meV)")
    axes.set_ylabel("fraction of steps in a bin (3 a decade)")
    axes.set_title("surface hopping through the cone", fontsize=10, color=INK)


PANELS = {"drift": slopes_panel, "order": order_panel, "cone": cone_panel}


def draw(result: dict[str, dict], path: Path) -> None:
    """Draw three panels; those that were not measured stay empty."""
    figure, axes = new_figure(3.3, columns=3, widths=(1.0, 0.9, 1.3))
    figure.set_size_inches(11.5, 3.7)
    for one, (part, panel) in zip(axes, PANELS.items(), strict=True):
        if found := result.get(part):
            panel(one, found)
        else:
            one.set_axis_off()
    figure.savefig(path, dpi=160, facecolor="white")
