"""The numbers of the figures of a report as tables, for those who take them away."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from nadyn.analysis.energies import energy_conservation
from nadyn.analysis.geometry import Quantity, measure
from nadyn.analysis.hops import hop_statistics
from nadyn.analysis.scheme_fits import SchemeFit
from nadyn.trajectory import Run

Table = Mapping[str, Sequence[object]]


def population_table(numbers: dict[str, object]) -> Table:
    """Return populations with their 95 % intervals, with the stopped ones held, and mean |c|^2, over time.

    Args:
        numbers: Of `analyse`.
    """
    table: dict[str, Sequence[object]] = {"time_fs": numbers["time_fs"]}
    for k in range(len(numbers["populations"][0])):
        table[f"population_{k}"] = [row[k] for row in numbers["populations"]]
        for name in ("low", "high", "held", "electronic"):
            table[f"{name}_{k}"] = [row[k] for row in numbers[f"populations_{name}"]]
    return table


def geometry_table(run: Run, quantity: Quantity, drawn: Int[np.ndarray, "drawn"]) -> Table:
    """Return a coordinate of the trajectories that are drawn, empty after the last valid frame of each."""
    values = np.where(run.alive(), measure(run, quantity), np.nan)
    name = f"{quantity.kind}_{quantity.unit}"
    columns = {f"{name}_trajectory_{t}": values[:, t].tolist() for t in drawn.tolist()}
    return {"time_fs": run.time_fs.tolist()} | columns


def hop_table(run: Run) -> Table:
    """Return hops, refused ones included: when, of which trajectory, between which states, how far apart."""
    hops = hop_statistics(run)
    return {
        "time_fs": hops.time_fs.tolist(),
        "step": run.hops["step"].tolist(),
        "trajectory": run.hops["traj"].tolist(),
        "from_state": run.hops["from_state"].tolist(),
        "to_state": run.hops["to_state"].tolist(),
        "accepted": hops.is_accepted.astype(int).tolist(),
        "gap_ev": hops.gap_ev.tolist(),
    }


def energy_table(run: Run) -> Table:
    """Return the largest and the root mean square error of the conserved energy over time [meV]."""
    error = 1e3 * np.abs(energy_conservation(run).error_ev)
    there = np.isfinite(error)
    size = np.where(there, error, 0.0)
    number = there.sum(axis=1)
    return {
        "time_fs": run.time_fs.tolist(),
        "largest_error_mev": size.max(axis=1).tolist(),
        "root_mean_square_error_mev": np.sqrt((size**2).sum(axis=1) / np.maximum(number, 1)).tolist(),
        "trajectories": number.tolist(),
    }


def scheme_table(fit: SchemeFit) -> Table:
    """Return populations of species over time beside those of a kinetic scheme."""
    columns: dict[str, Sequence[object]] = {"time_fs": fit.time_fs.tolist()}
    for number, name in enumerate(fit.scheme.species):
        columns[name] = fit.populations[:, number].tolist()
        columns[f"{name}, fit"] = fit.curves[:, number].tolist()
    return columns
