"""A run as a table (.csv): one row for each frame of each trajectory, without geometries."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nadyn.checks.output import check_output, write_new
from nadyn.trajectory.reader import Run
from nadyn.trajectory.trajectories import trajectories_of
from nadyn.trajectory.writers.chosen import as_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE


def write_table(
    path: str | Path,
    run: str | Path | Run,
    trajectories: Sequence[int] | None = None,
    *,
    diabatic: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write `traj`, `time_fs`, `state`, energies of all states and kinetic energy [eV], and |c|² of each.

    Where there are some, `diabatic_population_k` follows, and `population_k` of methods whose populations are
    not the fraction of trajectories on a state.

    Args:
        path: Where the table is written.
        run: The trajectory file, or an open run, such as several as one.
        trajectories: Which of them; all.
        diabatic: What k of `diabatic_population_k` is, such as S0, S1, T1; else the number of the state.
        overwrite: Replace what exists.

    Raises:
        InputError: The run is no trajectory file, or the table cannot be written there.
        RunError: The disk is full.
    """
    check_output(Path(path), overwrite=overwrite)
    found = trajectories_of(as_run(run))
    states = range(found.n_states)
    kinds = {"diabatic_population": found.diabatic_populations, "population": found.populations_adiabatic}
    others = {name: array for name, array in kinds.items() if array is not None}
    called = {name: list(range(array.shape[2])) for name, array in others.items()}
    if diabatic is not None:
        called["diabatic_population"] = list(diabatic)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        [
            *("traj", "time_fs", "state"),
            *(f"energy_{k}_ev" for k in states),
            "kinetic_ev",
            *(f"electronic_population_{k}" for k in states),
            *(f"{name}_{k}" for name in others for k in called[name]),
        ]
    )
    for traj in range(found.n_trajectories) if trajectories is None else trajectories:
        for frame in np.flatnonzero(found.alive[:, traj]):
            energies = found.energies[frame, traj] * ELECTRONVOLT_PER_HARTREE
            kinetic = found.kinetic_energy[frame, traj] * ELECTRONVOLT_PER_HARTREE
            populations = np.abs(found.coefficients[frame, traj]) ** 2
            numbers = [*energies, kinetic, *populations]
            numbers += [x for array in others.values() for x in array[frame, traj]]
            state = int(found.active_state[frame, traj])
            rows.writerow(
                [traj, repr(float(found.time_fs[frame])), state, *(repr(float(x)) for x in numbers)]
            )
    write_new(Path(path), text.getvalue())
