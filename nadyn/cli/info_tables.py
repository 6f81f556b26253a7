"""The tables of `nadyn info`: states, and couplings of their pairs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from nadyn.data.statistics import GroupStatistics


def states_table(numbers: "GroupStatistics", multiplicities: tuple[int, ...]) -> "Table":
    """Return energies and forces of each state; energies above the lowest of all, as one looks for them."""
    from rich.table import Table
    from rich.text import Text

    zero = min(numbers.energy_min_ev)
    table = Table(title=f"energies above the lowest one, {zero:.4f} eV", title_justify="left")
    for name in ("state", "2S+1", "lowest [eV]", "highest [eV]", "mean [eV]", "std [eV]", "force rms [eV/Å]"):
        table.add_column(Text(name), justify="right")
    for state in range(numbers.n_states):
        energies = (
            numbers.energy_min_ev[state] - zero,
            numbers.energy_max_ev[state] - zero,
            numbers.energy_mean_ev[state] - zero,
            numbers.energy_std_ev[state],
        )
        rms = numbers.force_rms_ev_per_angstrom
        force = f"{rms[state]:.3f}" if rms else "none"
        table.add_row(
            str(state), str(multiplicities[state]), *(f"{energy:.4f}" for energy in energies), force
        )
    return table


def couplings_table(numbers: "GroupStatistics", pairs: tuple[tuple[int, int], ...]) -> "Table":
    """Return sizes of couplings of each pair."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("pair", "median |h| [eV/Å]", "largest |h| [eV/Å]", "in frame"):
        table.add_column(Text(name), justify="right")
    for pair, (k, l) in enumerate(pairs):
        frame = numbers.coupling_max_frame[pair]
        if frame is not None:
            median, largest = (
                numbers.coupling_median_ev_per_angstrom[pair],
                numbers.coupling_max_ev_per_angstrom[pair],
            )
            table.add_row(f"{k}-{l}", f"{median:.3f}", f"{largest:.3f}", str(frame))
    return table
