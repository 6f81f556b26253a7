"""Where the trajectories of a run ended, as the start of another."""

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.trajectory import load_trajectories
from nadyn.trajectory.initial_conditions import InitialConditions


def end_of_run(path: str) -> InitialConditions:
    """Return the last frame of each trajectory that came to the end of its run, in its active state.

    Coefficients are not taken over: each starts with 1 on its state. Trajectories that were stopped, left the
    region, fell apart or still run are left out, and a notice says so.

    Raises:
        InputError: The file is no trajectory file, or no trajectory came to an end.
    """
    run = load_trajectories(path, frames=slice(-1, None))
    whole = np.array([status == "finished" for status in run.status]) & run.alive[0]
    if not whole.any():
        raise InputError(
            f"run {path!r} must have trajectories that came to its end, but has none: "
            f"{', '.join(sorted(set(run.status)))}. Let it finish first."
        )
    left_out = int((~whole).sum())
    notices = [
        f"{left_out} of {counted(len(whole), 'trajectory')} of run {path!r} did not come to its end and "
        "are no "
        "starts here."
    ] * (left_out > 0)
    return InitialConditions(
        positions=run.positions[0, whole],
        momenta=run.momenta[0, whole],
        weight=run.weight[whole],
        masses=run.masses,
        atomic_numbers=run.atomic_numbers,
        state=None,
        diabatic_state=None,
        origin=f"the end of run {path} at {run.time_fs[-1]:g} fs ({run.method})",
        temperature_kelvin=None,
        notices=tuple(notices),
        states=run.active_state[0, whole],
    )
