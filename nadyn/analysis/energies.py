"""Energy conservation, drift and temperature."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.trajectory import Run
from nadyn.units import ELECTRONVOLT_PER_HARTREE, KELVIN_PER_HARTREE


@dataclass(frozen=True)
class EnergyConservation:
    """How well the conserved quantity was kept.

    Attributes:
        error_ev: Deviation from the start; NaN where a trajectory has ended [eV].
        largest_ev: Largest absolute deviation of each trajectory over all steps [eV].
        steps_ev: Changes from frame to frame of all trajectories [eV].
        slope_ev_per_ps: Slope of a line through the deviation of each trajectory; NaN if it ended early.
    """

    error_ev: Float[np.ndarray, "frame traj"]
    largest_ev: Float[np.ndarray, "traj"]
    steps_ev: Float[np.ndarray, "change"]
    slope_ev_per_ps: Float[np.ndarray, "traj"]


def energy_conservation(run: Run) -> EnergyConservation:
    """Return the deviations of total energy, or of a thermostat's conserved quantity."""
    alive = run.alive()
    error = np.where(alive, np.asarray(run.total_energy_error), np.nan) * ELECTRONVOLT_PER_HARTREE
    changes = np.diff(error, axis=0)
    slope = np.full(run.n_trajectories, np.nan)
    through = alive.all(axis=0)
    if run.committed_frames > 2 and through.any():
        time_ps = 1e-3 * (run.time_fs - run.time_fs.mean())
        slope[through] = time_ps @ error[:, through] / (time_ps @ time_ps)
    return EnergyConservation(
        error_ev=error,
        largest_ev=np.asarray(run.energy_error_max) * ELECTRONVOLT_PER_HARTREE,
        steps_ev=changes[np.isfinite(changes)],
        slope_ev_per_ps=slope,
    )


def temperature(run: Run) -> Float[np.ndarray, "frame traj"]:
    """Return 2 E_kin / (f k_B) [K], with f without the motions of the whole molecule that are absent.

    A molecule that starts with no total momentum, and no angular momentum, keeps none unless a thermostat
    pushes it; so both are looked for in the last committed frame.
    """
    alive = run.alive()
    kinetic = np.where(alive, np.asarray(run.kinetic_energy), np.nan)
    return 2 * kinetic * KELVIN_PER_HARTREE / degrees_of_freedom(run)


def degrees_of_freedom(run: Run) -> int:
    """Return the number of degrees of freedom that share the kinetic energy."""
    _, _, n_atoms, n_axes = run.positions.shape
    if n_axes != 3 or n_atoms < 2 or run.committed_frames == 0:
        return n_atoms * n_axes
    last = run.committed_frames - 1
    rows = np.nonzero(run.alive()[last])[0]
    if len(rows) == 0:
        return n_atoms * n_axes
    momenta, positions = np.asarray(run.momenta[last])[rows], np.asarray(run.positions[last])[rows]
    centred = positions - np.average(positions, axis=1, weights=run.masses)[:, None]
    size = np.linalg.norm(momenta, axis=(1, 2))
    reach = np.sqrt((centred**2).sum(axis=(1, 2)))
    total = np.linalg.norm(momenta.sum(axis=1), axis=-1) / size
    turning = np.linalg.norm(np.cross(centred, momenta).sum(axis=1), axis=-1) / (size * reach)
    rotations = 2 if n_atoms == 2 else 3
    removed = 3 * bool(np.median(total) < 1e-6)
    removed += rotations * bool(removed and np.median(turning) < 1e-6)
    return 3 * n_atoms - removed
