"""Bonds stretched step by step: how far a level of theory follows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.label_judgement import trapezoid_error
from nadyn.electronic.labels import HasActiveSpace, Known, Quality
from nadyn.learning.desk import Desk
from nadyn.structures import symbol
from nadyn.structures.covalent_radii import radii
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

# To which multiple of its length a bond is stretched, and in what steps: within reach of the trapezoid rule.
_FARTHEST = 2.5
_STEP_BOHR = 0.095 * BOHR_PER_ANGSTROM
_BONDED = 1.3
_SAME_SPACE = 0.7
_LARGEST_ERROR_EV = 0.1


@dataclass(frozen=True)
class Scan:
    """How far a bond of a type was followed.

    Attributes:
        name: Elements, "C-H".
        atoms: The bond that was stretched.
        factors: Multiples of its length, of the labels that hold.
        energies_ev: Energies of the lowest state there above the minimum.
        broken_at: The first multiple where the level does not hold, None if it holds everywhere.
        reason: Why it does not.
    """

    name: str
    atoms: tuple[int, int]
    length_angstrom: float
    factors: tuple[float, ...]
    energies_ev: tuple[float, ...]
    broken_at: float | None = None
    reason: str = ""

    @property
    def sentence(self) -> str:
        """What it says of the level."""
        if self.broken_at is None:
            return (
                f"{self.name}: labels hold and are smooth up to {self.factors[-1]:.1f} times the bond "
                f"length, {self.energies_ev[-1]:.1f} eV above the minimum."
            )
        return (
            f"This level cannot break {self.name}: at {self.broken_at * self.length_angstrom:.2f} Å, "
            f"{self.broken_at:.2f} times the bond length, {self.reason}"
        )

    @property
    def record(self) -> Mapping[str, object]:
        """The numbers."""
        return {
            "bond": self.name,
            "atoms": list(self.atoms),
            "length_angstrom": round(self.length_angstrom, 5),
            "factors": [round(factor, 4) for factor in self.factors],
            "energies_ev": [round(energy, 4) for energy in self.energies_ev],
            "broken_at": self.broken_at,
            "reason": self.reason,
        }


def bond_types(
    atomic_numbers: Sequence[int], positions: Float[np.ndarray, "atom 3"]
) -> dict[str, tuple[int, int]]:
    """Return one bond of each pair of elements, the lighter element behind: {"C-H": (0, 2)}."""
    found: dict[str, tuple[int, int]] = {}
    for i, j in _bonds(atomic_numbers, positions):
        heavy, light = (i, j) if atomic_numbers[i] >= atomic_numbers[j] else (j, i)
        name = f"{symbol(atomic_numbers[heavy])}-{symbol(atomic_numbers[light])}"
        found.setdefault(name, (heavy, light))
    return found


def stretched_geometry(
    atomic_numbers: Sequence[int],
    positions: Float[np.ndarray, "atom 3"],
    bond: tuple[int, int],
    factor: float,
) -> Float[np.ndarray, "atom 3"]:
    """Return a geometry with a bond of so many times its length; all behind its second atom goes along.

    In a ring only the second atom moves.
    """
    i, j = bond
    neighbours: dict[int, set[int]] = {atom: set() for atom in range(len(positions))}
    for k, l in _bonds(atomic_numbers, positions):
        if {k, l} != {i, j}:
            neighbours[k].add(l)
            neighbours[l].add(k)
    behind, new = {j}, [j]
    while new:
        new = [atom for one in new for atom in neighbours[one] if atom not in behind]
        behind.update(new)
    moved = sorted({j} if i in behind else behind)
    result = positions.copy()
    result[moved] += (factor - 1.0) * (positions[j] - positions[i])
    return result


def stretched(desk: Desk, minimum: Known, bonds: Mapping[str, tuple[int, int]], *, tag: str) -> list[Scan]:
    """Stretch bonds from a minimum on until the level gives way, each label beginning from the one before."""
    return [_scan(desk, minimum, name, bond, tag) for name, bond in bonds.items()]


def _scan(desk: Desk, minimum: Known, name: str, bond: tuple[int, int], tag: str) -> Scan:
    source = desk.source
    length = float(np.linalg.norm(minimum.positions[bond[1]] - minimum.positions[bond[0]]))
    n_steps = int(np.ceil((_FARTHEST - 1.0) * length / _STEP_BOHR))
    factors, energies, before = [], [], minimum
    lowest = float(minimum.label.energies.min())
    stopped: tuple[float | None, str] = (None, "")
    for step in range(1, n_steps + 1):
        factor = 1.0 + (_FARTHEST - 1.0) * step / n_steps
        positions = stretched_geometry(source.atomic_numbers, minimum.positions, bond, factor)
        (label,) = desk.label(positions[None], tag=tag)
        if label is None or label.quality is Quality.FAILED:
            stopped = (factor, label.reason if label is not None else "there is no answer yet.")
            break
        here = Known(positions, label)
        if reason := _difference(desk, before, here):
            stopped = (factor, reason)
            break
        factors.append(factor)
        energies.append((float(label.energies.min()) - lowest) * ELECTRONVOLT_PER_HARTREE)
        before = here
    return Scan(name, bond, length * ANGSTROM_PER_BOHR, tuple(factors), tuple(energies), *stopped)


def _difference(desk: Desk, before: Known, here: Known) -> str:
    """Return why a label is not of the same solution as the one before, nothing if it is."""
    error = trapezoid_error(here.label, here.positions, before)
    if error is not None and error * ELECTRONVOLT_PER_HARTREE > _LARGEST_ERROR_EV:
        return f"the energies jump by {error * ELECTRONVOLT_PER_HARTREE:.2f} eV."
    if isinstance(desk.source, HasActiveSpace):
        kept = desk.source.active_overlap(before, here)
        if kept < _SAME_SPACE:
            return f"the active space becomes another one (smallest singular value {kept:.2f})."
    return ""


def _bonds(atomic_numbers: Sequence[int], positions: np.ndarray) -> list[tuple[int, int]]:
    reach = radii(np.array(atomic_numbers))
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    near = distances < _BONDED * (reach[:, None] + reach)
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True)]
