"""The figures of method_table.py, in docs/images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from method_table_page import UNSTABLE, marks, on_times, overview

from nadyn.analysis.plots_style import COLOURS, INK, new_figure

IMAGES = Path(__file__).parents[1] / "docs" / "images"

# Lines of the figures: method, name, colour, style.
SHOWN = (
    ("fssh, no decoherence", "FSSH", COLOURS[0], ":"),
    ("fssh, edc", "FSSH, EDC", COLOURS[0], "-"),
    ("mash", "MASH", COLOURS[1], "-"),
    ("multistate_mash", "multistate MASH", COLOURS[1], ":"),
    ("ehrenfest", "Ehrenfest", COLOURS[2], "-"),
    ("csdm", "CSDM", COLOURS[3], "-"),
    ("spin_lsc", "spin-LSC", COLOURS[5], "-"),
)
PYRAZINE = ("fssh, no decoherence", "fssh, edc", "mash", "ehrenfest", "csdm")


def draw_pyrazine(exact: Mapping, table: Mapping, path: Path) -> None:
    """Draw the S2 population beside MCTDH, and the differences."""
    figure, (left, right) = new_figure(3.6, columns=2, widths=(1.0, 1.0))
    left.plot(exact["pyrazine"]["time_fs"], np.array(exact["pyrazine"]["populations"])[:, 1], color=INK)
    left.lines[0].set_label("MCTDH")
    for method, label, colour, style in SHOWN:
        found = table["pyrazine"].get(method)
        if method not in PYRAZINE or found is None:
            continue
        upper, error = np.array(found["populations"])[:, 1], np.array(found["error"])[:, 1]
        apart = upper - on_times(exact["pyrazine"], found["time_fs"])[:, 1]
        left.plot(found["time_fs"], upper, style, color=colour, label=label, linewidth=1.3)
        right.plot(found["time_fs"], apart, style, color=colour, linewidth=1.3)
        right.fill_between(found["time_fs"], apart - error, apart + error, color=colour, alpha=0.15, lw=0)
    right.axhline(0.0, color=INK, linewidth=0.8)
    left.set_ylim(0, 1.06)
    left.set_ylabel("S2 population (diabatic)")
    right.set_ylabel("difference to MCTDH")
    for axes in (left, right):
        axes.set_xlim(0, 120)
        axes.set_xlabel("time (fs)")
    left.legend(frameon=False, fontsize=8, loc="upper right")
    figure.savefig(path, dpi=150, facecolor="white")


def draw_map(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping, path: Path) -> None:
    """Draw the deviations of all methods on all models."""
    values = overview(cases, methods, exact, table)
    figure, axes = new_figure(0.6 + 0.33 * len(cases) + 1.4)
    axes.grid(visible=False)
    axes.imshow(np.ma.masked_invalid(values), cmap="YlOrRd", vmin=0.0, vmax=0.3, aspect="auto")
    for i, row in enumerate(marks(cases, methods, exact, table)):
        for j, mark in enumerate(row):
            text = mark if np.isnan(values[i, j]) else f"{100 * values[i, j]:.0f}"
            stopped = table[list(cases)[i]].get(methods[j], {}).get("stopped")
            text += UNSTABLE if stopped else ""
            colour = "white" if values[i, j] > 0.2 else INK
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(methods)), methods, rotation=50, ha="right", fontsize=8)
    axes.set_yticks(range(len(cases)), [case.title for case in cases.values()], fontsize=8)
    axes.set_title("population in the wrong place (%), mean over time", fontsize=9, color=INK)
    figure.savefig(path, dpi=150, facecolor="white")


def draw_panels(
    panels: tuple[tuple[str, int], ...], cases: Mapping, exact: Mapping, table: Mapping, path: Path
) -> None:
    """Draw one population each of some models."""
    figure, axes = new_figure(3.4, columns=len(panels), widths=(1.0,) * len(panels))
    lines = {}
    for panel, (name, state) in zip(axes, panels, strict=True):
        values = np.array(exact[name]["populations"])[:, state]
        lines["exact"] = panel.plot(exact[name]["time_fs"], values, color=INK, linewidth=1.8)[0]
        for method, label, colour, style in SHOWN:
            found = table[name].get(method)
            if found is not None and "refused" not in found:
                values = np.array(found["populations"])[:, state]
                lines[label] = panel.plot(found["time_fs"], values, style, color=colour, linewidth=1.1)[0]
        label = cases[name].labels[state] if cases[name].labels else f"state {state}"
        panel.set_title(f"{cases[name].title.replace(', 3 singlets', '')}: {label}", fontsize=8, color=INK)
        panel.set_xlabel("time (fs)")
        panel.set_xlim(0, exact[name]["time_fs"][-1])
        panel.set_ylim(-0.05, 1.05)
        panel.tick_params(labelsize=7)
    axes[0].set_ylabel("population")
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=8
    )
    figure.savefig(path, dpi=150, facecolor="white")


def draw_branching(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping, path: Path) -> None:
    """Draw, for each scattering case, the fractions of each outcome by method as stacked bars."""
    wanted = {name: case for name, case in cases.items() if "branching" in exact[name]}
    figure, axes = new_figure(3.9, columns=len(wanted), widths=(1.0,) * len(wanted))
    for panel, (name, case) in zip(axes, wanted.items(), strict=True):
        rows = ["exact"] + [method for method in methods if "branching" in table[name].get(method, {})]
        found = [exact[name] if row == "exact" else table[name][row] for row in rows]
        left = np.zeros(len(rows))
        for outcome, colour in zip(("T0", "T1", "R0", "R1"), COLOURS, strict=False):
            # Estimates that are a little negative would turn a bar around.
            share = np.clip([one["branching"].get(outcome, 0.0) for one in found], 0.0, None)
            panel.barh(range(len(rows)), share, left=left, color=colour, label=outcome, height=0.75)
            left += share
        panel.set_title(case.title, fontsize=8, color=INK)
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xlim(0, 1.0)
        panel.set_xticks((0, 0.5, 1), ("0", "½", "1"))
        panel.tick_params(labelsize=7)
        panel.set_yticks(range(len(rows)), rows if panel is axes[0] else [""] * len(rows), fontsize=7)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=150, facecolor="white")


def draw_all(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping) -> None:
    """Draw every figure of the page; needs all models."""
    draw_pyrazine(exact, table, IMAGES / "pyrazine_methods.png")
    draw_map(cases, methods, exact, table, IMAGES / "methods_deviation.png")
    draw_branching(cases, methods, exact, table, IMAGES / "comparison_scattering.png")
    panels = (("conical_intersection", 0), ("spin_boson", 0), ("sulfur_dioxide_1", 1))
    draw_panels(panels, cases, exact, table, IMAGES / "methods_differ.png")
    panels = (("morse_2", 2), ("sulfur_dioxide_2", 1), ("shin_metiu", 1))
    draw_panels(panels, cases, exact, table, IMAGES / "comparison_populations.png")
