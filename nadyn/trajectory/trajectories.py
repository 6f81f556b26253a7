"""A trajectory file as named arrays in memory: the public way to read one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Complex, Float, Int

from nadyn.checks.errors import InputError
from nadyn.trajectory.layout import HOP_COLUMNS
from nadyn.trajectory.reader import Run, open_run
from nadyn.units import FEMTOSECOND_PER_AU


@dataclass(frozen=True, eq=False)
class Trajectories:
    """The trajectories of a run, finished or not, in memory and in atomic units.

    A trajectory has data up to its last valid step. After that `alive` is False, `active_state` is -1 and
    every other array with a frame axis is NaN, whether it was stopped or ended as asked. `units` has the unit
    of each array by name.

    Attributes:
        time_fs: Time of each frame [fs]; frame 0 is the start.
        alive: Which frames of which trajectories have data.
        positions: Nuclear positions [bohr], or generalised coordinates with a last axis of length 1.
        momenta: Nuclear momenta [electron_mass*bohr/au_time].
        energies: Adiabatic energies, the lowest first [hartree].
        kinetic_energy: [hartree].
        total_energy_error: Conserved energy minus that at the start [hartree].
        coefficients: Electronic coefficients of the adiabatic states.
        active_state: State that a trajectory moves on; 0 is the lowest.
        populations_adiabatic: What each trajectory contributes to each population, None where that is 1 for
            the active state and 0 for the others.
        diabatic_populations: Of each trajectory; None where the diabatic basis is not fixed.
        masses: [electron_mass].
        atomic_numbers: None for generalised coordinates.
        weight: Statistical weight of each trajectory.
        status: How each trajectory ended: finished, running, left_region, dissociated, settled, or why it was
            stopped.
        end_fs: Time of the last valid step of each trajectory [fs].
        energy_error_max: Largest absolute `total_energy_error` of each trajectory over all steps [hartree].
        hops: One entry for every hop and every refused hop: `time_fs`, `traj`, `from_state`, `to_state`,
            `accepted`, `energy_from`, `energy_to`, `kinetic_before`, `kinetic_after`, `gap` [hartree], `zeta`
            and `probability`.
        method: Method of the run.
        config: The run file.
        warnings: What was noticed when the run began, in sentences.
        cell: Cell vectors of each trajectory as rows [bohr]; None for a run without cells.
        stress: (1/V) ∂E/∂ε of the potential energy alone, ASE's sign [hartree/bohr³]; None without cells.
    """

    time_fs: Float[np.ndarray, "frame"]
    alive: Bool[np.ndarray, "frame traj"]
    positions: Float[np.ndarray, "frame traj atom x"]
    momenta: Float[np.ndarray, "frame traj atom x"]
    energies: Float[np.ndarray, "frame traj state"]
    kinetic_energy: Float[np.ndarray, "frame traj"]
    total_energy_error: Float[np.ndarray, "frame traj"]
    coefficients: Complex[np.ndarray, "frame traj state"]
    active_state: Int[np.ndarray, "frame traj"]
    populations_adiabatic: Float[np.ndarray, "frame traj state"] | None
    diabatic_populations: Float[np.ndarray, "frame traj basis"] | None
    masses: Float[np.ndarray, "atom"]
    atomic_numbers: Int[np.ndarray, "atom"] | None
    weight: Float[np.ndarray, "traj"]
    status: tuple[str, ...]
    end_fs: Float[np.ndarray, "traj"]
    energy_error_max: Float[np.ndarray, "traj"]
    hops: Mapping[str, np.ndarray]
    method: str
    config: Mapping[str, object]
    warnings: tuple[str, ...]
    cell: Float[np.ndarray, "frame traj 3 3"] | None = None
    stress: Float[np.ndarray, "frame traj 3 3"] | None = None

    units: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "time_fs": "fs",
            "positions": "bohr",
            "momenta": "electron_mass*bohr/au_time",
            "energies": "hartree",
            "kinetic_energy": "hartree",
            "total_energy_error": "hartree",
            "coefficients": "1",
            "populations_adiabatic": "1",
            "diabatic_populations": "1",
            "masses": "electron_mass",
            "weight": "1",
            "end_fs": "fs",
            "energy_error_max": "hartree",
            "cell": "bohr",
            "stress": "hartree/bohr^3",
        }
    )

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.weight)

    @property
    def n_states(self) -> int:
        """Number of adiabatic states."""
        return self.energies.shape[2]


def load_trajectories(path: str | Path, *, frames: slice = slice(None)) -> Trajectories:
    """Read a trajectory file, finished or not; the run may be under way.

    Everything is read into memory, as much as the committed frames take on the disk. For a file that is too
    large, take some of the frames. The page `File formats` shows the same with h5py alone, and the state
    after the last valid step: `active_state[0]`, then `to_state` of the last accepted hop of each trajectory.

    Args:
        path: The `output` of `nadyn run`.
        frames: Which frames, for instance `slice(None, None, 10)` for every tenth or `slice(-1, None)` for
            the last one.

    Raises:
        InputError: The file is missing, no trajectory file, damaged, or holds no frame yet.
    """
    return trajectories_of(open_run(path), frames=frames)


def trajectories_of(run: Run, *, frames: slice = slice(None)) -> Trajectories:
    """Return a run in memory; see `load_trajectories`.

    Args:
        run: An open run, or several as one.
        frames: Which frames.

    Raises:
        InputError: It holds no frame yet.
    """
    if run.committed_frames == 0:
        raise InputError(
            f"file {str(run.path)!r} must hold a frame, but its run has only begun. Try again after its "
            "first checkpoint."
        )
    alive = run.alive()[frames]

    def valid(array: np.ndarray | None) -> np.ndarray | None:
        if array is None:
            return None
        values = np.array(array[frames])
        values[~alive] = -1 if values.dtype.kind == "i" else np.nan
        return values

    parts = valid(run.coefficients)
    step_fs = float(run.attributes["dt_au"]) * FEMTOSECOND_PER_AU
    hops = {name: run.hops[name] for name in HOP_COLUMNS if name not in ("step", "accepted")}
    return Trajectories(
        time_fs=run.time_fs[frames],
        alive=alive,
        positions=valid(run.positions),
        momenta=valid(run.momenta),
        energies=valid(run.energies),
        kinetic_energy=valid(run.kinetic_energy),
        total_energy_error=valid(run.total_energy_error),
        coefficients=parts[..., 0] + 1j * parts[..., 1],
        active_state=valid(run.active_state),
        populations_adiabatic=valid(run.populations_adiabatic),
        diabatic_populations=valid(run.diabatic_populations),
        masses=run.masses,
        atomic_numbers=run.atomic_numbers,
        weight=run.weight,
        status=tuple(run.status_names[int(code)] for code in run.status),
        end_fs=run.last_step * step_fs,
        energy_error_max=run.energy_error_max,
        hops=MappingProxyType(
            {"time_fs": run.hops["step"] * step_fs, "accepted": run.hops["accepted"] == 1, **hops}
        ),
        method=str(run.attributes["method"]),
        config=run.config,
        warnings=tuple(run.attributes["warnings"]),
        cell=valid(run.cell),
        stress=valid(run.stress),
    )
