"""What is in a trajectory file: names, shapes, units, and what its header says."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from nadyn.units import FEMTOSECOND_PER_AU

MovesOn = Literal["active state", "mean of the states", "mean of the states and a pointer state"]
FORMAT = "nadyn-trajectories"
VERSION = 1
STATUS_RUNNING = 1
SUMMARY_NAMES = ("status", "last_step", "energy_error_max")
SLOTS = ("checkpoint/slot_0", "checkpoint/slot_1")
FRAME_CHECKSUMS = "checkpoint/frame_sha256"
# Attribute with the sha256 of the others and of the arrays that never change; older files have none.
CHECKSUM = "sha256"
TIMINGS = "timings"
TIMINGS_BYTES = 8192

# The datasets with one row a frame that a file may hold, in the order in which a frame is checksummed.
FRAME_ARRAYS = (
    "positions",
    "momenta",
    "energies",
    "kinetic_energy",
    "total_energy_error",
    "coefficients",
    "active_state",
    "diabatic_populations",
    "populations_adiabatic",
    "novelty",
    "energy_spread",
    "gap_spread",
    "force_spread",
    "cell",
    "stress",
)

# What stopped a trajectory, one row each, with its unit; it stands in the state of every checkpoint too.
STOPS = "stop/"
STOP_UNITS = {
    "positions": "bohr",
    "momenta": "electron_mass*bohr/au_time",
    "energies": "hartree",
    "active_state": "",
    "novelty": "1",
    "energy_spread": "hartree",
    "gap_spread": "hartree",
    "force_spread": "hartree/bohr",
}

HOP_COLUMNS: dict[str, tuple[str, str]] = {
    "step": ("<i8", ""),
    "traj": ("<i8", ""),
    "from_state": ("<i4", ""),
    "to_state": ("<i4", ""),
    "accepted": ("<i4", ""),
    "energy_from": ("<f8", "hartree"),
    "energy_to": ("<f8", "hartree"),
    "kinetic_before": ("<f8", "hartree"),
    "kinetic_after": ("<f8", "hartree"),
    "zeta": ("<f8", "1"),
    "probability": ("<f8", "1"),
    "gap": ("<f8", "hartree"),
}


@dataclass(frozen=True)
class RunHeader:
    """What a run file says about its run before the first step.

    Attributes:
        config: The validated run file, without what `config_outside_digest` holds.
        method: Name of the dynamics method.
        population_estimator: How populations follow from the arrays, for example `fraction of trajectories`.
        estimates_populations: Whether the file holds `populations_adiabatic`; where it does not, populations
            are fractions of trajectories by active state.
        seed: Of the random numbers.
        n_steps: Steps of the whole run.
        dt_au: Time step [au].
        write_every: Steps from one frame to the next; frame 0 is the start.
        n_states: Adiabatic states.
        n_axes: Length of the last axis: 3, or 1 for generalised coordinates.
        masses: [electron mass].
        weight: Statistical weight of each trajectory.
        model_name: Name or file of the model.
        model_digest: Its sha256.
        status_names: Meaning of the codes in `status`; 0 is finished, 1 is running, all others stopped.
        status_advice: What to do about a stopped trajectory, by code.
        atomic_numbers: None for generalised coordinates.
        n_basis: Diabatic states with stored populations; None where the diabatic basis is not fixed.
        diabatic_population_estimator: How the stored diabatic populations were computed.
        moves_on: What the nuclei of a trajectory move on.
        on_one_state: Whether the method keeps a trajectory on the state of its start.
        amplitudes_are_populations: Whether mean |c|^2 should equal the populations of a consistent method.
        multiplicities: 2S + 1 of each diabatic state; empty where they are all the same or unknown.
        warnings: Sentences for the reader of the results.
        knows_novelty: Whether the model knows what it was trained on.
        has_committee: Whether the members of a committee judge each step.
        has_cell: Whether each trajectory has a periodic cell.
        evaluation: By which code the model is evaluated, where that is said.
        doubt_limits: Of a run that goes on beyond its limits, these, by the names of `DoubtLimits`.
        config_outside_digest: Keys of the run file on which no number depends, such as `output`.
    """

    config: Mapping[str, object]
    method: str
    population_estimator: str
    seed: int
    n_steps: int
    dt_au: float
    write_every: int
    n_states: int
    n_axes: int
    masses: Float[np.ndarray, "atom"]
    weight: Float[np.ndarray, "traj"]
    model_name: str
    model_digest: str
    status_names: Mapping[int, str]
    status_advice: Mapping[int, str] = field(default_factory=dict)
    atomic_numbers: Int[np.ndarray, "atom"] | None = None
    n_basis: int | None = None
    diabatic_population_estimator: str = ""
    moves_on: MovesOn = "active state"
    on_one_state: bool = False
    amplitudes_are_populations: bool = False
    multiplicities: tuple[int, ...] = ()
    estimates_populations: bool = False
    warnings: tuple[str, ...] = ()
    knows_novelty: bool = False
    has_committee: bool = False
    has_cell: bool = False
    evaluation: str = ""
    config_outside_digest: Mapping[str, object] = field(default_factory=dict)
    doubt_limits: Mapping[str, float | None] | None = None

    @property
    def n_frames(self) -> int:
        """Frames of the whole run, the start included."""
        return self.n_steps // self.write_every + 1


@dataclass(frozen=True)
class Spec:
    """One dataset: dtype, shape, unit (empty for counts and codes) and the value of bytes not yet written."""

    dtype: str
    shape: tuple[int, ...]
    unit: str
    fill: float | int


def frame_specs(header: RunHeader) -> dict[str, Spec]:
    """Return the datasets of a run with one row a frame, in the order of `FRAME_ARRAYS`."""
    frames, traj, atom = header.n_frames, len(header.weight), len(header.masses)
    nan = float("nan")
    space = (frames, traj, atom, header.n_axes)
    specs = {
        "positions": Spec("<f8", space, "bohr", nan),
        "momenta": Spec("<f8", space, "electron_mass*bohr/au_time", nan),
        "energies": Spec("<f8", (frames, traj, header.n_states), "hartree", nan),
        "kinetic_energy": Spec("<f8", (frames, traj), "hartree", nan),
        "total_energy_error": Spec("<f8", (frames, traj), "hartree", nan),
        "coefficients": Spec("<f8", (frames, traj, header.n_states, 2), "1", nan),
        "active_state": Spec("<i4", (frames, traj), "", -1),
    }
    if header.n_basis is not None:
        specs["diabatic_populations"] = Spec("<f8", (frames, traj, header.n_basis), "1", nan)
    if header.estimates_populations:
        specs["populations_adiabatic"] = Spec("<f8", (frames, traj, header.n_states), "1", nan)
    if header.knows_novelty:
        specs["novelty"] = Spec("<f8", (frames, traj), "1", nan)
    if header.has_committee:
        for name in ("energy_spread", "gap_spread", "force_spread"):
            specs[name] = Spec("<f8", (frames, traj), STOP_UNITS[name], nan)
    if header.has_cell:
        specs["cell"] = Spec("<f8", (frames, traj, 3, 3), "bohr", nan)
        specs["stress"] = Spec("<f8", (frames, traj, 3, 3), "hartree/bohr^3", nan)
    return specs


def hop_capacity_at_start(n_trajectories: int) -> int:
    """Return the rows of the hop table before it first grows."""
    return max(1024, 16 * n_trajectories)


def fixed_checksum(
    attributes: Mapping[str, object],
    masses: Float[np.ndarray, "atom"],
    weight: Float[np.ndarray, "traj"],
    atomic_numbers: Int[np.ndarray, "atom"] | None,
) -> str:
    """Return the sha256 of the attributes and of the arrays of a file that never change."""
    known = {name: plain(value) for name, value in attributes.items() if name != CHECKSUM}
    hasher = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    hasher.update(np.asarray(masses, "<f8").tobytes() + np.asarray(weight, "<f8").tobytes())
    if atomic_numbers is not None:
        hasher.update(np.asarray(atomic_numbers, "<i4").tobytes())
    return hasher.hexdigest()


def plain(value: object) -> object:
    """Return the value of an attribute as a number or text of Python."""
    return value.item() if isinstance(value, np.generic) else value


def frame_times(n_frames: int, *, write_every: int, dt_au: float) -> Float[np.ndarray, "frame"]:
    """Return the time of each frame [fs]."""
    return np.arange(n_frames) * (write_every * dt_au * FEMTOSECOND_PER_AU)
