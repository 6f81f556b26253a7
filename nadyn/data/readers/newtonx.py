"""Trajectories of Newton-X CS (version 2): folders `TRAJ*` with `RESULTS/dyn.out`, and that file itself.

Of each step of `dyn.out` are read the geometry, the energies of all states, and the acceleration, which times
the masses is the force on the state that is moved on; other states have none, and version 2.2 writes none.
All are in atomic units. The acceleration has eight decimals: a force is exact to 5e-9 times the mass, 0.006
eV/ångström for carbon. Where it is zero it was not computed. Couplings and dipoles are not in the file. The
tag of a frame is its folder. The multiplicities are not said.

Source: files of Newton-X CS 2.2 and 2.6, and their manual's chapter on output files.
"""

import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_text
from nadyn.data.dataset import Dataset, with_source
from nadyn.data.joining import join
from nadyn.data.readers.folders import files_below
from nadyn.data.readers.reader import FolderReader, Reader, ReadOptions
from nadyn.data.readers.rows import Row, dataset_of_rows, unusual_masses
from nadyn.data.validation import located
from nadyn.structures import atomic_number
from nadyn.units import ELECTRON_MASS_PER_DALTON

_STEP = re.compile(r"^ *STEP +(\d+) +Molecular dynamics on state +(\d+)", flags=re.MULTILINE)
_NUMBER = r"[-+]?\d+\.\d*(?:[EeDd][-+]?\d+)?"
_ATOM = re.compile(rf"^ *([A-Za-z]+) +{_NUMBER}((?: +{_NUMBER}){{4}}) *$", flags=re.MULTILINE)
_THREE = re.compile(rf"^ *({_NUMBER}) +({_NUMBER}) +({_NUMBER}) *$", flags=re.MULTILINE)


def read_newtonx(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read one `dyn.out`; the module says what it holds.

    Raises:
        InputError: The file is missing or no `dyn.out`, or holds no whole step.
    """
    options = options or ReadOptions()
    dataset = _read(Path(path), options, tag="")
    _warn_of_silence(options)
    return dataset


def read_newtonx_trajectories(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read all trajectories below a folder; groups of one molecule are joined.

    Raises:
        InputError: There is none, or one is damaged.
    """
    path, options = Path(path), options or ReadOptions()
    files = files_below(path, ("RESULTS/dyn.out", "RESULTS/dyn.out.gz"))
    if not files:
        raise InputError(f"folder {str(path)!r} must hold a `RESULTS/dyn.out`, but holds none.")
    found = [_read(file, options, tag=_place(path, file)) for file in files]
    _warn_of_silence(options)
    return with_source(join(found), path.name)


def _place(path: Path, file: Path) -> str:
    folder = file.parent.parent
    return str(folder.relative_to(path)) if folder != path else path.name


def _read(path: Path, options: ReadOptions, *, tag: str) -> Dataset:
    with located(f"Newton-X file {str(path)!r}"):
        check_file(path, "the file")
        text = whole_text(path)
        starts = [found.start() for found in _STEP.finditer(text)]
        rows: list[Row] = []
        for begin, end in zip(starts, [*starts[1:], len(text)], strict=True):
            row = _step(text[begin:end], rows[0] if rows else None, options)
            # The last step may be cut where the program was stopped.
            if row is None and end != len(text):
                raise InputError(f"step {len(rows)} must hold a geometry and energies, but does not.")
            if row is not None:
                rows.append(replace(row, tag=tag))
        if not rows:
            raise InputError("the file must hold a whole step, but holds none.")
        return dataset_of_rows(rows, source=path.name)


def _warn_of_silence(options: ReadOptions) -> None:
    if options.multiplicities is None:
        warnings.warn(
            "Newton-X does not say the multiplicities; all states are taken as singlets. If they are not, "
            "give `--multiplicities`.",
            InputWarning,
            stacklevel=3,
        )


def _step(text: str, first: Row | None, options: ReadOptions) -> Row | None:
    """Return a step; None where it is not whole."""
    geometry, _, rest = text.partition("elocity:")
    atoms = _ATOM.findall(geometry)
    accelerations = rest.partition("cceleration:")[2].partition("Time ")[0]
    energies = re.search(r"^%([^\n]*)\n", rest, flags=re.MULTILINE)
    active = _STEP.match(text)
    n_velocities = len(_THREE.findall(rest.partition("cceleration:")[0].partition("Time ")[0]))
    if not atoms or len(atoms) != n_velocities or energies is None or active is None:
        return None
    try:
        numbers = tuple(atomic_number(name.capitalize()) for name, _ in atoms)
        columns = np.array([[float(x) for x in values.split()] for _, values in atoms])
        values = np.array([float(word) for word in energies[1].split()])
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        return None
    if len(values) < 4 or not np.isfinite(values).all():
        return None
    if first is not None and numbers != first.atomic_numbers:
        raise InputError("all steps must have the same atoms, but one has others.")
    mass = columns[:, 3] * ELECTRON_MASS_PER_DALTON
    states = values[3:]
    state = int(active[2]) - 1
    if not 0 <= state < len(states):
        raise InputError(f"each step must be on one of {len(states)} states, but one is on {state + 1}.")
    acceleration = np.array([[float(x) for x in row] for row in _THREE.findall(accelerations)])
    forces = np.full((len(states), len(numbers), 3), np.nan)
    if acceleration.shape == (len(numbers), 3) and acceleration.any():
        forces[state] = acceleration * mass[:, None]
    return Row(
        atomic_numbers=numbers,
        arrays={"positions": columns[:, :3], "energies": states, "forces": forces},
        multiplicities=options.multiplicities,
        masses=unusual_masses(numbers, mass),
    )


def _recognises(content: bytes) -> bool:
    return (
        b"*** Molecular Dynamics ***" in content[:2000] and b"Molecular dynamics on state" in content[:4000]
    )


def _holds_trajectories(path: Path) -> bool:
    return bool(files_below(path, ("RESULTS/dyn.out", "RESULTS/dyn.out.gz")))


NEWTONX = Reader("trajectory of Newton-X (dyn.out)", _recognises, read_newtonx, frozenset({"multiplicities"}))
NEWTONX_TRAJECTORIES = FolderReader(
    "trajectories of Newton-X", _holds_trajectories, read_newtonx_trajectories, frozenset({"multiplicities"})
)
