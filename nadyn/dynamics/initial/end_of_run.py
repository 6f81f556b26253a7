"""Where the trajectories of a run ended, as the start of another."""

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data.structure_file import StartStructure
from nadyn.trajectory import Run, load_trajectories, open_run
from nadyn.trajectory.initial_conditions import InitialConditions


def end_of_run(path: str, *, state_is_given: bool = False) -> InitialConditions:
    """Return the last frame of each trajectory that came to the end of its run, in its active state.

    Coefficients are not taken over: each starts with 1 on its state. Trajectories that were stopped, left the
    region, fell apart, settled or still run are left out, and a notice says so.

    Args:
        path: The trajectory file.
        state_is_given: Whether somebody else says on which state all of them start.

    Raises:
        InputError: The file is no trajectory file, no trajectory came to an end, or those of its method are
            on no state of their own and none is given.
    """
    run = load_trajectories(path, frames=slice(-1, None))
    if open_run(path).moves_on == "mean of the states" and not state_is_given:
        raise InputError(
            f"`state` must be given with run {path!r}, whose method {run.method} moves the nuclei on a mean "
            "of the states, so that its trajectories end on none. Try state: 0, or start from frames of it."
        )
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


def cell_of_run(path: str, *, rows: slice = slice(None)) -> StartStructure | None:
    """Return the atoms and the cell in which these trajectories of `end_of_run` ended.

    None for a run whose trajectories have no cells.

    Raises:
        InputError: They ended in cells that differ.
    """
    run = open_run(path)
    if run.cell is None or run.committed_frames == 0:
        return None
    whole = _came_to_the_end(run)
    cells = np.asarray(run.cell[-1])[whole][rows]
    if not len(cells):
        return None
    if not (cells == cells[0]).all():
        raise InputError(
            f"the trajectories of run {path!r} must have ended in one cell, but at constant pressure each "
            "has come to its own. Try `n: 1`, or start from a structure that was written of one of them."
        )
    positions = np.asarray(run.positions[-1])[whole][rows][0]
    numbers = tuple(int(number) for number in run.atomic_numbers)
    return StartStructure(numbers, positions, cells[0], (True, True, True), None)


def _came_to_the_end(run: Run) -> np.ndarray:
    names = np.array([run.status_names[int(code)] for code in run.status])
    return (names == "finished") & run.alive()[-1]
