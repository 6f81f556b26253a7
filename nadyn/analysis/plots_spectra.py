"""Figures of spectra."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from nadyn.analysis.plots_style import INK, QUIET, new_figure, state_colour


def absorption_figure(
    energies_ev: Float[np.ndarray, "energy"],
    cross_section: Float[np.ndarray, "energy"],
    error: Float[np.ndarray, "energy"],
    of_transitions: Float[np.ndarray, "transition energy"],
    names: list[str],
    window_ev: tuple[float, float] | None = None,
) -> Figure:
    """Return a cross section [Å²] over the photon energy [eV] with its 95 % band, its parts, and a window."""
    figure, axes = new_figure(3.5)
    if window_ev is not None:
        axes.axvspan(*window_ev, color=state_colour(0), alpha=0.15, linewidth=0, label="excited")
    low, high = np.maximum(cross_section - error, 0.0), cross_section + error
    if np.isfinite(error).all():
        axes.fill_between(energies_ev, low, high, color=QUIET, alpha=0.35, linewidth=0, label="95 %")
    axes.plot(energies_ev, cross_section, color=INK, linewidth=2, label="all")
    for number, (name, part) in enumerate(zip(names, of_transitions, strict=True)):
        axes.plot(energies_ev, part, color=state_colour(number + 1), linewidth=1.2, label=name)
    axes.set(xlabel="photon energy (eV)", ylabel="cross section (Å²)", ylim=(0.0, None))
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def vibrational_figure(
    wavenumbers: Float[np.ndarray, "energy"],
    curve: Float[np.ndarray, "energy"],
    *,
    sticks: tuple[Float[np.ndarray, "mode"], Float[np.ndarray, "mode"]] | None,
    title: str,
    unit: str,
) -> Figure:
    """Return a vibrational spectrum over the wavenumber [cm⁻¹], its sticks scaled to the highest point."""
    figure, axes = new_figure(3.5)
    axes.plot(wavenumbers, curve, color=state_colour(0), linewidth=1.6)
    if sticks is not None and sticks[1].max() > 0:
        axes.vlines(sticks[0], 0.0, sticks[1] * curve.max() / sticks[1].max(), color=QUIET, linewidth=1.0)
    axes.set(xlabel="wavenumber (cm⁻¹)", ylabel=f"{title} ({unit})", ylim=(0.0, None))
    axes.set_xlim(wavenumbers[-1], wavenumbers[0])
    return figure
