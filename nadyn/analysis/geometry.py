"""Distances, angles and dihedrals over time, chosen by the user or by the bonds of the molecule."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nadyn.analysis.bonds import bonds, central_double_bond
from nadyn.analysis.fates import MOST_UNKNOWN, effective_number, has_last_geometry
from nadyn.analysis.intervals import wilson
from nadyn.analysis.products import products
from nadyn.analysis.separation import longest_link
from nadyn.checks.errors import InputError
from nadyn.structures import isotope_symbol
from nadyn.structures.fragments import fragments
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR

_KINDS = {"coordinate": 1, "distance": 2, "angle": 3, "dihedral": 4, "pyramidalisation": 4}
_MOST_CHOSEN = 3


@dataclass(frozen=True)
class Quantity:
    """One internal coordinate.

    Attributes:
        kind: coordinate, distance, angle, dihedral, pyramidalisation of its first atom, or separation: the
            longest link that holds all atoms together, see `longest_link`.
        atoms: Numbers of the atoms, counted from 0, as in the file; none for a separation.
    """

    kind: str
    atoms: tuple[int, ...]

    @property
    def unit(self) -> str:
        """Unit of the values of `measure`."""
        return {"coordinate": "bohr", "distance": "angstrom", "separation": "angstrom"}.get(
            self.kind, "degree"
        )


def parse_quantity(kind: str, text: str, n_atoms: int) -> Quantity:
    """Return the quantity of `--distance 0,1` and the like.

    Raises:
        InputError: The text is no list of as many different atoms as the kind needs.
    """
    parts = text.replace(" ", "").split(",")
    needed = _KINDS[kind]
    if len(parts) != needed or not all(part.isdecimal() for part in parts) or len(set(parts)) != needed:
        example = ",".join(str(number) for number in range(needed))
        raise InputError(
            f"`--{kind}` must name {needed} different atoms, but is {text!r}. Try --{kind} {example}."
        )
    atoms = tuple(int(part) for part in parts)
    if max(atoms) >= n_atoms:
        raise InputError(
            f"`--{kind}` must name atoms from 0 to {n_atoms - 1}, but names {max(atoms)}. "
            "Atoms are counted from 0."
        )
    return Quantity(kind, atoms)


def read_quantity(text: str, n_atoms: int) -> Quantity:
    """Return the quantity of `--coordinate "dihedral 1 2 3 4"`.

    Raises:
        InputError: The kind is unknown, or the atoms are not as many different ones as it needs.
    """
    kind, *atoms = text.replace(",", " ").split() or [""]
    if kind not in _KINDS:
        raise InputError(
            f"`--coordinate` must begin with distance, angle, dihedral or pyramidalisation, but is {text!r}. "
            "Try --coordinate 'dihedral 0 1 2 3'."
        )
    needed = _KINDS[kind]
    numbers = [int(atom) for atom in atoms if atom.isdecimal()]
    if len(numbers) != len(atoms) or len(atoms) != needed or len(set(numbers)) != needed:
        example = " ".join(str(number) for number in range(needed))
        raise InputError(
            f"`--coordinate` must name {needed} different atoms of a {kind}, but is {text!r}. "
            f"Try --coordinate '{kind} {example}'."
        )
    if max(numbers) >= n_atoms:
        raise InputError(
            f"`--coordinate` must name atoms from 0 to {n_atoms - 1}, but names {max(numbers)}. "
            "Atoms are counted from 0."
        )
    return Quantity(kind, tuple(numbers))


def check_has_atoms(run: Run, quantities: Sequence[Quantity]) -> None:
    """Refuse distances and angles between coordinates that are no atoms.

    Raises:
        InputError: The run is in generalised coordinates, and one of the quantities is of atoms.
    """
    if run.atomic_numbers is not None and run.positions.shape[3] == 3:
        return
    for quantity in quantities:
        if quantity.kind != "coordinate":
            raise InputError(
                f"a {quantity.kind} must be one of atoms, but {str(run.path)!r} is in coordinates that are "
                f"none. Try --coordinate 'coordinate {quantity.atoms[0]}'."
            )


def choose_quantities(run: Run) -> list[Quantity]:
    """Return what is worth a figure: the dihedral about a central double bond, else what changes most.

    Of a molecule that fell apart this is how far; else, without a double bond, these are the bonds whose
    lengths spread most over all trajectories and times; for generalised coordinates the first ones.
    """
    n_atoms = run.positions.shape[2]
    if run.atomic_numbers is None or run.positions.shape[3] != 3:
        return [Quantity("coordinate", (index,)) for index in range(min(n_atoms, _MOST_CHOSEN))]
    if run.committed_frames == 0 or n_atoms < 2 or run.cell is not None:
        return []
    start = np.asarray(run.positions[0, 0])
    dihedral = central_double_bond(run.atomic_numbers, start)
    if dihedral is not None:
        return [Quantity("dihedral", dihedral)]
    if products(run):
        return [Quantity("separation", ())]
    pairs = [
        Quantity("distance", (int(i), int(j)))
        for i, j in np.argwhere(np.triu(bonds(run.atomic_numbers, start)))
    ]
    if not pairs:
        pairs = [Quantity("distance", (0, 1))]
    alive = run.alive()
    # A fast look at every tenth part of the run is enough to rank them.
    frames = np.unique(np.linspace(0, run.committed_frames - 1, 11).round().astype(int))
    spread = [float(np.std(measure(run, pair, frames=frames)[alive[frames]])) for pair in pairs]
    ranked = sorted(range(len(pairs)), key=lambda index: -spread[index])
    return [pairs[index] for index in sorted(ranked[:_MOST_CHOSEN])]


def measure(
    run: Run, quantity: Quantity, *, frames: np.ndarray | None = None
) -> Float[np.ndarray, "frame traj"]:
    """Return the values of a quantity [bohr for a coordinate, angstrom, degree in (-180, 180]].

    Args:
        run: The trajectories.
        quantity: What to measure.
        frames: Which frames; all if not given.
    """
    chosen = range(run.committed_frames) if frames is None else frames.tolist()
    atoms = list(quantity.atoms)
    if not len(chosen):
        return np.zeros((0, run.n_trajectories))
    # One frame at a time: a long run need not fit into memory.
    if quantity.kind == "separation":
        links = np.stack([longest_link(np.asarray(run.positions[frame])) for frame in chosen])
        return ANGSTROM_PER_BOHR * links
    points = np.stack([np.asarray(run.positions[frame])[:, atoms] for frame in chosen])
    if quantity.kind == "coordinate":
        return points[..., 0, 0]
    if quantity.kind == "distance":
        return ANGSTROM_PER_BOHR * np.linalg.norm(points[..., 1, :] - points[..., 0, :], axis=-1)
    if quantity.kind == "angle":
        return angle(points)
    if quantity.kind == "pyramidalisation":
        return pyramidalisation(points)
    return dihedral(points)


def angle(points: Float[np.ndarray, "... 3 3"]) -> Float[np.ndarray, "..."]:
    """Return the angle at the middle one of three points [degree]."""
    first, second = points[..., 0, :] - points[..., 1, :], points[..., 2, :] - points[..., 1, :]
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    # Exact near 0 and 180 degrees, where an arccosine loses half of the digits.
    return np.degrees(np.arctan2(cross, (first * second).sum(axis=-1)))


def dihedral(points: Float[np.ndarray, "... 4 3"]) -> Float[np.ndarray, "..."]:
    """Return the dihedral of four points, in (-180, 180], 0 for cis [degree]; the sign is IUPAC's."""
    first, axis, last = (points[..., n + 1, :] - points[..., n, :] for n in range(3))
    left, right = np.cross(first, axis), np.cross(axis, last)
    sine = (np.cross(left, right) * axis).sum(axis=-1) / np.linalg.norm(axis, axis=-1)
    return np.degrees(np.arctan2(sine, (left * right).sum(axis=-1)))


