"""Where a search for crossings begins: hops and narrow gaps of a run, a file, a model's own start."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.data.readers.table import read_file
from nadyn.data.similarity import sorted_within_kinds
from nadyn.learning.geometries import read_geometries
from nadyn.models.model import Model
from nadyn.structures import pair_distances
from nadyn.trajectory.reader import Run, open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, FEMTOSECOND_PER_AU, HARTREE_PER_EV

# A gap above it is no neighbourhood of a crossing.
_NARROW = 1.0 * HARTREE_PER_EV
# Of many candidates, so many times what is asked for are kept, those of the narrowest gap.
_POOL = 10
# Random displacement of the starts about a geometry that is far from any crossing [bohr].
_SPREAD_BOHR = 0.25


@dataclass(frozen=True, eq=False)
class Starts:
    """Geometries from which a search begins.

    Attributes:
        positions: [bohr], or generalised coordinates.
        origins: Where each is from, in words.
        atomic_numbers: None for generalised coordinates.
        states: The two states that they are for, where that is known.
    """

    positions: tuple[Float[np.ndarray, "atom x"], ...]
    origins: tuple[str, ...]
    atomic_numbers: tuple[int, ...] | None
    states: tuple[int, int] | None = None


def starts_of_run(path: str | Path, states: tuple[int, int] | None, n: int) -> Starts:
    """Return where trajectories hopped between two states, and without hops where their gap was narrow.

    Of more than are asked for, those of the narrowest gap are taken that differ most from each other. Without
    `states` they are those of most hops.

    Args:
        path: A trajectory file.
        states: Two states of the run.
        n: How many at most.

    Raises:
        InputError: The run has one state, mixes multiplicities, or no trajectory came near a crossing.
    """
    run = open_run(path)
    where = f"run {str(path)!r}"
    if run.n_states < 2:
        raise InputError(f"{where} must have two states or more, but has one.")
    spins = run.attributes.get("multiplicities", "[]")
    if len(set(np.atleast_1d(spins).tolist())) > 1 and not isinstance(spins, str):
        raise InputError(
            f"{where} must have states of one multiplicity, but has several, which its hops mix. Give "
            "geometries by `--guess`."
        )
    chosen = states or _most_hops(run)
    if chosen[1] >= run.n_states:
        raise InputError(f"`--states` must be below {run.n_states}, the states of {where}, but are {chosen}.")
    places = _hops(run, chosen) or _narrow(run, chosen)
    if not places:
        raise InputError(
            f"{where} must have hops between states {chosen[0]} and {chosen[1]}, or gaps below 1 eV, but has "
            "none. Give geometries by `--guess`."
        )
    positions = [np.array(run.positions[frame, trajectory]) for frame, trajectory, _, _ in places]
    numbers = None if run.atomic_numbers is None else tuple(run.atomic_numbers.tolist())
    picked = _picked(positions, [gap for *_, gap, _ in places], numbers, n)
    return Starts(
        tuple(positions[index] for index in picked),
        tuple(places[index][3] for index in picked),
        numbers,
        chosen,
    )


def starts_of_file(path: str | Path, states: tuple[int, int], n: int) -> Starts:
    """Return geometries of an .xyz file, or the frames of a dataset with the narrowest gaps.

    Raises:
        InputError: The file is none of these, or holds several molecules.
    """
    path = Path(path)
    check_file(path, f"guess {str(path)!r}")
    found = read_geometries(path)
    gaps = np.zeros(len(found))
    if path.suffix.lower() not in (".xyz", ".extxyz"):
        gaps = _gaps_of_dataset(path, states, len(found))
    positions = list(found.positions)
    picked = _picked(positions, gaps.tolist(), found.atomic_numbers, n)
    return Starts(
        tuple(positions[index] for index in picked),
        tuple(f"{path.name}, frame {index}" if len(positions) > 1 else path.name for index in picked),
        found.atomic_numbers,
    )


def starts_of_model(model: Model, n: int, *, seed: int) -> Starts:
    """Return the geometry that a model starts from, and random displacements about it.

    Raises:
        InputError: The model of a molecule has none.
    """
    shape = (len(model.masses), 3 if model.coordinates == "cartesian" else 1)
    stored = getattr(model, "starting_geometry", None)
    if stored is None and model.coordinates == "cartesian":
        raise InputError(
            f"model {model.name} must have a starting geometry, but has none. Give one by `--guess`."
        )
    centre = np.zeros(shape) if stored is None else np.asarray(stored, dtype=np.float64)
    size = _SPREAD_BOHR if model.coordinates == "cartesian" else 1.0
    random = np.random.default_rng(seed)
    moved = [centre + size * random.standard_normal(shape) for _ in range(n - 1)]
    return Starts(
        (centre, *moved),
        ("start of the model", *("near the start of the model",) * (n - 1)),
        model.atomic_numbers,
    )


def _most_hops(run: Run) -> tuple[int, int]:
    accepted = run.hops["accepted"] == 1
    columns = (run.hops[name][accepted].tolist() for name in ("from_state", "to_state"))
    ends = zip(*columns, strict=True)
    counts = Counter(tuple(sorted(pair)) for pair in ends)
    neighbours = {pair: count for pair, count in counts.items() if pair[1] == pair[0] + 1}
    return max(neighbours, key=neighbours.get) if neighbours else (0, 1)


def _hops(run: Run, states: tuple[int, int]) -> list[tuple[int, int, float, str]]:
    """Return frame, trajectory, gap and words of each accepted hop between two states."""
    hops, every = run.hops, int(run.attributes["write_every"])
    dt_fs = float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU
    chosen = hops["accepted"] == 1
    for state in states:
        chosen &= (hops["from_state"] == state) | (hops["to_state"] == state)
    places = []
    for row in np.flatnonzero(chosen):
        trajectory, step = int(hops["traj"][row]), int(hops["step"][row])
        last = min(int(run.last_step[trajectory]) // every, run.committed_frames - 1)
        frame = min(round(step / every), last)
        a, b = int(hops["from_state"][row]), int(hops["to_state"][row])
        words = f"hop {a} to {b} of trajectory {trajectory} at {step * dt_fs:.1f} fs"
        places.append((frame, trajectory, float(hops["gap"][row]), words))
    return places


def _narrow(run: Run, states: tuple[int, int]) -> list[tuple[int, int, float, str]]:
    """Return where the gap of each trajectory was narrowest, if that is below 1 eV."""
    gaps = run.energies[:, :, states[1]] - run.energies[:, :, states[0]]
    gaps = np.where(run.alive() & np.isfinite(gaps), gaps, np.inf)
    places = []
    for trajectory, frame in enumerate(np.argmin(gaps, axis=0).tolist()):
        gap = float(gaps[frame, trajectory])
        if gap < _NARROW:
            words = f"gap of {gap * ELECTRONVOLT_PER_HARTREE:.2f} eV of trajectory {trajectory} at "
            places.append((frame, trajectory, gap, f"{words}{run.time_fs[frame]:.1f} fs"))
    return places


def _gaps_of_dataset(path: Path, states: tuple[int, int], n_frames: int) -> np.ndarray:
    energies = np.concatenate([group.energies for group in read_file(path).groups])
    if len(energies) != n_frames or energies.shape[1] <= states[1]:
        return np.zeros(n_frames)
    gaps = np.abs(energies[:, states[1]] - energies[:, states[0]])
    return np.where(np.isfinite(gaps), gaps, np.inf)


def _picked(
    positions: list[np.ndarray], gaps: list[float], numbers: tuple[int, ...] | None, n: int
) -> list[int]:
    """Return which geometries to take: that of the narrowest gap, and each time the one farthest from all."""
    order = np.argsort(gaps, kind="stable")[: _POOL * n]
    if len(order) <= n:
        return order.tolist()
    features = _features(np.stack([positions[index] for index in order]), numbers)
    picked = [0]
    far = np.linalg.norm(features - features[0], axis=1)
    while len(picked) < n:
        picked.append(int(np.argmax(far)))
        far = np.minimum(far, np.linalg.norm(features - features[picked[-1]], axis=1))
    return [int(order[index]) for index in picked]


def _features(positions: np.ndarray, numbers: tuple[int, ...] | None) -> np.ndarray:
    """Return numbers that do not change when the molecule moves or like atoms are exchanged."""
    if numbers is None:
        return positions.reshape(len(positions), -1)
    first, second = np.triu_indices(len(numbers), k=1)
    kinds = np.sort(np.array(numbers)[np.stack([first, second])], axis=0)
    return sorted_within_kinds(pair_distances(positions), kinds[0] * 1000 + kinds[1])
