"""Sections of a report on coordinates: trajectories, distributions over time and at hops, normal modes."""

from collections.abc import Sequence

import numpy as np

from nadyn.analysis import plots
from nadyn.analysis.geometry import Quantity, choose_quantities, label, measure
from nadyn.analysis.hop_clusters import hop_rows
from nadyn.analysis.mode_activity import NormalModes, activity_of
from nadyn.analysis.plots_distributions import MOST_MODES, distribution_figure, modes_figure
from nadyn.analysis.section import Section
from nadyn.analysis.section_tables import geometry_table
from nadyn.analysis.summary import QUANTILES, followed
from nadyn.checks.counts import counted
from nadyn.trajectory import Run
from nadyn.units import INVERSE_CM_PER_HARTREE


def coordinate_sections(run: Run, asked: Sequence[Quantity]) -> list[Section]:
    """Return trajectories along a coordinate; of each that was asked for, its distribution too."""
    chosen = list(asked) or choose_quantities(run)[: 1 if run.changes_states else 2]
    found = []
    for number, quantity in enumerate(chosen):
        ending = "" if number == 0 else f"_{number + 1}"
        drawn = plots.drawn_trajectories(run)
        found.append(
            Section(
                f"geometry{ending}",
                _heading(label(run, quantity)),
                _trajectory_words(run, quantity, len(drawn)),
                plots.geometry_figure(run, quantity),
                geometry_table(run, quantity, drawn),
            )
        )
        if asked:
            found.append(_distribution(run, quantity, f"distribution{ending}"))
    return found


def modes_section(run: Run, modes: NormalModes | None) -> list[Section]:
    """Return which normal modes move, over time, counted from 1; nothing without modes.

    Raises:
        InputError: They are of other atoms.
    """
    if modes is None:
        return []
    activity = activity_of(run, modes)
    most = np.argsort(-activity.total, kind="stable")[:MOST_MODES].tolist()
    names = ", ".join(
        f"{mode + 1} ({INVERSE_CM_PER_HARTREE * modes.frequencies[mode]:.0f} cm⁻¹)" for mode in most
    )
    words = (
        "Displacements of normal modes about their minimum, each geometry laid on it, in units in which the "
        f"ground state has a spread of 0.71 (dashed). Left: means of those that move most, {names}, with the "
        "standard deviation over trajectories. Right: how far each mode moves, over all trajectories and "
        "times, and what of it all trajectories do together."
    )
    table: dict[str, list[object]] = {"time_fs": activity.time_fs.tolist()}
    for mode in range(len(modes.frequencies)):
        table[f"mode_{mode + 1}_mean"] = activity.mean[:, mode].tolist()
        table[f"mode_{mode + 1}_spread"] = activity.spread[:, mode].tolist()
    figure = modes_figure(activity, modes.frequencies, most)
    return [Section("modes", "Normal modes", words, figure, table)]


def _distribution(run: Run, quantity: Quantity, name: str) -> Section:
    numbers = followed(run, quantity)
    quantiles = np.array([numbers["quantiles"][f"{q:g}"] for q in QUANTILES], dtype=float)
    values = measure(run, quantity)
    values = np.abs(values) if quantity.kind == "dihedral" else values
    alive = run.alive()
    moments = {"at the start": values[0, alive[0]]}
    if run.moves_on == "active state" and len(run.hops["step"]):
        rows, frames = hop_rows(run)
        moments["at hops"] = values[frames, run.hops["traj"][rows]]
    moments["at the end"] = values[-1, alive[-1]]
    moments = {moment: seen[np.isfinite(seen)] for moment, seen in moments.items() if len(seen)}
    said = ", ".join(
        f"{np.median(seen):.4g} {moment} ({counted(len(seen), 'value')})"
        for moment, seen in moments.items()
        if len(seen)
    )
    words = (
        "Left: what parts of the trajectories that run are below, by weight. Right: where they are at the "
        f"start, at accepted hops and at the end. Medians in {quantity.unit}: {said}."
    )
    table = {
        "time_fs": run.time_fs.tolist(),
        "mean": numbers["mean"].tolist(),
        "standard_deviation": numbers["standard_deviation"].tolist(),
        **{f"below_{100 * q:g}_percent": row.tolist() for q, row in zip(QUANTILES, quantiles, strict=True)},
    }
    figure = distribution_figure(run, quantity, quantiles, moments)
    return Section(name, f"Distribution of {label(run, quantity)}", words, figure, table)


def _trajectory_words(run: Run, quantity: Quantity, shown: int) -> str:
    words = f"{shown} of {counted(run.n_trajectories, 'trajectory')}"
    if run.moves_on != "mean of the states":
        what = "the state they move on" if run.moves_on == "active state" else "their pointer state"
        words += f", coloured by {what}; circles are hops down, triangles hops up"
    else:
        words += ", each moving on the mean of its states"
    words += ". Right: all trajectories at the end."
    if not run.changes_states:
        words = f"{shown} of {counted(run.n_trajectories, 'trajectory')}. Right: all of them at the end."
    if quantity.kind == "dihedral":
        words += " 0° is cis, 180° is trans."
    if quantity.kind == "separation":
        words += " The longest distance needed to join all atoms; it grows where a fragment leaves."
    return words


def _heading(text: str) -> str:
    return text[:1].upper() + text[1:]