def pyramidalisation(points: Float[np.ndarray, "... 4 3"]) -> Float[np.ndarray, "..."]:
    """Return the angle of the bond from the first point to the second out of the plane of the first, third
    and fourth [degree], from -90 to 90; 0 of a flat centre, 54.7 in size of a tetrahedral one.

    Source: E. B. Wilson, J. C. Decius and P. C. Cross, Molecular Vibrations (McGraw-Hill, 1955), section 4-1.
    """
    bond, second, third = (points[..., n, :] - points[..., 0, :] for n in (1, 2, 3))
    normal = np.cross(second, third)
    up = (bond * normal).sum(axis=-1)
    # Exact near 90 degrees, where an arcsine loses half of the digits.
    along = np.linalg.norm(np.cross(bond, normal), axis=-1)
    return np.degrees(np.arctan2(up, along))


def label(run: Run, quantity: Quantity) -> str:
    """Return a name for a figure, such as `C2-C0=C1-C3 dihedral`."""
    if run.atomic_numbers is None:
        return f"coordinate {quantity.atoms[0]}"
    if quantity.kind == "separation":
        return "longest link of the molecule"
    names = [
        f"{isotope_symbol(int(run.atomic_numbers[atom]), float(run.masses[atom]))}{atom}"
        for atom in quantity.atoms
    ]
    return f"{quantity.kind} {'–'.join(names)}"


