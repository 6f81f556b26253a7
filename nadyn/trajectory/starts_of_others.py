"""Initial conditions that other programs keep: one line a kind, known by their content."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nadyn.checks.counts import counted
from nadyn.structures import formula
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.trajectory.newtonx_initial import (
    holds_starts,
    is_newtonx_initial,
    read_newtonx_initial,
    read_start_folders,
)
from nadyn.trajectory.sharc_initconds import is_initconds, read_initconds
from nadyn.units import ELECTRONVOLT_PER_HARTREE


@dataclass(frozen=True)
class Starts:
    """One kind of file or folder that becomes initial conditions.

    Attributes:
        name: What people call it.
        recognises: Tells by the content.
        read: Reads it.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], InitialConditions]


STARTS = (
    Starts("initial conditions of SHARC (initconds)", is_initconds, read_initconds),
    Starts("initial conditions of Newton-X (final_output)", is_newtonx_initial, read_newtonx_initial),
    Starts("folder with `geom` and `veloc` of Newton-X or SHARC", holds_starts, read_start_folders),
)


def find_starts(path: Path) -> Starts | None:
    """Return the kind that recognises a file or a folder; None if there is none.

    Raises:
        InputError: A packed file cannot be unpacked.
    """
    return next((one for one in STARTS if path.exists() and one.recognises(path)), None)


def starts_in_words(kind: Starts, path: Path) -> dict[str, str]:
    """Return what there is to know of initial conditions, name -> text.

    Raises:
        InputError: They cannot be read.
    """
    found = kind.read(path)
    kinetic = 0.5 * (found.momenta**2 / found.masses[:, None]).sum(axis=(1, 2)) * ELECTRONVOLT_PER_HARTREE
    words = {
        "kind": kind.name,
        "molecule": formula(found.atomic_numbers, found.masses),
        "conditions": counted(len(found.weight), "condition"),
        "mean kinetic energy [eV]": f"{kinetic.mean():.4f}, standard deviation {np.std(kinetic):.4f}",
    }
    if found.temperature_kelvin is not None:
        words["temperature [K]"] = f"{found.temperature_kelvin:g}"
    return words | {f"note {number + 1}": text for number, text in enumerate(found.notices)}
