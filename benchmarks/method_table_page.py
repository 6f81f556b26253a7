"""The tables and figures of method_table.py: docs/methods/comparison.md between its marks, docs/images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nadyn.analysis.plots_style import COLOURS, INK, new_figure

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "methods" / "comparison.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

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


def deviation(exact: Mapping, found: Mapping) -> tuple[float, float]:
    """Return the share of the population in the wrong place, mean over time, and its standard error."""
    if "branching" in exact:
        outcomes = exact["branching"]
        apart = [abs(found["branching"].get(name, 0.0) - value) for name, value in outcomes.items()]
        return 0.5 * sum(apart), 0.5 * sum(found["error"].values())
    populations = np.array(found["populations"])
    reference = on_times(exact, found["time_fs"])
    apart = 0.5 * np.abs(populations - reference).sum(1)
    return float(apart[1:].mean()), float(0.5 * np.array(found["error"])[1:].sum(1).mean())


def on_times(exact: Mapping, times: list[float]) -> np.ndarray:
    """Return exact populations at other times."""
    values = np.array(exact["populations"])
    return np.stack([np.interp(times, exact["time_fs"], column) for column in values.T], axis=1)


def outcome(numbers: Mapping[str, float] | list[float]) -> str:
    """Return the last populations, or the fractions, in one cell."""
    values = numbers.values() if isinstance(numbers, Mapping) else numbers
    return ", ".join(f"{value:.3f}" for value in values)


def table_of(case, methods: list[str], exact: Mapping, rows: Mapping) -> list[str]:
    """Return the table of one model."""
    scattered = "branching" in exact
    names = list(exact["branching"]) if scattered else case.labels or range(len(exact["populations"][0]))
    where = (
        "fractions " + ", ".join(names)
        if scattered
        else (f"{case.quantity} populations {', '.join(map(str, names))} after {exact['time_fs'][-1]:.0f} fs")
    )
    last = exact["branching"] if scattered else exact["populations"][-1]
    lines = [
        f"### {case.title}",
        "",
        f"{case.n} trajectories, steps of {case.dt_fs:g} fs; {where}.",
        "",
        "| method | populations | deviation | error | cost (µs) | stopped |",
        "|---|---|---|---|---|---|",
        f"| **exact** | {outcome(last)} | | | | |",
    ]
    for method in methods:
        found = rows.get(method)
        if found is None:
            continue
        if "refused" in found:
            lines.append(f"| {method} | does not apply | | | | |")
            continue
        away, error = deviation(exact, found)
        ended = found["branching"] if scattered else found["populations"][-1]
        stopped = ", ".join(f"{n} {reason}" for reason, n in found["stopped"].items())
        lines.append(
            f"| {method} | {outcome(ended)} | {away:.3f} | {error:.3f} | "
            f"{found['microseconds_a_step']:.1f} | {stopped} |"
        )
    return [*lines, ""]


def overview(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping) -> np.ndarray:
    """Return deviations, models first; NaN where there is none."""
    values = np.full((len(cases), len(methods)), np.nan)
    for i, name in enumerate(cases):
        for j, method in enumerate(methods):
            found = table.get(name, {}).get(method)
            if found is not None and "refused" not in found:
                values[i, j] = deviation(exact[name], found)[0]
    return values


def write_page(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping) -> None:
    """Write what is there between the marks of the page, and the figures."""
    cases = {name: case for name, case in cases.items() if table.get(name) and name in exact}
    values = overview(cases, methods, exact, table)
    lines = [f"| model | {' | '.join(methods)} |", f"|---|{'---|' * len(methods)}"]
    for (name, case), row in zip(cases.items(), values, strict=True):
        cells = ["" if np.isnan(value) else f"{value:.3f}" for value in row]
        if len(exact[name].get("populations", [[0, 0]])[0]) == 2:
            cells[methods.index("gfsh, edc")] = "="
        lines.append(f"| {case.title} | {' | '.join(cells)} |")
    lines.append("")
    for name, case in cases.items():
        lines += table_of(case, methods, exact[name], table[name])
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(head + "\n\n" + "\n".join(lines) + "\n" + tail, encoding="utf-8")
    draw_pyrazine(exact, table, DOCS / "images" / "pyrazine_methods.png")
    draw_map(cases, methods, values, DOCS / "images" / "methods_deviation.png")
    draw_panels(cases, exact, table, DOCS / "images" / "methods_differ.png")


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


def draw_map(cases: Mapping, methods: list[str], values: np.ndarray, path: Path) -> None:
    """Draw the deviations of all methods on all models."""
    figure, axes = new_figure(0.6 + 0.33 * len(cases) + 1.4)
    axes.grid(visible=False)
    axes.imshow(np.ma.masked_invalid(values), cmap="YlOrRd", vmin=0.0, vmax=0.3, aspect="auto")
    for i in range(len(cases)):
        if np.isnan(values[i, methods.index("gfsh, edc")]) and not np.isnan(values[i]).all():
            axes.text(methods.index("gfsh, edc"), i, "=", ha="center", va="center", fontsize=8, color=INK)
    for i, j in np.argwhere(~np.isnan(values)):
        dark = values[i, j] > 0.2
        colour = "white" if dark else INK
        axes.text(j, i, f"{100 * values[i, j]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(methods)), methods, rotation=50, ha="right", fontsize=8)
    axes.set_yticks(range(len(cases)), [case.title for case in cases.values()], fontsize=8)
    axes.set_title("population in the wrong place (%), mean over time", fontsize=9, color=INK)
    figure.savefig(path, dpi=150, facecolor="white")


def draw_panels(cases: Mapping, exact: Mapping, table: Mapping, path: Path) -> None:
    """Draw one population of models on which methods differ."""
    wanted = (("conical_intersection", 0), ("spin_boson", 0), ("sulfur_dioxide_1", 1))
    panels = [(name, state) for name, state in wanted if name in cases]
    figure, axes = new_figure(3.4, columns=len(panels), widths=(1.0,) * len(panels))
    for panel, (name, state) in zip(np.atleast_1d(axes), panels, strict=True):
        values = np.array(exact[name]["populations"])[:, state]
        panel.plot(exact[name]["time_fs"], values, color=INK, linewidth=1.8, label="exact")
        for method, label, colour, style in SHOWN:
            found = table[name].get(method)
            if found is not None and "refused" not in found:
                values = np.array(found["populations"])[:, state]
                panel.plot(found["time_fs"], values, style, color=colour, linewidth=1.1, label=label)
        label = cases[name].labels[state] if cases[name].labels else f"state {state}"
        panel.set_title(f"{cases[name].title.split(',')[0]}: {label}", fontsize=8, color=INK)
        panel.set_xlabel("time (fs)")
        panel.set_xlim(0, exact[name]["time_fs"][-1])
        panel.set_ylim(-0.05, 1.05)
        panel.tick_params(labelsize=7)
    np.atleast_1d(axes)[0].set_ylabel("population (diabatic)")
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    more, more_labels = np.atleast_1d(axes)[-1].get_legend_handles_labels()
    known = dict(zip(labels + more_labels, handles + more, strict=True))
    figure.legend(
        known.values(), known.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=8
    )
    figure.savefig(path, dpi=150, facecolor="white")