def isomers(run: Run, quantity: Quantity) -> dict[str, float | int]:
    """Return the fraction of trajectories with |dihedral| > 90 degrees at start and end, and of changes.

    Fractions are over the `n_known` trajectories of `n_trajectories` that came to the end of the run, and NaN
    if those are less than half of all, by weight; empty if none did. The 95 % interval of `isomerised` holds
    whatever became of the others: its lower end is that of a run in which none of them isomerised, its upper
    end that of a run in which all of them did.
    """
    found = isomerised(run, quantity)
    if found is None:
        return {}
    done, trans, crossed = found
    weight = np.where(done, run.weight, 0.0) / run.weight[done].sum()
    of_all = run.weight / run.weight.sum()
    sure, unknown = of_all @ crossed, of_all[~done].sum()
    n = effective_number(run.weight)
    low, _ = wilson(np.array([sure]), n)
    _, high = wilson(np.array([min(sure + unknown, 1.0)]), n)
    # Of a minority these would say nothing of all.
    says = 1.0 if unknown <= MOST_UNKNOWN else np.nan
    return {
        "trans_at_start": says * float(weight @ trans[0]),
        "trans_at_end": says * float(weight @ trans[1]),
        "isomerised": says * float(weight @ crossed),
        "isomerised_low": float(low[0]),
        "isomerised_high": float(high[0]),
        "n_known": int(done.sum()),
        "n_trajectories": run.n_trajectories,
    }


def isomerised(
    run: Run, quantity: Quantity
) -> tuple[Bool[np.ndarray, "traj"], Bool[np.ndarray, "end traj"], Bool[np.ndarray, "traj"]] | None:
    """Return which trajectories came to the end, are trans at start and end, and changed; None if none did.

    What did not come to the end counts as neither trans nor changed. None also for another quantity than a
    dihedral.
    """
    done = has_last_geometry(run)
    if quantity.kind != "dihedral" or not done.any():
        return None
    ends = np.array([0, run.committed_frames - 1])
    trans, crossed = np.zeros((2, run.n_trajectories), bool), np.zeros(run.n_trajectories, bool)
    trans[:, done] = np.abs(measure(run, quantity, frames=ends)[:, done]) > 90
    # A dihedral whose atoms are no longer in one fragment is neither cis nor trans.
    member = fragments(run.atomic_numbers, np.asarray(run.positions[-1])[done])[:, list(quantity.atoms)]
    crossed[done] = (trans[0, done] != trans[1, done]) & (member == member[:, :1]).all(axis=1)
    return done, trans, crossed
