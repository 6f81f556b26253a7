"""Where geometries to be labelled come from: files of several kinds, places where trajectories stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.analysis.fates import ENDED_AS_ASKED, RUNNING
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.data.hdf5_outline import hdf5_format
from nadyn.data.readers.geometries import read_xyz_frames
from nadyn.data.readers.table import read_file
from nadyn.structures import check_apart, formula
from nadyn.trajectory.initial_conditions import FORMAT as INITIAL
from nadyn.trajectory.initial_conditions import read_initial_conditions
from nadyn.trajectory.judged import open_judged
from nadyn.trajectory.layout import FORMAT as RUN


@dataclass(frozen=True, eq=False)
class Geometries:
    """Geometries of one molecule.

    Attributes:
        atomic_numbers: One number an atom.
        positions: [bohr].
        tags: Where each is from, one word each.
    """

    atomic_numbers: tuple[int, ...]
    positions: Float[np.ndarray, "frame atom 3"]
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """Formula of the molecule."""
        return formula(self.atomic_numbers)

    def __len__(self) -> int:
        return len(self.positions)


def read_geometries(path: str | Path, *, group: str | None = None) -> Geometries:
    """Return all geometries of a file: .xyz, a dataset, or initial conditions of `nadyn sample`.

    Args:
        path: The file, known by its content.
        group: Which molecule of a dataset with several.

    Raises:
        InputError: The file is none of these, or of several molecules of which none is named.
    """
    path = Path(path)
    check_file(path, f"geometries {str(path)!r}")
    kind = hdf5_format(path)
    if kind == INITIAL:
        initial = read_initial_conditions(path)
        if initial.atomic_numbers is None:
            raise InputError(f"geometries {str(path)!r} must be of atoms, but are generalised coordinates.")
        if initial.cell is not None:
            raise _periodic(path)
        numbers, positions = tuple(initial.atomic_numbers.tolist()), initial.positions
    elif kind == RUN:
        raise InputError(
            f"geometries {str(path)!r} must be an .xyz file, a dataset or initial conditions, but are a run. "
            "Give it as `--stopped` for the places where its trajectories stopped."
        )
    elif kind is None and path.suffix.lower() in (".xyz", ".extxyz"):
        numbers, positions = read_xyz_frames(path)
        for frame, points in enumerate(positions):
            check_apart(points, f"geometries {str(path)!r}: frame {frame}")
    else:
        numbers, positions = _of_dataset(path, group)
    return Geometries(numbers, np.asarray(positions), (path.stem,) * len(positions))


def _of_dataset(path: Path, group: str | None) -> tuple[tuple[int, ...], np.ndarray]:
    dataset = read_file(path)
    if group is None and len(dataset.groups) > 1:
        raise InputError(
            f"geometries {str(path)!r} must be of one molecule, but are of {', '.join(dataset.names)}. "
            "Name one of them with `--molecule`."
        )
    chosen = dataset.groups[0] if group is None else dataset.group(group)
    if chosen.pbc.any():
        raise _periodic(path)
    return tuple(chosen.atomic_numbers.tolist()), chosen.positions


def stopped_geometries(path: str | Path) -> Geometries:
    """Return where the trajectories of a run stopped for another reason than a result, tagged with it.

    It is the geometry that stopped the trajectory where the file holds that one and it is finite, otherwise
    the last frame.

    Raises:
        InputError: The file is no run of atoms, or no trajectory of it was stopped.
    """
    run = open_judged(path)
    if run.atomic_numbers is None:
        raise InputError(f"run {str(path)!r} must be of atoms, but is of generalised coordinates.")
    names = [run.status_names[int(code)] for code in run.status]
    chosen = [at for at, name in enumerate(names) if name not in (*ENDED_AS_ASKED, RUNNING)]
    if not chosen or run.committed_frames == 0:
        raise InputError(
            f"run {str(path)!r} must hold a trajectory that was stopped, but none of "
            f"{run.n_trajectories} was."
        )
    alive = run.alive()
    positions, tags = [], []
    # Files of older versions hold none.
    stops = getattr(run, "stops", {}).get("positions")
    for trajectory in chosen:
        at = None if stops is None else np.asarray(stops[trajectory])
        if at is None or not np.isfinite(at).all():
            at = run.positions[int(np.flatnonzero(alive[:, trajectory])[-1]), trajectory]
        positions.append(np.array(at))
        tags.append(names[trajectory])
    return Geometries(tuple(int(n) for n in run.atomic_numbers), np.stack(positions), tuple(tags))


def joined(parts: Sequence[Geometries]) -> Geometries:
    """Return the geometries of several origins, each once.

    Raises:
        InputError: There are none, or they are of different atoms.
    """
    if not parts:
        raise InputError("geometries must be given, but are not. Name a file, or `--stopped run.h5`.")
    first = parts[0]
    for other in parts[1:]:
        if other.atomic_numbers != first.atomic_numbers:
            raise InputError(
                f"all geometries must have the same atoms in the same order, but are of "
                f"{first.name} and {other.name} ({list(first.atomic_numbers)}, {list(other.atomic_numbers)})."
            )
    positions = np.concatenate([part.positions for part in parts])
    tags = [tag for part in parts for tag in part.tags]
    _, place = np.unique(np.round(positions, 7).reshape(len(positions), -1), axis=0, return_index=True)
    order = np.sort(place)
    return Geometries(first.atomic_numbers, positions[order], tuple(tags[i] for i in order))


def _periodic(path: Path) -> InputError:
    return InputError(
        f"geometries {str(path)!r} must be of isolated molecules, but are periodic: a label source knows no "
        "cell."
    )
