"""Hops grouped by geometry: representative structures, how many hops each, how far from known crossings."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.structures import atomic_number, check_apart, isotope_symbol
from nadyn.structures.matching import match
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# Distances of all pairs are computed for so many hops; the others join the nearest representative.
_MOST_PAIRED = 120
WITHIN_ANGSTROM = 0.4


@dataclass(frozen=True, eq=False)
class Cluster:
    """Hops of like geometry.

    Attributes:
        number: From 0, the largest first.
        n: How many hops.
        pairs: Of which states: {"1-0": n}.
        row: Hop that represents it, by its row in the hop table.
        traj: Its trajectory.
        time_fs: Its time [fs].
        positions: Its geometry, of the last frame before it [bohr].
        spread_angstrom: Mean distance of the hops to it, as the root mean square over atoms.
        crossing: Number of the nearest known crossing; None where none is given.
        crossing_angstrom: Its distance from the representative.
    """

    number: int
    n: int
    pairs: dict[str, int]
    row: int
    traj: int
    time_fs: float
    positions: Float[np.ndarray, "atom 3"]
    spread_angstrom: float
    crossing: int | None = None
    crossing_angstrom: float | None = None


def hop_rows(run: Run) -> tuple[Int[np.ndarray, "hop"], Int[np.ndarray, "hop"]]:
    """Return the rows of accepted hops in the hop table and the last frame that is not after each."""
    hops = run.hops
    rows = np.nonzero((hops["accepted"] == 1) & (hops["step"] <= run.last_step[hops["traj"]]))[0]
    frames = hops["step"][rows] // int(run.attributes["write_every"])
    return rows, np.minimum(frames, run.committed_frames - 1)


def hop_clusters(
    run: Run, *, within_angstrom: float = WITHIN_ANGSTROM
) -> tuple[list[Cluster], Int[np.ndarray, "hop"]]:
    """Return groups of hops, and the number of each row of the hop table's group, -1 for refused hops.

    The distance of two geometries is the smallest root mean square distance of their atoms over rotations,
    mirror images and orders of like atoms. Groups are joined as long as their mean distance is below
    `within_angstrom` (average linkage); of more than 120 hops, 120 at even distances in the table are grouped
    and the others join the nearest representative, the member with the smallest mean distance to its group.

    Raises:
        InputError: The run is none of a molecule, or holds no hop.
    """
    if run.atomic_numbers is None or run.positions.shape[3] != 3 or run.cell is not None:
        raise InputError(f"`--hops` must come with a run of a molecule, but {run.path.name!r} is none.")
    rows, frames = hop_rows(run)
    if not len(rows):
        raise InputError(f"`--hops` must come with a run that holds hops, but {run.path.name!r} has none.")
    traj = run.hops["traj"][rows]
    points = np.stack([np.asarray(run.positions[f, t]) for f, t in zip(frames, traj, strict=True)])
    chosen = np.unique(np.linspace(0, len(rows) - 1, _MOST_PAIRED).round().astype(int))
    distance = np.zeros((len(chosen), len(chosen)))
    for i, a in enumerate(chosen):
        for j in range(i):
            distance[i, j] = distance[j, i] = _distance(points[a], points[chosen[j]], run)
    group = np.ones(1, int)
    if len(chosen) > 1:
        tree = linkage(squareform(distance), method="average")
        group = fcluster(tree, within_angstrom, criterion="distance")
    heads = []
    for number in np.unique(group):
        members = np.nonzero(group == number)[0]
        heads.append(int(members[distance[np.ix_(members, members)].mean(axis=1).argmin()]))
    # To each representative; those that were grouped keep their group.
    of_head = np.array([[_distance(points[chosen[h]], one, run) for h in heads] for one in points])
    nearest = of_head.argmin(axis=1)
    nearest[chosen] = np.searchsorted(np.unique(group), group)
    order = np.argsort(-np.bincount(nearest, minlength=len(heads)), kind="stable")
    found = []
    for number, old in enumerate(order):
        members = np.nonzero(nearest == old)[0]
        head = int(chosen[heads[old]])
        found.append(_cluster(run, number, head, members, rows, points, of_head[:, old]))
    numbers = np.full(len(run.hops["step"]), -1)
    numbers[rows] = np.argsort(order)[nearest]
    return found, numbers


def _cluster(
    run: Run,
    number: int,
    head: int,
    members: Int[np.ndarray, "member"],
    rows: Int[np.ndarray, "hop"],
    points: Float[np.ndarray, "hop atom 3"],
    distance: Float[np.ndarray, "hop"],
) -> Cluster:
    hops = run.hops
    pairs = [f"{hops['from_state'][row]}-{hops['to_state'][row]}" for row in rows[members]]
    step_fs = float(run.time_fs[1] / int(run.attributes["write_every"])) if len(run.time_fs) > 1 else 0.0
    return Cluster(
        number=number,
        n=len(members),
        pairs={pair: pairs.count(pair) for pair in sorted(set(pairs))},
        row=int(rows[head]),
        traj=int(hops["traj"][rows[head]]),
        time_fs=float(hops["step"][rows[head]]) * step_fs,
        positions=points[head],
        spread_angstrom=float(distance[members].mean()),
    )


def _distance(first: np.ndarray, second: np.ndarray, run: Run) -> float:
    return ANGSTROM_PER_BOHR * match(first, second, run.atomic_numbers).rmsd


def read_crossings(path: str | Path) -> tuple[Int[np.ndarray, "atom"], Float[np.ndarray, "crossing atom 3"]]:
    """Return elements and geometries [bohr] of the crossings that `nadyn intersect` found.

    Args:
        path: Its folder, or a file with several geometries of one molecule (.xyz).

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    path = Path(path)
    path = path / "crossings.xyz" if path.is_dir() else path
    where = f"crossings {str(path)!r}"
    check_file(path, where)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    names, geometries = [], []
    while lines and lines[0].strip():
        n = int(lines[0]) if lines[0].strip().isdecimal() else 0
        fields = [line.split() for line in lines[2 : 2 + n]]
        try:
            geometries.append([[float(x) for x in row[1:4]] for row in fields])
            names.append([atomic_number(row[0]) for row in fields])
        except (ValueError, IndexError) as error:
            raise InputError(f"{where} must be an .xyz file, but cannot be read as one.") from error
        if n == 0 or len(fields) < n or any(len(row) < 4 for row in fields) or names[-1] != names[0]:
            raise InputError(f"{where} must hold geometries of one molecule (.xyz), but does not.")
        if not np.isfinite(geometries[-1]).all():
            raise InputError(
                f"{where}: positions must be finite, but those of geometry {len(geometries) - 1} are not. "
                "Remove that geometry."
            )
        check_apart(np.array(geometries[-1]) * BOHR_PER_ANGSTROM, f"{where}, geometry {len(geometries) - 1},")
        lines = lines[2 + n :]
    if not geometries:
        raise InputError(f"{where} must hold a geometry, but is empty.")
    return np.array(names[0]), np.array(geometries) * BOHR_PER_ANGSTROM


