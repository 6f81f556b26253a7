"""A picture of the front of energy against force."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nadyn.training.figures import save_figure
from nadyn.training.pareto import Point

_DECADE = 10.0


def front_figure(points: tuple[Point, ...], path: Path) -> None:
    """Draw errors of energies against those of forces, the front as a line, the weights beside the points."""
    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axis = figure.subplots()
    front = sorted(
        ((p.force_mae_ev_per_angstrom, p.energy_mae_ev) for p in points if p.on_front), key=lambda one: one[0]
    )
    axis.plot(*zip(*front, strict=True), color="#0072B2", zorder=1)
    for point in points:
        place = point.force_mae_ev_per_angstrom, point.energy_mae_ev
        filled = "#0072B2" if point.on_front else "white"
        axis.scatter(*place, s=36, facecolor=filled, edgecolor="#0072B2", zorder=2)
        axis.annotate(
            f"{point.force_weight:.3g}", place, xytext=(6, 6), textcoords="offset points", fontsize=8
        )
    axis.set(
        xlabel="force MAE of held-out frames (eV/Å)",
        ylabel="energy MAE of held-out frames (eV)",
        title="numbers: weight of forces; filled: no model is better in both",
    )
    axis.title.set_fontsize(9)
    # Room for the numbers beside the points.
    axis.margins(0.12)
    for errors, scale, numbers in (
        ([p.force_mae_ev_per_angstrom for p in points], axis.set_xscale, axis.xaxis),
        ([p.energy_mae_ev for p in points], axis.set_yscale, axis.yaxis),
    ):
        # A logarithm within less than a decade has labels that stand on each other.
        if min(errors) > 0 and max(errors) >= _DECADE * min(errors):
            scale("log")
        else:
            numbers.set_major_locator(MaxNLocator(5))
    axis.grid(True, which="both", alpha=0.25)
    save_figure(figure, path)
