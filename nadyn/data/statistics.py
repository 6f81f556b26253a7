"""What is in a dataset, in a few numbers a group."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float

from nadyn.data.dataset import Dataset, Group
from nadyn.structures import symbol
from nadyn.structures.distances import closest_approach
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

NEAR_GAP_EV = 0.3
_PERIODIC_CUTOFF_BOHR = 6.0 * BOHR_PER_ANGSTROM


@dataclass(frozen=True)
class GroupStatistics:
    """Numbers about one group; lists have one entry a state, or one a pair of states.

    Attributes:
        name: Name of the group.
        n_frames: Number of frames.
        n_atoms: Number of atoms.
        n_states: Number of states.
        n_labelled: Number of frames with at least one value, by label.
        energy_min_ev: Lowest energy [eV].
        energy_max_ev: Highest energy [eV].
        energy_mean_ev: Mean energy [eV].
        energy_std_ev: Standard deviation of the energy [eV].
        gap_min_ev: Smallest gap between adjacent states of one multiplicity [eV]; None for a single state.
        n_near: Number of frames with such a gap under 0.3 eV.
        force_rms_ev_per_angstrom: Root mean square of the force components [eV/Å]; empty without forces.
        coupling_median_ev_per_angstrom: Median of |h| over all 3N components together [eV/Å].
        coupling_max_ev_per_angstrom: Largest |h| [eV/Å].
        coupling_max_frame: Frame of the largest |h|; None (and NaN above) for a pair that no frame has.
        shortest_angstrom: Shortest distance by pair of elements [Å], such as {"C-H": 0.97}.
    """

    name: str
    n_frames: int
    n_atoms: int
    n_states: int
    n_labelled: dict[str, int]
    energy_min_ev: list[float]
    energy_max_ev: list[float]
    energy_mean_ev: list[float]
    energy_std_ev: list[float]
    gap_min_ev: float | None
    n_near: int
    force_rms_ev_per_angstrom: list[float]
    coupling_median_ev_per_angstrom: list[float]
    coupling_max_ev_per_angstrom: list[float]
    coupling_max_frame: list[int | None]
    shortest_angstrom: dict[str, float]


def statistics(dataset: Dataset) -> tuple[GroupStatistics, ...]:
    """Return the numbers of each group."""
    return tuple(group_statistics(group) for group in dataset.groups)


def group_statistics(group: Group) -> GroupStatistics:
    """Return the numbers of one group."""
    energies = group.energies * ELECTRONVOLT_PER_HARTREE
    gaps = smallest_gaps(group) * ELECTRONVOLT_PER_HARTREE
    norms = np.empty((group.n_frames, 0))
    if group.interstate_couplings is not None:
        norms = np.sqrt((group.interstate_couplings**2).sum(axis=(2, 3))) * EV_PER_ANGSTROM_PER_AU
    force_rms: list[float] = []
    if group.forces is not None:
        squares = group.forces**2
        counts = np.isfinite(squares).sum(axis=(0, 2, 3))
        mean = np.nansum(squares, axis=(0, 2, 3)) / np.where(counts, counts, np.nan)
        force_rms = (np.sqrt(mean) * EV_PER_ANGSTROM_PER_AU).tolist()
    labels = {key: array for key, array in group.frame_arrays().items() if key not in ("positions", "cell")}
    return GroupStatistics(
        name=group.name,
        n_frames=group.n_frames,
        n_atoms=group.n_atoms,
        n_states=group.n_states,
        n_labelled={
            key: int(np.isfinite(array).reshape(group.n_frames, -1).any(axis=1).sum())
            for key, array in labels.items()
        },
        energy_min_ev=energies.min(axis=0).tolist(),
        energy_max_ev=energies.max(axis=0).tolist(),
        energy_mean_ev=energies.mean(axis=0).tolist(),
        energy_std_ev=energies.std(axis=0).tolist(),
        gap_min_ev=float(gaps.min()) if np.isfinite(gaps).any() else None,
        n_near=int((gaps < NEAR_GAP_EV).sum()),
        force_rms_ev_per_angstrom=force_rms,
        coupling_median_ev_per_angstrom=[_of_known(np.median, column) for column in norms.T],
        coupling_max_ev_per_angstrom=[_of_known(np.max, column) for column in norms.T],
        coupling_max_frame=[
            None if np.isnan(column).all() else int(np.nanargmax(column)) for column in norms.T
        ],
        shortest_angstrom=_shortest(group),
    )


def smallest_gaps(group: Group) -> Float[np.ndarray, "frame"]:
    """Return the smallest gap between adjacent states of one multiplicity [hartree]; inf without a pair."""
    spins = np.array(group.multiplicities)
    steps = np.where(spins[1:] == spins[:-1], np.diff(group.energies, axis=1), np.inf)
    return steps.min(axis=1, initial=np.inf)


def _of_known(function: Callable[[np.ndarray], float], values: Float[np.ndarray, "frame"]) -> float:
    known = values[~np.isnan(values)]
    return float(function(known)) if known.size else float("nan")


def _shortest(group: Group) -> dict[str, float]:
    """Shortest distance of each pair of elements; in a cell up to 6 Å, images included."""
    cutoff = _PERIODIC_CUTOFF_BOHR if group.pbc.any() else np.inf
    closest = closest_approach(group.positions, cutoff=cutoff, cell=group.cell, pbc=group.pbc)
    shortest = {}
    for a, b in combinations_with_replacement(np.unique(group.atomic_numbers).tolist(), 2):
        of_pair = closest[np.ix_(group.atomic_numbers == a, group.atomic_numbers == b)]
        if np.isfinite(of_pair).any():
            shortest[f"{symbol(a)}-{symbol(b)}"] = float(of_pair.min() * ANGSTROM_PER_BOHR)
    return shortest
