"""Figure of populations by multiplicity."""

import numpy as np
from matplotlib.figure import Figure

from nadyn.analysis.multiplicities import MultiplicityPopulations, multiplicity_name
from nadyn.analysis.plots_style import legend_above, new_figure, state_colour, time_axis
from nadyn.trajectory import Run


def multiplicities_figure(run: Run, found: MultiplicityPopulations) -> Figure:
    """Return the populations by multiplicity with bands of 1.96 standard errors."""
    figure, axes = new_figure(3.3)
    for place, multiplicity in enumerate(found.multiplicities):
        mean, half = found.mean[:, place], 1.96 * found.error[:, place]
        colour = state_colour(place)
        axes.fill_between(run.time_fs, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
        axes.plot(run.time_fs, mean, color=colour, linewidth=2, label=multiplicity_name(multiplicity))
    time_axis(axes, run.time_fs)
    # The estimates need not stay between 0 and 1.
    seen = found.mean[np.isfinite(found.mean)]
    axes.set_ylim(min(0.0, seen.min(initial=0.0)) - 0.02, max(1.0, seen.max(initial=1.0)) + 0.02)
    axes.set_ylabel("population")
    legend_above(axes)
    return figure
