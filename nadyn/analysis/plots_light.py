"""Figures of what light would see of a run."""

import numpy as np
from jaxtyping import Float
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure

from nadyn.analysis.light import Transient
from nadyn.analysis.plots_style import COLOURS, INK, QUIET, legend_above, new_figure, time_axis

# Blue for less, red for more, nothing where nothing changed: readable on light and on dark paper. The root
# lets weak bands be seen beside strong ones; the bar above the map says how strong they are.
_STEPS = np.linspace(-1.0, 1.0, 129)
_LESS_AND_MORE = ListedColormap(
    [to_rgba(COLOURS[0] if step < 0 else COLOURS[1], float(np.sqrt(abs(step)))) for step in _STEPS]
)
_CUTS = 3


def transient_figure(found: Transient) -> Figure:
    """Return the signal over time and photon energy, and cuts through it: first, middle and last time."""
    figure, (axes, side) = new_figure(3.9, columns=2, widths=(1.5, 1.0))
    total = found.total
    reach = float(np.nanmax(np.abs(total), initial=0.0)) or 1.0
    drawn = axes.pcolormesh(
        found.time_fs,
        found.energies_ev,
        np.nan_to_num(total).T,
        cmap=_LESS_AND_MORE,
        vmin=-reach,
        vmax=reach,
        shading="nearest",
        rasterized=True,
    )
    axes.set(xlabel="time (fs)", ylabel="photon energy (eV)")
    axes.grid(visible=False)
    bar = figure.colorbar(drawn, ax=axes, location="top", shrink=0.9, aspect=40)
    bar.set_label("difference of the cross section (Å²)", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)
    some = np.flatnonzero(np.isfinite(total).all(axis=1))
    for number, place in enumerate(
        np.linspace(0, len(some) - 1, _CUTS).round().astype(int) if len(some) else ()
    ):
        row = some[place]
        line = {"color": COLOURS[number], "linewidth": 1.6, "label": f"{found.time_fs[row]:.4g} fs"}
        side.plot(total[row], found.energies_ev, **line)
        if np.isfinite(found.error[row]).all():
            low, high = total[row] - found.error[row], total[row] + found.error[row]
            side.fill_betweenx(found.energies_ev, low, high, color=COLOURS[number], alpha=0.18, linewidth=0)
    side.axvline(0.0, color=QUIET, linewidth=0.9)
    side.set_ylim(axes.get_ylim())
    side.set_xlabel("difference (Å²)")
    legend_above(side)
    return figure


def dipole_figure(
    time_fs: Float[np.ndarray, "frame"], columns: dict[str, Float[np.ndarray, "frame"]], *, emits: bool
) -> Figure:
    """Return the dipole of the occupied state, and the rate of emission where there is a state to "
    "emit from."""
    names = [("dipole_debye", "dipole_error", "dipole (debye)")]
    names += [("emission_per_ns", "emission_error", "emission (1/ns)")] * emits
    figure, both = new_figure(3.0, columns=len(names), widths=(1.0,) * len(names))
    for axes, (name, error, label), colour in zip(np.atleast_1d(both), names, COLOURS, strict=False):
        values, half = columns[name], columns[error]
        axes.fill_between(time_fs, values - half, values + half, color=colour, alpha=0.18, linewidth=0)
        axes.plot(time_fs, values, color=colour, linewidth=1.8)
        time_axis(axes, time_fs)
        axes.set_ylim(bottom=0.0)
        axes.set_ylabel(label)
    return figure