def beside_crossings(
    clusters: list[Cluster],
    run: Run,
    atomic_numbers: Int[np.ndarray, "atom"],
    crossings: Float[np.ndarray, "crossing atom 3"],
) -> list[Cluster]:
    """Return clusters with the known crossing that is nearest to their representative.

    Raises:
        InputError: The crossings are of other atoms.
    """
    if not np.array_equal(atomic_numbers, run.atomic_numbers):
        raise InputError(
            "`--crossings` must hold the atoms of the run in their order, but holds others. Search with the "
            "model of the run."
        )
    found = []
    for one in clusters:
        far = [_distance(one.positions, crossing, run) for crossing in crossings]
        nearest = int(np.argmin(far))
        found.append(replace(one, crossing=nearest, crossing_angstrom=float(far[nearest])))
    return found


def clusters_xyz(clusters: list[Cluster], run: Run) -> str:
    """Return the representatives as frames of an .xyz file, the largest group first."""
    lines: list[str] = []
    for one in clusters:
        pairs = ",".join(f"{n}x{pair}" for pair, n in one.pairs.items())
        lines += [
            str(len(one.positions)),
            f"cluster={one.number} n_hops={one.n} hops={pairs} traj={one.traj} hop_fs={one.time_fs:.6g}",
        ]
        for z, mass, point in zip(run.atomic_numbers, run.masses, one.positions, strict=True):
            x, y, w = ANGSTROM_PER_BOHR * point
            name = isotope_symbol(int(z), float(mass)).split("]")[-1]
            lines.append(f"{name:2s} {x:15.8f} {y:15.8f} {w:15.8f}")
    return "".join(line + "\n" for line in lines)
