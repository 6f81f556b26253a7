"""Figure of hops."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nadyn.analysis.fates import shown_times
from nadyn.analysis.hops import hop_statistics
from nadyn.analysis.moments import lead_to_moments
from nadyn.analysis.plots_style import COLOURS, QUIET, legend_above, new_figure, time_axis
from nadyn.trajectory import Run


def hops_figure(run: Run) -> Figure:
    """Return when hops happened and how far apart the two states were; refused ones as crosses.

    Points of gaps lead to their hops, see `nadyn.analysis.moments`.
    A change of the pointer state costs no energy: of those only the times are drawn.
    """
    hops = hop_statistics(run)
    has_gaps = run.moves_on == "active state"
    figure, panels = new_figure(3.1, columns=2, widths=(1.0, 1.25)) if has_gaps else new_figure(2.7)
    axes = panels[0] if has_gaps else panels
    kinds = (
        ("down", hops.is_accepted & hops.is_downward, COLOURS[0], "v"),
        ("up", hops.is_accepted & ~hops.is_downward, COLOURS[1], "^"),
        ("refused", ~hops.is_accepted, QUIET, "x"),
    )
    end = float(shown_times(run)[-1])
    present = [kind for kind in kinds if kind[1].any()]
    axes.hist(
        [hops.time_fs[chosen] for _, chosen, _, _ in present],
        bins=np.linspace(0, max(end, 1e-9), 25),
        color=[colour for _, _, colour, _ in present],
        stacked=True,
    )
    time_axis(axes, shown_times(run))
    axes.set_ylabel("hops" if has_gaps else "changes")
    if not has_gaps:
        legend_above(axes, [Line2D([], [], color=c, linewidth=4, label=name) for name, _, c, _ in present])
        return figure
    side = panels[1]
    for name, chosen, colour, marker in present:
        points = side.scatter(
            hops.time_fs[chosen],
            hops.gap_ev[chosen],
            s=18,
            color=colour,
            marker=marker,
            alpha=0.75,
            linewidth=0.9,
            label=name,
        )
        lead_to_moments(points, run.hops["traj"][chosen], run.hops["step"][chosen])
    time_axis(side, shown_times(run))
    side.set_ylabel("gap at the hop (eV)")
    side.set_ylim(bottom=0)
    legend_above(side)
    return figure
