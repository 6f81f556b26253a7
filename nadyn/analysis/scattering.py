"""Transmission and reflection on each state, for one coordinate."""

from dataclasses import dataclass

import numpy as np

from nadyn.analysis.fates import (
    MOST_UNKNOWN,
    effective_number,
    ended_as_asked,
    final_state,
    has_last_geometry,
)
from nadyn.trajectory import Run


@dataclass(frozen=True)
class Branching:
    """Where scattered trajectories went.

    Attributes:
        fraction: By `T0`, `T1`, `R0`, `R1`, …: transmitted or reflected, on adiabatic state 0, 1, …; NaN if
            more than half of the trajectories are undecided, stopped or still running, by weight.
        error: Standard error of each.
        n_undecided: Trajectories that did not leave, though the run was to end them outside, that move
            towards x = 0 at its end, or that settled on the lowest state on their way.
    """

    fraction: dict[str, float]
    error: dict[str, float]
    n_undecided: int


def branching(run: Run) -> Branching | None:
    """Return the outcome of a scattering run; None if the run is none.

    A scattering run has one generalised coordinate, and every trajectory starts on the same side and moves
    towards x = 0. Transmitted is what ends on the other side. Trajectories that have not ended do not count,
    nor those that settled on the lowest state wherever they were, and without a region to leave
    (`stop.beyond_au`) neither do those that move towards x = 0 at the end.
    """
    if run.atomic_numbers is not None or run.positions.shape[2:] != (1, 1) or run.committed_frames == 0:
        return None
    start, momentum = np.asarray(run.positions[0, :, 0, 0]), np.asarray(run.momenta[0, :, 0, 0])
    if not (np.all(start * momentum < 0) and np.all(start * start[0] > 0)):
        return None
    left = np.array([run.status_names[int(code)] == "left_region" for code in run.status])
    ends_outside = (run.config.get("stop") or {}).get("beyond_au") is not None
    position, last = (
        np.asarray(each[run.committed_frames - 1, :, 0, 0]) for each in (run.positions, run.momenta)
    )
    # Without a region the run may be too short: what still moves towards x = 0 went nowhere yet.
    decided = left if ends_outside else has_last_geometry(run) & (position * last > 0)
    weight = np.where(decided, run.weight, 0.0)
    if not decided.any():
        return None
    transmitted = position * start < 0
    if run.populations_adiabatic is None:
        in_state = (final_state(run)[:, None] == np.arange(run.n_states)).astype(float)
    else:
        in_state = np.asarray(run.populations_adiabatic[run.committed_frames - 1])
        # What is in no window of its method does not count.
        weight = np.where(np.isfinite(in_state).all(axis=1), weight, 0.0)
        in_state = np.where(weight[:, None] > 0, in_state, 0.0)
    n = effective_number(weight[decided])
    if run.weight[~decided].sum() > MOST_UNKNOWN * run.weight.sum():
        weight = np.full_like(weight, np.nan)
    parts = {
        f"{letter}{k}": np.where(decided & (transmitted == passed), in_state[:, k], 0.0)
        for letter, passed in (("T", True), ("R", False))
        for k in range(run.n_states)
    }
    fraction = {name: float((weight * part).sum() / weight.sum()) for name, part in parts.items()}
    if run.populations_adiabatic is not None:
        # As below: half an estimate of 0 and half a one of 1 are added.
        spread = {
            name: n * float((weight * (part - fraction[name]) ** 2).sum() / weight.sum())
            for name, part in parts.items()
        }
        error = {
            name: float(np.sqrt((spread[name] + 0.5 * p**2 + 0.5 * (1 - p) ** 2) / (n * (n + 1))))
            for name, p in fraction.items()
        }
        return Branching(fraction, error, int((ended_as_asked(run) & ~decided).sum()))
    # Half a case is added to each side: nothing counted among 400 does not mean an error of zero.
    error = {
        name: float(np.sqrt((p * n + 0.5) * ((1 - p) * n + 0.5) / n) / (n + 1))
        for name, p in fraction.items()
    }
    return Branching(fraction, error, int((ended_as_asked(run) & ~decided).sum()))
