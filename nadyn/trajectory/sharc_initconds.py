"""Initial conditions as SHARC keeps them (`initconds`, and `initconds.excited` of `excite.py`).

Positions in bohr, velocities in bohr per atomic unit of time, masses in u. Of a file of `excite.py` all
conditions are read; which states were chosen is not, because a number counts spin components there: give
`state`.

Source: SHARC 3 (github.com/sharc-md/sharc), `wigner.py` and `excite.py`.
"""

import re
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.output import write_new
from nadyn.checks.packed import beginning, whole_content
from nadyn.structures import atomic_number, symbol
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ELECTRON_MASS_PER_DALTON

_TITLE = "SHARC Initial conditions file"


def is_initconds(path: Path) -> bool:
    """Return whether a file is one of SHARC's."""
    if not path.is_file():
        return False
    return beginning(path).lstrip().startswith(_TITLE.encode())


def read_initconds(path: str | Path) -> InitialConditions:
    """Read initial conditions of SHARC.

    Raises:
        InputError: The file is missing, no such file, cut, or its conditions differ in their atoms.
    """
    path = Path(path)
    where = f"SHARC file {str(path)!r}"
    check_file(path, where)
    try:
        text = whole_content(path).decode("utf-8", "replace")
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not text.lstrip().startswith(_TITLE):
        raise InputError(f"{where} must begin with `{_TITLE}`, but does not.")
    n_wanted, n_atoms = (_setting(text, key, where) for key in ("Ninit", "Natom"))
    parts = re.split(r"^\s*Index\s+(\d+)\s*$", text, flags=re.MULTILINE)
    conditions, excited = [], False
    for number, body in zip(parts[1::2], parts[2::2], strict=True):
        atoms, _, rest = body.partition("States")
        lines = [line.split() for line in atoms.splitlines() if line.strip() and line.strip() != "Atoms"]
        conditions.append(_condition(lines, n_atoms, f"{where}, index {number}"))
        excited |= any(re.match(r"\s*\d+\s", line) for line in rest.partition("Ekin")[0].splitlines())
    if len(conditions) != n_wanted:
        raise InputError(f"{where} must hold {n_wanted} conditions, but holds {len(conditions)}: it was cut.")
    symbols = [names for names, _ in conditions]
    arrays = np.array([values for _, values in conditions])
    if any(names != symbols[0] for names in symbols) or not np.array_equal(
        arrays[:, :, 3], np.broadcast_to(arrays[0, :, 3], arrays.shape[:2])
    ):
        raise InputError(f"{where} must have the same atoms and masses in all conditions, but has not.")
    mass = arrays[0, :, 3] * ELECTRON_MASS_PER_DALTON
    temperature = re.search(r"^\s*Temp\s+(\S+)", text, flags=re.MULTILINE)
    notice = "states that were chosen by `excite.py` are not read: all conditions are here."
    return InitialConditions(
        positions=arrays[:, :, :3],
        momenta=arrays[:, :, 4:] * mass[:, None],
        weight=np.ones(len(arrays)),
        masses=mass,
        atomic_numbers=np.array([atomic_number(name.capitalize()) for name in symbols[0]]),
        state=None,
        diabatic_state=None,
        origin=f"initial conditions of SHARC, {path.name}",
        temperature_kelvin=None if temperature is None else _float(temperature[1], where),
        notices=(notice,) * excited,
    )


def write_initconds(path: str | Path, initial: InitialConditions) -> None:
    """Write initial conditions as a file of SHARC, which `setup_init.py` and `setup_traj.py` take.

    Ten digits behind the point where SHARC writes eight. The equilibrium geometry, which these conditions do
    not hold, is their mean. Weights and the state have no place.

    Raises:
        InputError: They are of generalised coordinates, or the file cannot be written there.
        RunError: The disk is full.
    """
    if initial.atomic_numbers is None:
        raise InputError("initial conditions must be of a molecule to be written for SHARC, but are not.")
    velocities = initial.momenta / initial.masses[:, None]
    kinetic = 0.5 * (initial.momenta * velocities).sum(axis=(1, 2))
    n, n_atoms = initial.positions.shape[:2]
    header = {
        "Ninit": str(n),
        "Natom": str(n_atoms),
        "Repr": "None",
        "Temp": f"{initial.temperature_kelvin or 0.0:18.10f}",
        "Eref": f"{0.0:18.10f}",
        "Eharm": f"{0.0:18.10f}",
    }
    lines = [
        f"{_TITLE}, version 3.0",
        *(f"{key:9} {value}" for key, value in header.items()),
        "",
        "Equilibrium",
    ]
    lines += [*_atoms(initial, initial.positions.mean(axis=0), np.zeros((n_atoms, 3))), "", ""]
    for k in range(n):
        lines += [
            f"Index     {k + 1}",
            "Atoms",
            *_atoms(initial, initial.positions[k], velocities[k]),
            "States",
        ]
        lines += [
            f"{key:9} {value:16.12f} a.u."
            for key, value in (
                ("Ekin", kinetic[k]),
                ("Epot_harm", 0.0),
                ("Epot", 0.0),
                ("Etot_harm", kinetic[k]),
                ("Etot", kinetic[k]),
            )
        ]
        lines += ["", ""]
    write_new(Path(path), "\n".join(lines) + "\n")


def _atoms(initial: InitialConditions, positions: np.ndarray, velocities: np.ndarray) -> list[str]:
    return [
        f"{symbol(int(number)):>2} {float(number):5.1f} {x[0]:16.10f} {x[1]:16.10f} {x[2]:16.10f} "
        f"{mass / ELECTRON_MASS_PER_DALTON:14.8f} {v[0]:18.14f} {v[1]:18.14f} {v[2]:18.14f}"
        for number, mass, x, v in zip(
            initial.atomic_numbers, initial.masses, positions, velocities, strict=True
        )
    ]


def _condition(lines: list[list[str]], n_atoms: int, where: str) -> tuple[list[str], list[list[float]]]:
    if len(lines) != n_atoms or any(len(words) != 9 for words in lines):
        raise InputError(f"{where} must hold {n_atoms} atoms with eight numbers each, but does not.")
    return [words[0] for words in lines], [[_float(word, where) for word in words[2:]] for words in lines]


def _float(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{where} must hold finite numbers, but holds {word!r}.")
    return value


def _setting(text: str, key: str, where: str) -> int:
    found = re.search(rf"^\s*{key}\s+(\d+)\s*$", text, flags=re.MULTILINE)
    if found is None or not 0 < int(found[1]) < 10_000_000:
        raise InputError(f"{where} must say `{key}` and a number, but does not.")
    return int(found[1])
