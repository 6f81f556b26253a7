"""Initial conditions of Newton-X (`final_output.1.2` and so on), and folders with `geom` and `veloc`.

A file of Newton-X holds a geometry (symbol, charge, x, y, z in bohr, mass in u) and velocities (bohr per
atomic unit of time) for each condition, and whether its vertical excitation is in the window that was asked
for; those that are not are left out and counted, as `makedir.pl` does. The state is not read, because a file
is one of a pair of states that its name says: give `state`. `geom` and `veloc` hold the same of one
trajectory, in Newton-X and in SHARC.

Source: a file of Newton-X CS in the manual of CP2K (page on its interface), whose kinetic energy is that of
its velocities in these units; `geom` and `veloc` of Newton-X CS 2.2 (github.com/SHNITSEL/shnitsel-tools).
"""

import re
from pathlib import Path

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.packed import beginning, whole_text
from nadyn.structures import atomic_number
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ELECTRON_MASS_PER_DALTON

_GEOMETRY = "Geometry in COLUMBUS and NX input format:"
_VELOCITY = "Velocity in NX input format:"
_DEPTH = 3


def is_newtonx_initial(path: Path) -> bool:
    """Return whether a file holds initial conditions of Newton-X."""
    return path.is_file() and _GEOMETRY.encode() in beginning(path)


def read_newtonx_initial(path: str | Path) -> InitialConditions:
    """Read initial conditions of Newton-X that are in the window of excitation.

    Raises:
        InputError: The file is none, is cut, or no condition is in the window.
    """
    path = Path(path)
    where = f"Newton-X file {str(path)!r}"
    parts = re.split(r"^\s*Initial condition =\s*(\d+)\s*$", _text(path, where), flags=re.MULTILINE)
    kept, outside = [], 0
    for number, body in zip(parts[1::2], parts[2::2], strict=True):
        _, geometry, rest = body.partition(_GEOMETRY)
        atoms, velocity, rest = rest.partition(_VELOCITY)
        inside = re.search(r"Is Ev in the required range\?\s*(YES|NO)", rest)
        # A file that was cut has lost the line on the window at least.
        if not geometry or not velocity or inside is None:
            raise InputError(
                f"{where}, condition {number}, must have a geometry, velocities and a line on the required "
                "range of energy, but has not: it was cut."
            )
        if inside[1] == "NO":
            outside += 1
            continue
        n_atoms = len([line for line in atoms.splitlines() if line.strip()])
        rows = [line for line in rest.splitlines() if line.strip()][:n_atoms]
        kept.append(_condition(atoms, "\n".join(rows), f"{where}, condition {number}"))
    if not kept:
        raise InputError(f"{where} must hold a condition in the window of excitation, but holds none.")
    notices = ("the state is not read: give `state`.",)
    if outside:
        notices += (f"{counted(outside, 'condition')} outside of the window of excitation left out.",)
    return _initial(kept, f"initial conditions of Newton-X, {path.name}", where, notices)


def holds_starts(path: Path) -> bool:
    """Return whether there is a `geom` beside a `veloc` in a folder or below it."""
    return path.is_dir() and bool(_folders(path))


def read_start_folders(path: str | Path) -> InitialConditions:
    """Read `geom` and `veloc` of all trajectories below a folder, in the order of their numbers.

    Raises:
        InputError: There is none, one is damaged, or their atoms differ.
    """
    path = Path(path)
    where = f"folder {str(path)!r}"
    if not (folders := _folders(path)):
        raise InputError(f"{where} must hold a `geom` beside a `veloc`, but holds none.")
    found = []
    for folder in folders:
        geometry, velocity = (
            _text(folder / name, f"file {str(folder / name)!r}") for name in ("geom", "veloc")
        )
        found.append(_condition(geometry, velocity, f"folder {str(folder)!r}"))
    return _initial(
        found, f"`geom` and `veloc` of {path.name}", where, ("the state is not read: give `state`.",)
    )


def _folders(path: Path) -> list[Path]:
    found = [
        file.parent
        for depth in range(_DEPTH)
        for file in path.glob("/".join(["*"] * depth + ["geom"]))
        if file.is_file() and (file.parent / "veloc").is_file()
    ]
    return sorted(found, key=lambda one: [int(n) for n in re.findall(r"\d+", one.name)] or [0])


def _text(path: Path, where: str) -> str:
    try:
        return whole_text(path)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _condition(atoms: str, velocity: str, where: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the symbols, (atom, 4) of positions and mass, and (atom, 3) of velocities."""
    rows = [line.split() for line in atoms.splitlines() if line.strip()]
    moves = [line.split() for line in velocity.splitlines() if line.strip()]
    try:
        numbers = np.array([[float(word) for word in row[2:]] for row in rows])
        speeds = np.array([[float(word) for word in row] for row in moves])
    except ValueError:
        numbers = speeds = np.empty(0)
    if not rows or numbers.shape != (len(rows), 4) or speeds.shape != (len(rows), 3):
        raise InputError(
            f"{where}, must hold rows of symbol, charge, x, y, z and mass, and as many rows of velocities, "
            "but does not."
        )
    if not (np.isfinite(numbers).all() and np.isfinite(speeds).all() and (numbers[:, 3] > 0).all()):
        raise InputError(f"{where}, must hold finite numbers and masses above 0, but does not.")
    return [row[0] for row in rows], numbers, speeds


def _initial(
    found: list[tuple[list[str], np.ndarray, np.ndarray]], origin: str, where: str, notices: tuple[str, ...]
) -> InitialConditions:
    names, first, _ = found[0]
    if any(one != names or not np.array_equal(rows[:, 3], first[:, 3]) for one, rows, _ in found):
        raise InputError(f"{where} must have the same atoms and masses in all conditions, but has not.")
    mass = first[:, 3] * ELECTRON_MASS_PER_DALTON
    return InitialConditions(
        positions=np.array([rows[:, :3] for _, rows, _ in found]),
        momenta=np.array([speeds for _, _, speeds in found]) * mass[:, None],
        weight=np.ones(len(found)),
        masses=mass,
        atomic_numbers=np.array([atomic_number(name.capitalize()) for name in names]),
        state=None,
        diabatic_state=None,
        origin=origin,
        temperature_kelvin=None,
        notices=notices,
    )
