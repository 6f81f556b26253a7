"""Errors of a model as a table for the terminal."""

from collections.abc import Sequence

from rich.table import Table

from nadyn.checks.counts import counted
from nadyn.data import state_pairs
from nadyn.training.evaluation import Comparison, constant_errors, coupling_outlier, metrics
from nadyn.training.quantities import QUANTITIES
from nadyn.training.reliability import Coverage


def error_table(comparison: Comparison, *, title: str, frames: Sequence[int] | None = None) -> Table:
    """Return mean and root-mean-square errors a state, beside the error of predicting nothing.

    "Nothing" is the mean energy of each state, and zero forces and couplings.

    Args:
        comparison: Predictions beside labels.
        title: What was compared.
        frames: Index in the file of each frame, so that one can be named; without it none is.
    """
    from nadyn.analysis.multiplicities import state_names

    values = metrics(comparison)
    nothing = constant_errors(comparison)
    table = Table(title=f"{title} ({counted(values['n_frames'], 'frame')})", title_justify="left")
    for column in ("", "MAE", "RMSE", "predicting nothing", "unit"):
        table.add_column(column, justify="left" if column in ("", "unit") else "right")
    for quantity in QUANTITIES:
        # The names in files are energy_ev and energy_mae_ev, and so on.
        unit = quantity.noise_key.removeprefix(f"{quantity.name}_")
        mean = values.get(f"{quantity.name}_mae_{unit}")
        if mean is None:
            continue
        names = state_names(comparison.multiplicities or (1,) * len(mean))
        if quantity.columns == "pair":
            names = [f"{k}-{l}" for k, l in state_pairs(comparison.energies.shape[1])]
        elif quantity.columns == "frame":
            names = [""]
        spread = values[f"{quantity.name}_rmse_{unit}"]
        for name, mae, rmse, zero in zip(names, mean, spread, nothing[quantity.name], strict=True):
            row = f"{mae:.4f}", f"{rmse:.4f}", f"{zero:.4f}", quantity.unit
            table.add_row(f"{quantity.name} {name}".rstrip(), *row)
    if "gap_mae_ev" in values:
        table.add_row("gap", f"{values['gap_mae_ev']:.4f}", "", "", "eV")
        near = values["near"]
        if near["gap_mae_ev"] is not None:
            error = "" if near["gap_mae_se_ev"] is None else f" ± {near['gap_mae_se_ev']:.4f}"
            label = f"gap below {near['gap_below_ev']} eV ({counted(near['n_frames'], 'frame')})"
            table.add_row(label, f"{near['gap_mae_ev']:.4f}{error}", "", "", "eV")
    if "coupling_relative_error" in values:
        table.add_row("coupling, relative", f"{values['coupling_relative_error']:.4f}", "", "1.0000", "")
        if comparison.rigid_part is not None:
            table.add_row("coupling, rigid part of |h|", f"{comparison.rigid_part:.4f}", "", "", "")
        outlier = coupling_outlier(comparison)
        table.add_row("coupling, median of frames", f"{outlier['median']:.4f}", "", "", "eV/Å")
        if outlier["largest_norm"] > 20.0:
            frame = "the largest" if frames is None else f"frame {frames[int(outlier['largest_frame'])]}"
            label = f"coupling without {frame} (|h| = {outlier['largest_norm']:.0f} eV/Å)"
            table.add_row(label, f"{outlier['mean_without_it']:.4f}", "", "", "eV/Å")
    if values["surplus_gap_min_ev"] is not None:
        table.add_row(
            "smallest distance to a surplus level", f"{values['surplus_gap_min_ev']:.3f}", "", "", "eV"
        )
    return table


def reliability_table(raw: dict[str, Coverage], calibrated: dict[str, Coverage], *, title: str) -> Table:
    """Return which part of the errors lies within one and two spreads of the members, in per cent."""
    table = Table(title=f"{title}: errors within one / two spreads [%]", title_justify="left")
    for column in ("", "raw", "calibrated", "lowest ⅓", "middle ⅓", "highest ⅓", "errors"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("normal", "", *["68 / 95"] * 4, "", style="dim")
    for name, found in calibrated.items():
        parts = [f"{100 * one:.0f} / {100 * two:.0f}" for one, two in (raw[name].within[0], *found.within)]
        parts += [""] * (5 - len(parts))
        table.add_row(name.replace("coupling_norm", "|coupling|"), *parts, f"{found.n_values:,}")
    return table
