"""Hops: how many, where, and whether they kept the energy."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from nadyn.checks.counts import counted
from nadyn.trajectory import Run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, FEMTOSECOND_PER_AU

# So many pairs of states are named; twelve spin-adiabatic states have sixty.
_MOST_PAIRS = 8


@dataclass(frozen=True)
class HopStatistics:
    """What the hop table says.

    Attributes:
        counts: Accepted hops by `from-to`.
        frustrated: Number of hops refused for want of kinetic energy.
        time_fs: Of each hop, refused ones included [fs].
        gap_ev: Energy difference of the two states at each hop [eV].
        is_accepted: Whether the trajectory changed its state.
        is_downward: Whether the hop goes to a lower state.
        energy_error_max_ev: Largest change of kinetic plus potential energy in an accepted hop [eV].
    """

    counts: dict[str, int]
    frustrated: int
    time_fs: Float[np.ndarray, "hop"]
    gap_ev: Float[np.ndarray, "hop"]
    is_accepted: Bool[np.ndarray, "hop"]
    is_downward: Bool[np.ndarray, "hop"]
    energy_error_max_ev: float


def pairs_in_words(counts: dict[str, int]) -> str:
    """Return the numbers of hops by `from-to` as text, of many pairs those of the most."""
    shown = list(counts.items())
    if len(shown) > _MOST_PAIRS:
        shown = sorted(shown, key=lambda one: -one[1])[:_MOST_PAIRS]
    words = ", ".join(f"{n} {pair.replace('-', '→')}" for pair, n in shown) or "none"
    rest = len(counts) - len(shown)
    if rest:
        others = sum(counts.values()) - sum(n for _, n in shown)
        words += f" and {others} between {counted(rest, 'other pair')}"
    return words


def hop_statistics(run: Run) -> HopStatistics:
    """Return counts, times, gaps and energy errors of the hops of a run."""
    hops = run.hops
    accepted = hops["accepted"] == 1
    pairs = np.stack([hops["from_state"][accepted], hops["to_state"][accepted]], axis=-1)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    before = hops["kinetic_before"] + hops["energy_from"]
    after = hops["kinetic_after"] + hops["energy_to"]
    dt_fs = float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU
    return HopStatistics(
        counts={f"{a}-{b}": int(n) for (a, b), n in zip(unique.tolist(), counts, strict=True)},
        frustrated=int((~accepted).sum()),
        time_fs=hops["step"] * dt_fs,
        gap_ev=hops["gap"] * ELECTRONVOLT_PER_HARTREE,
        is_accepted=accepted,
        is_downward=hops["to_state"] < hops["from_state"],
        energy_error_max_ev=float(np.abs(after - before)[accepted].max(initial=0.0))
        * ELECTRONVOLT_PER_HARTREE,
    )
