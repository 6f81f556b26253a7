"""The figure of a kinetic scheme: populations as points, the fit as lines."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nadyn.analysis.plots_style import QUIET, legend_above, new_figure, state_colour, time_axis
from nadyn.analysis.scheme_fits import SchemeFit

_STYLES = ("-", "--", "-.", ":")


def scheme_figure(fit: SchemeFit) -> Figure:
    """Return the populations of each species with the curves of a scheme; products of a state share its
    colour and differ in their lines."""
    figure, axes = new_figure(3.3)
    seen: dict[int, int] = {}
    for number, name in enumerate(fit.scheme.species):
        state = int(name.split()[0])
        style = _STYLES[seen.get(state, 0) % len(_STYLES)]
        seen[state] = seen.get(state, 0) + 1
        colour = state_colour(state)
        axes.plot(
            fit.time_fs, fit.populations[:, number], linestyle="", marker=".", markersize=5, color=colour
        )
        label = name if " " in name else f"state {name}"
        axes.plot(
            fit.time_fs, fit.curves[:, number], color=colour, linewidth=1.8, linestyle=style, label=label
        )
    time_axis(axes, fit.time_fs)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("population")
    legend_above(axes, [Line2D([], [], color=QUIET, linestyle="", marker=".", label="trajectories")])
    return figure
