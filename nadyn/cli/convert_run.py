"""`nadyn convert` of runs and initial conditions: geometries, tables, and the files of other programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError

if TYPE_CHECKING:
    from nadyn.trajectory import Run


def kind_of_start_or_run(source: Path) -> str | None:
    """Return `run`, `initial` or `others` for starts of other programs; None for everything else."""
    from nadyn.data.hdf5_outline import hdf5_format
    from nadyn.data.readers.table import find_reader
    from nadyn.trajectory.starts_of_others import find_starts

    if source.is_dir():
        # Trajectories that were run are data; of those that were only prepared there are the starts.
        return "others" if find_reader(source) is None and find_starts(source) is not None else None
    if not source.is_file():
        return None
    if find_starts(source) is not None:
        return "others"
    return {"nadyn-trajectories": "run", "nadyn-initial": "initial"}.get(hdf5_format(source) or "")


def convert_initial(source: Path, target: Path, *, overwrite: bool) -> None:
    """Convert initial conditions to those of SHARC (a name without an ending), geometries, or .h5.

    Raises:
        InputError: The file cannot be read, or the name ends otherwise.
    """
    import numpy as np

    from nadyn.checks.output import EXTXYZ, TRAJECTORIES, check_output
    from nadyn.trajectory.initial_conditions import read_initial_conditions, write_initial_conditions
    from nadyn.trajectory.sharc_initconds import write_initconds
    from nadyn.trajectory.starts_of_others import find_starts
    from nadyn.trajectory.writers.xyz import write_starts

    check_output(target, source, overwrite=overwrite)
    kind = find_starts(source)
    initial = read_initial_conditions(source) if kind is None else kind.read(source)
    if target.suffix.lower() in TRAJECTORIES:
        write_initial_conditions(target, initial)
    elif target.suffix in ("", ".excited"):
        write_initconds(target, initial)
        lost = ["weights differ"] * bool(np.ptp(initial.weight) > 0)
        lost += ["states differ"] * (initial.states is not None)
        for name, state in (("state", initial.state), ("diabatic state", initial.diabatic_state)):
            lost += [f"the {name} is {state}"] * (state is not None)
        lost += ["there is a cell"] * (initial.cell is not None)
        if lost:
            print(f"note: {' and '.join(lost)}, for which a file of SHARC has no place.")
    elif target.suffix.lower() in EXTXYZ:
        write_starts(target, initial, overwrite=overwrite)
        print("note: momenta, for which .xyz has no place, are left out.")
    else:
        raise InputError(
            "OUT must end in .h5 or .xyz, or have no ending for the `initconds` of SHARC, but is "
            f"{str(target)!r}."
        )
    for notice in initial.notices:
        print(f"note: {notice}")
    print(f"wrote {counted(len(initial.weight), 'initial condition')} to {target}")


def convert_run(
    sources: Sequence[Path],
    target: Path,
    *,
    geometries: str | None,
    trajectories: str | None,
    overwrite: bool,
) -> None:
    """Convert a run to geometries (.xyz, .traj), a table (.csv), NetCDF (.nc) or folders of SHARC.

    Several of one model are converted as one, their trajectories numbered through.

    Raises:
        InputError: A run cannot be read, several cannot be joined, or an option does not go with the name of
            OUT.
    """
    from nadyn.analysis.joined import open_runs_as_one
    from nadyn.checks.output import EXTXYZ, check_output

    chosen = _numbers(trajectories)
    ending = target.suffix.lower()
    if geometries is not None and ending not in (*EXTXYZ, ".traj"):
        raise InputError("`--geometries` must come with an OUT that ends in .xyz or .traj, but does not.")
    if ending == "":
        from nadyn.dynamics.run.molecule_of_run import molecule_of_run
        from nadyn.trajectory.writers.sharc import write_sharc_folders

        run = open_runs_as_one(sources, believe=None)
        written = write_sharc_folders(target, run, chosen, molecule_of_run(sources[0]))
        print(f"wrote {counted(len(written), 'trajectory')} to {target}, {written[0].name} and so on")
        return
    check_output(target, *sources, overwrite=overwrite)
    if ending not in (*EXTXYZ, ".traj", ".csv", ".nc"):
        raise InputError(
            "OUT of a run must end in .xyz, .traj, .csv or .nc, or have no ending for a folder of SHARC, "
            "but is "
            f"{str(target)!r}."
        )
    run = open_runs_as_one(sources, believe=None)
    if ending in (*EXTXYZ, ".traj"):
        n = _write_geometries(run, target, geometries or "all", chosen, overwrite=overwrite)
        print(f"wrote {counted(n, 'frame')} to {target}")
        return
    if ending == ".csv":
        _write_table(run, target, chosen, overwrite=overwrite)
    else:
        _write_netcdf(run, target, chosen, overwrite=overwrite)
    print(f"wrote {target}")


def _write_geometries(
    run: "Run", target: Path, kind: str, trajectories: Sequence[int] | None, *, overwrite: bool
) -> int:
    from nadyn.dynamics.run.molecule_of_run import molecule_of_run
    from nadyn.trajectory.writers.chosen import geometries
    from nadyn.trajectory.writers.xyz import write_geometries

    if target.suffix.lower() == ".traj":
        from nadyn.interfaces.ase_trajectories import to_ase, write_ase_trajectory

        frames = to_ase(run, kind=kind, trajectories=trajectories)
        write_ase_trajectory(target, frames, overwrite=overwrite)
        return len(frames)
    molecule = molecule_of_run(run.path)
    atoms = run if molecule is None else molecule
    found = geometries(run, kind, trajectories, molecule)
    write_geometries(target, found, atoms.atomic_numbers, overwrite=overwrite)
    return len(found)


def _write_table(run: "Run", target: Path, chosen: "list[int] | None", *, overwrite: bool) -> None:
    """Write a run as csv; diabatic states of several multiplicities have the names that figures have."""
    from nadyn.analysis.multiplicities import diabatic_names
    from nadyn.trajectory.writers.table import write_table

    named = run.diabatic_populations is not None and "multiplicities" in run.attributes
    names = diabatic_names(run) if named else None
    write_table(target, run, chosen, diabatic=names, overwrite=overwrite)


def _write_netcdf(run: "Run", target: Path, trajectories: Sequence[int] | None, *, overwrite: bool) -> None:
    from nadyn.checks.output import new_file
    from nadyn.trajectory.trajectories import trajectories_of
    from nadyn.trajectory.xarray_dataset import to_xarray

    dataset = to_xarray(trajectories_of(run))
    if trajectories is not None:
        dataset = dataset.isel(traj=list(trajectories))
    with new_file(target, overwrite=overwrite) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        raise InputError(f"`--trajectories` must be numbers as in 0,3,7, but is {text!r}.")
    return list(map(int, words))
