"""Pictures of crossings: the cone in its branching plane, and what is found on a loop around its tip."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nadyn.analysis.plots_style import QUIET, legend_above, new_figure, state_colour

# How far from the tip the cone is drawn [angstrom].
_REACH = 0.1


def crossing_figure(record: dict[str, object], number: int) -> Figure:
    """Return the cone of one crossing along its two branching vectors, and both energies around its tip.

    Args:
        record: What `nadyn intersect` writes as JSON.
        number: Which crossing.
    """
    one = record["crossings"][number]
    cone, around = one["cone"], one["loop"]
    figure, axes = new_figure(3.4, columns=3, widths=(1.0, 1.0, 1.2))
    names = record["names"]
    for place, axis, name in zip(axes, (0, 1), ("x, the steeper vector (Å)", "y (Å)"), strict=False):
        _cut(place, cone, axis, names)
        place.set_xlabel(name)
    axes[0].set_ylabel("energy from the tip (eV)")
    legend_above(axes[0])
    if around is not None:
        _loop(axes[2], cone, around, names)
    else:
        axes[2].set_visible(False)
    return figure


def _cut(axes: Axes, cone: dict[str, object], axis: int, names: list[str]) -> None:
    at = np.linspace(-_REACH, _REACH, 81)
    mean = cone["slope_ev_per_angstrom"][axis] * at
    half = cone["lengths_ev_per_angstrom"][axis] * np.abs(at)
    for k, (sign, name) in enumerate(zip((-1, 1), names, strict=True)):
        axes.plot(at, mean + sign * half, color=state_colour(k), linewidth=1.8, label=name)
    axes.set_xlim(-_REACH, _REACH)
    axes.set_xticks([-_REACH, 0.0, _REACH])


def _loop(axes: Axes, cone: dict[str, object], around: dict[str, object], names: list[str]) -> None:
    """Energies that were computed around the tip as points, those of the cone as lines."""
    angles = np.array(around["angles_degrees"])
    x, y = np.array(around["x_angstrom"]), np.array(around["y_angstrom"])
    order = np.argsort(angles)
    (gx, gy), (sx, sy) = cone["lengths_ev_per_angstrom"], cone["slope_ev_per_angstrom"]
    mean, half = sx * x + sy * y, np.hypot(gx * x, gy * y)
    computed = np.array(around["energies_ev"])
    for k, sign in enumerate((-1, 1)):
        axes.plot(
            angles[order],
            (mean + sign * half)[order],
            color=state_colour(k),
            linewidth=1.1,
            linestyle=(0, (4, 2)),
        )
        axes.plot(angles, computed[:, k], "o", color=state_colour(k), markersize=3.5, label=names[k])
    sign = {1: "sign kept", -1: "sign changed", None: "sign not known"}[around["sign"]]
    axes.set_title(f"around the tip: {sign}", fontsize=9, color=QUIET)
    axes.set_xlabel("angle (degrees)")
