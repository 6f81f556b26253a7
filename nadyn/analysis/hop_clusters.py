"""Hops grouped by geometry: representative structures, how many hops each, how far from known crossings."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from nadyn.analysis.quantum_yields import shares
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.structures import atomic_number, check_apart, isotope_symbol
from nadyn.structures.matching import n_orders, rmsds
from nadyn.trajectory import Run
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE, FEMTOSECOND_PER_AU

# Distances of all pairs are computed for so many hops; the others join the nearest representative.
_MOST_PAIRED = 120
# Where like atoms have more orders than these, a pair takes milliseconds, and fewer must do.
_MANY_ORDERS, _FEWER_PAIRED = 5040, 60
# Of representatives, so many that are nearest by sorted distances between atoms are compared in full.
_MOST_COMPARED = 4
WITHIN_ANGSTROM = 0.4


@dataclass(frozen=True, eq=False)
class Cluster:
    """Hops of like geometry.

    Attributes:
        number: From 0, the largest first.
        n: How many hops.
        share: Of all hops, by weight of their trajectories.
        low: Lower end of its 95 % interval; those of all groups hold at once, see `quantum_yields.shares`.
        high: Upper end.
        pairs: Of which states: {"1-0": n}.
        row: Hop that represents it, by its row in the hop table.
        traj: Its trajectory.
        time_fs: Its time [fs].
        positions: Its geometry, of the last frame before it [bohr].
        frame: Frame of its geometry.
        spread_angstrom: Mean distance of the hops to it, as the root mean square over atoms.
        gap_ev: Mean energy gap at the hops [eV].
        crossing: Number of the nearest known crossing; None where none is given.
        crossing_angstrom: Its distance from the representative.
    """

    number: int
    n: int
    share: float
    low: float
    high: float
    pairs: dict[str, int]
    row: int
    traj: int
    frame: int
    time_fs: float
    positions: Float[np.ndarray, "atom 3"]
    spread_angstrom: float
    gap_ev: float
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
    `within_angstrom` (average linkage). Of more than 120 hops, 120 at even distances in the table are grouped
    (60, where like atoms have more than 5040 orders) and the others join the nearest representative, the
    member with the smallest mean distance to its group.

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
    most = _MOST_PAIRED if n_orders(run.atomic_numbers) <= _MANY_ORDERS else _FEWER_PAIRED
    chosen = np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))
    distance = np.zeros((len(chosen), len(chosen)))
    above = np.triu_indices(len(chosen), 1)
    distance[above] = _distances(points[chosen[above[0]]], points[chosen[above[1]]], run)
    distance += distance.T
    group = np.zeros(1, int)
    if len(chosen) > 1:
        tree = linkage(squareform(distance), method="average")
        group = np.unique(fcluster(tree, within_angstrom, criterion="distance"), return_inverse=True)[1]
    heads = []
    for number in range(group.max() + 1):
        members = np.nonzero(group == number)[0]
        heads.append(int(chosen[members[distance[np.ix_(members, members)].mean(axis=1).argmin()]]))
    nearest, far = _nearest(points, points[heads], run)
    # Those that were grouped keep their group.
    place = np.searchsorted(chosen, heads)
    nearest[chosen], far[chosen] = group, distance[np.arange(len(chosen)), place[group]]
    order = np.argsort(-np.bincount(nearest, minlength=len(heads)), kind="stable")
    nearest = np.argsort(order)[nearest]
    weight = np.asarray(run.weight)[traj]
    seed = int(run.attributes["seed"])
    parts = {one.name: one for one in shares(nearest.astype(str).tolist(), weight, seed=seed)}
    found = []
    for number, head in enumerate(np.array(heads)[order].tolist()):
        chosen_rows = nearest == number
        share = parts[str(number)]
        found.append(
            Cluster(
                number=number,
                n=share.n,
                share=share.fraction,
                low=share.low,
                high=share.high,
                pairs=_pairs(run, rows[chosen_rows]),
                row=int(rows[head]),
                traj=int(traj[head]),
                frame=int(frames[head]),
                time_fs=float(run.hops["step"][rows[head]]) * _step_fs(run),
                positions=points[head],
                spread_angstrom=float(far[chosen_rows].mean()),
                gap_ev=float(run.hops["gap"][rows[chosen_rows]].mean()) * ELECTRONVOLT_PER_HARTREE,
            )
        )
    numbers = np.full(len(run.hops["step"]), -1)
    numbers[rows] = nearest
    return found, numbers


def _nearest(
    points: Float[np.ndarray, "hop atom 3"], heads: Float[np.ndarray, "head atom 3"], run: Run
) -> tuple[Int[np.ndarray, "hop"], Float[np.ndarray, "hop"]]:
    """Return the nearest representative of each hop and its distance [angstrom]."""
    prints, of_heads = (_sorted_distances(each, run.atomic_numbers) for each in (points, heads))
    apart = np.stack([((prints - one) ** 2).sum(axis=1) for one in of_heads], axis=1)
    tried = np.argsort(apart, axis=1, kind="stable")[:, :_MOST_COMPARED]
    first = np.repeat(points, tried.shape[1], axis=0)
    far = _distances(first, heads[tried.ravel()], run).reshape(tried.shape)
    best = far.argmin(axis=1)
    hops = np.arange(len(points))
    return tried[hops, best], far[hops, best]


def _sorted_distances(
    points: Float[np.ndarray, "geometry atom 3"], atomic_numbers: Int[np.ndarray, "atom"]
) -> Float[np.ndarray, "geometry pair"]:
    """Return distances between atoms, sorted for each pair of elements, so that like atoms are alike."""
    first, second = np.triu_indices(points.shape[1], 1)
    distances = np.linalg.norm(points[:, first] - points[:, second], axis=2)
    elements = np.sort(np.stack([atomic_numbers[first], atomic_numbers[second]]), axis=0)
    kinds = np.unique(elements, axis=1, return_inverse=True)[1].ravel()
    return np.concatenate(
        [np.sort(distances[:, kinds == kind], axis=1) for kind in range(kinds.max(initial=-1) + 1)], axis=1
    )


def _pairs(run: Run, rows: Int[np.ndarray, "hop"]) -> dict[str, int]:
    """Return how many hops there are between which states."""
    names = [f"{run.hops['from_state'][row]}-{run.hops['to_state'][row]}" for row in rows]
    return {name: names.count(name) for name in sorted(set(names))}


def _step_fs(run: Run) -> float:
    return float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU


def _distances(
    first: Float[np.ndarray, "pair atom 3"], second: Float[np.ndarray, "pair atom 3"], run: Run
) -> Float[np.ndarray, "pair"]:
    return ANGSTROM_PER_BOHR * rmsds(first, second, run.atomic_numbers)


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
        far = _distances(np.broadcast_to(one.positions, crossings.shape), crossings, run)
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
