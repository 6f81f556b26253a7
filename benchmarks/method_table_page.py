"""The tables of method_table.py: docs/methods/comparison_tables.md between its marks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "methods" / "comparison_tables.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
BASELINE = "fssh, edc"
UNSTABLE = "†"

# Why a method does not apply: a letter, words in its message, and a line below the table.
REASONS = (
    ("a", "model of two states", "two states only"),
    ("b", "rows of W", "as many diabatic as adiabatic states only"),
    ("c", "spin", "spin-free states only"),
)


def reason(found: Mapping) -> tuple[str, str]:
    """Return letter and words for why a method does not apply."""
    return next((letter, words) for letter, text, words in REASONS if text in found["refused"])


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
        f"## {case.title}",
        "",
        f"{case.n} trajectories, steps of {case.dt_fs:.3g} fs; {where}.",
        "",
        "| method | populations | deviation | error | cost (µs) | notes |",
        "|---|---|---|---|---|---|",
        f"| **exact** | {outcome(last)} | | | | |",
    ]
    for method in methods:
        found = rows.get(method)
        if found is None:
            continue
        if "refused" in found:
            lines.append(f"| {method} | {reason(found)[1]} | | | | |")
            continue
        away, error = deviation(exact, found)
        ended = found["branching"] if scattered else found["populations"][-1]
        notes = [f"{n} stopped: {why}" for why, n in found["stopped"].items()]
        if found.get("undecided"):
            notes.append(f"{found['undecided']} had not left")
        lines.append(
            f"| {method} | {outcome(ended)} | {away:.3f} | {error:.3f} | "
            f"{found['microseconds_a_step']:.1f} | {', '.join(notes)} |"
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


def marks(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping) -> list[list[str]]:
    """Return what stands in each place that has no deviation: a letter, or = for another name of a method."""
    found = [["" for _ in methods] for _ in cases]
    for i, name in enumerate(cases):
        for j, method in enumerate(methods):
            row = table[name].get(method)
            if row is not None and "refused" in row:
                found[i][j] = reason(row)[0]
            if row is None and method == "gfsh, edc" and n_states(exact[name]) == 2:
                found[i][j] = "="
    return found


def n_states(exact: Mapping) -> int:
    """Return how many populations an exact answer has."""
    return len(exact["branching"]) // 2 if "branching" in exact else len(exact["populations"][0])


def deviations(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping) -> list[str]:
    """Return the table of all deviations, in thousandths with the error in brackets."""
    lines = [f"| model | {' | '.join(methods)} |", f"|---|{'---|' * len(methods)}"]
    empty = marks(cases, methods, exact, table)
    for i, (name, case) in enumerate(cases.items()):
        cells = list(empty[i])
        for j, method in enumerate(methods):
            found = table[name].get(method)
            if found is not None and "refused" not in found:
                away, error = deviation(exact[name], found)
                cells[j] = f"{1000 * away:.0f} ({1000 * error:.0f}){UNSTABLE if found['stopped'] else ''}"
        lines.append(f"| {case.title} | {' | '.join(cells)} |")
    below = ", ".join(f"{letter}: {words}" for letter, _, words in REASONS)
    notes = f"{below}; =: the same as `{BASELINE}`; {UNSTABLE}: some trajectories ended early."
    return [*lines, "", f"In thousandths, the error in brackets. {notes}", ""]


def summary(cases: Mapping, methods: list[str], table: Mapping, values: np.ndarray) -> list[str]:
    """Return one line a method: mean and largest deviation, those of the baseline, and cost."""
    titles = [case.title for case in cases.values()]
    baseline = values[:, methods.index(BASELINE)]
    lines = [
        f"| method | models | mean deviation | mean of {BASELINE} there | largest | on | relative cost |",
        "|---|---|---|---|---|---|---|",
    ]
    for j, method in enumerate(methods):
        there = ~np.isnan(values[:, j])
        largest = int(np.nanargmax(values[:, j]))
        costs = [
            table[name][method]["microseconds_a_step"] / table[name][BASELINE]["microseconds_a_step"]
            for name, is_there in zip(cases, there, strict=True)
            if is_there
        ]
        lines.append(
            f"| {method} | {there.sum()} | {values[there, j].mean():.3f} | {baseline[there].mean():.3f} | "
            f"{values[largest, j]:.3f} | {titles[largest]} | {np.median(costs):.1f} |"
        )
    return [*lines, ""]


def write_page(cases: Mapping, methods: list[str], exact: Mapping, table: Mapping) -> None:
    """Write what is there between the marks of the page."""
    values = overview(cases, methods, exact, table)
    lines = summary(cases, methods, table, values) + deviations(cases, methods, exact, table)
    for name, case in cases.items():
        lines += table_of(case, methods, exact[name], table[name])
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    PAGE.write_text(head + "\n\n" + "\n".join(lines) + "\n" + tail, encoding="utf-8")
