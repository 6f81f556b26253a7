"""The figure of `ammonia_photodissociation.py`."""

from pathlib import Path

import numpy as np
from ammonia_fates import FATES, Outcome, fate_fraction, product_ratio

from nadyn.analysis.intervals import wilson
from nadyn.analysis.plots_style import COLOURS, INK, new_figure, time_axis

_NAMES = {
    "A": "NH$_2$(A)\n+ H",
    "X": "NH$_2$(X)\n+ H",
    "I": "hot\nNH$_3$",
    "E": "still\nexcited",
    "S": "stopped",
}


def draw(outcomes: dict[str, Outcome], path: Path) -> None:
    """Draw populations, fates and product ratios; bands and bars are 95 % intervals."""
    figure, (left, middle, right) = new_figure(3.2, columns=3, widths=(1.3, 1.9, 0.6))
    colours = (INK, *COLOURS)
    for number, (label, one) in enumerate(outcomes.items()):
        colour = colours[number]
        low, high = np.array([wilson(p, n) for p, n in zip(one.excited, one.n_known, strict=True)]).T
        left.plot(one.time_fs, one.excited, color=colour, label=label, linewidth=1.6)
        left.fill_between(one.time_fs, low, high, color=colour, alpha=0.18, linewidth=0)
        offset = 0.2 * (number - 0.5 * (len(outcomes) - 1))
        style = {"fmt": "o", "capsize": 3, "markersize": 4, "color": colour}
        fates = [fate_fraction(one, letter) for letter in FATES]
        middle.errorbar(np.arange(len(FATES)) + offset, [f.value for f in fates], _bars(fates), **style)
        ratio = product_ratio(one)
        right.errorbar([number], [ratio.value], _bars([ratio]), **style)
    left.set_ylabel("population of S1")
    left.set_ylim(0, 1)
    left.legend(frameon=False, fontsize=9, loc="lower left")
    time_axis(left, next(iter(outcomes.values())).time_fs)
    middle.set_ylabel("fraction of trajectories")
    middle.set_ylim(bottom=0)
    middle.set_xticks(range(len(FATES)), [_NAMES[letter] for letter in FATES], fontsize=8)
    right.set_ylabel("excited / ground-state NH$_2$")
    right.set_xticks([])
    right.set_xlim(-0.5, len(outcomes) - 0.5)
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=160, facecolor="white")


def _bars(estimates: list) -> np.ndarray:
    return np.array([[e.value - e.low for e in estimates], [e.high - e.value for e in estimates]])
