"""The reader of a trajectory file, finished or not: only what a checkpoint has committed."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.checks.errors import InputError
from nadyn.checks.json_text import parse_json
from nadyn.checks.printable import printable
from nadyn.trajectory import checkpoint as slots
from nadyn.trajectory.layout import (
    FORMAT,
    FRAME_ARRAYS,
    HOP_COLUMNS,
    STOPS,
    TIMINGS,
    VERSION,
    MovesOn,
    plain,
)
from nadyn.trajectory.raw_file import Place, RawFile, open_hdf5, telling_of_damage
from nadyn.trajectory.soundness import check_fixed, damaged_frames, damaged_in

# Methods on one surface in files that do not say it themselves.
_ON_ONE_STATE = ("nve", "nvt")


@dataclass(frozen=True)
class Run:
    """One run as its newest checkpoint committed it.

    Arrays with a frame axis are read from the disk when they are sliced.

    Attributes:
        path: The file.
        attributes: All attributes; JSON ones are parsed.
        config: The validated run file.
        step: Step of the newest checkpoint.
        committed_frames: Number of frames that count.
        time_fs: Of each frame [fs].
        positions: [bohr].
        momenta: [electron mass bohr / au of time].
        energies: Adiabatic energies [hartree].
        kinetic_energy: [hartree].
        total_energy_error: Conserved quantity minus its value at the start [hartree].
        coefficients: Electronic coefficients, the last axis real and imaginary part.
        active_state: 0 is the lowest.
        diabatic_populations: None where the diabatic basis is not fixed.
        populations_adiabatic: Contribution of each trajectory to each population; None where it is 1 for the
            active state and 0 for the others.
        masses: [electron mass].
        atomic_numbers: None for generalised coordinates.
        weight: Statistical weight of each trajectory.
        status: Code of each trajectory, named in `status_names`.
        last_step: Last step with valid data.
        energy_error_max: Largest absolute `total_energy_error` over all steps [hartree].
        hops: Columns of the hop table.
        status_names: Meaning of `status`.
        status_advice: What to do about a status.
        timings: The time spent; empty while the run is under way.
        divided_steps: How many time steps of each trajectory were divided; None without `adaptive`.
        cut_probabilities: In how many the probabilities of hops had to be cut to a sum of 1; None for methods
            that draw none.
        novelty: Of the worst atom, see `nadyn.models.Evaluation`; None for models that know no training set.
        energy_spread: Of the members of a committee, calibrated, of the states in use [hartree]; None without
            one.
        gap_spread: The same of the distances of the active state to others [hartree].
        force_spread: The same of the force on the worst atom [hartree/bohr].
        cell: Cell vectors of each trajectory as rows [bohr]; None where the file holds none.
        stress: (1/V) ∂E/∂ε of the potential energy alone, ASE's sign [hartree/bohr³]; None without cells.
        stops: What stopped each trajectory, the step that does not count: `positions`, `momenta`, `energies`,
            `active_state`, `novelty` and spreads, NaN for those that were not stopped. Empty in files of
            older versions.
    """

    path: Path
    attributes: Mapping[str, object]
    config: Mapping[str, object]
    step: int
    committed_frames: int
    time_fs: Float[np.ndarray, "frame"]
    positions: Float[np.ndarray, "frame traj atom x"]
    momenta: Float[np.ndarray, "frame traj atom x"]
    energies: Float[np.ndarray, "frame traj state"]
    kinetic_energy: Float[np.ndarray, "frame traj"]
    total_energy_error: Float[np.ndarray, "frame traj"]
    coefficients: Float[np.ndarray, "frame traj state 2"]
    active_state: Int[np.ndarray, "frame traj"]
    diabatic_populations: Float[np.ndarray, "frame traj basis"] | None
    populations_adiabatic: Float[np.ndarray, "frame traj state"] | None
    masses: Float[np.ndarray, "atom"]
    atomic_numbers: Int[np.ndarray, "atom"] | None
    weight: Float[np.ndarray, "traj"]
    status: Int[np.ndarray, "traj"]
    last_step: Int[np.ndarray, "traj"]
    energy_error_max: Float[np.ndarray, "traj"]
    hops: Mapping[str, np.ndarray]
    status_names: Mapping[int, str]
    status_advice: Mapping[int, str]
    timings: Mapping[str, object]
    divided_steps: Float[np.ndarray, "traj"] | None = None
    cut_probabilities: Float[np.ndarray, "traj"] | None = None
    novelty: Float[np.ndarray, "frame traj"] | None = None
    energy_spread: Float[np.ndarray, "frame traj"] | None = None
    gap_spread: Float[np.ndarray, "frame traj"] | None = None
    force_spread: Float[np.ndarray, "frame traj"] | None = None
    cell: Float[np.ndarray, "frame traj 3 3"] | None = None
    stress: Float[np.ndarray, "frame traj 3 3"] | None = None
    stops: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return len(self.weight)

    @property
    def on_one_state(self) -> bool:
        """Whether the method keeps a trajectory on the state of its start."""
        return bool(self.attributes.get("on_one_state", self.attributes["method"] in _ON_ONE_STATE))

    @property
    def changes_states(self) -> bool:
        """Whether a trajectory may come to another state: not with one state, nor on one surface."""
        return self.n_states > 1 and not self.on_one_state

    @property
    def moves_on(self) -> MovesOn:
        """What the nuclei of a trajectory move on."""
        return str(self.attributes.get("moves_on", "active state"))

    @property
    def amplitudes_are_populations(self) -> bool:
        """Whether mean |c|^2 should equal the populations; not said by older files."""
        return bool(self.attributes.get("amplitudes_are_populations", False))

    @property
    def n_states(self) -> int:
        """Number of adiabatic states."""
        return self.energies.shape[2]

    def alive(self) -> Bool[np.ndarray, "frame traj"]:
        """Return which frames of which trajectories are valid: up to the last valid step of each."""
        steps = np.arange(self.committed_frames) * int(self.attributes["write_every"])
        return steps[:, None] <= self.last_step[None, :]

    def damaged_frames(self) -> list[int]:
        """Return committed frames whose bytes no longer have their checksum. Reads the whole file."""
        source = RawFile(self.path, writable=False)
        try:
            return damaged_frames(source, self.committed_frames)
        finally:
            source.close()


def open_run(path: str | Path, *, verified: bool = True) -> Run:
    """Return a run, finished or not; the file may be written by another process at the same time.

    Args:
        path: The file.
        verified: Look at the checksum of every frame, which reads the whole file once. Where a checkpoint
            counts frames that the disk has lost, as after a power failure, the one before it is taken.
            Without, frames must not be used.

    Raises:
        InputError: The file is missing, no trajectory file, or damaged.
    """
    path = Path(path)
    attributes = check_format(path)
    source = RawFile(path, writable=False)
    with telling_of_damage(path), closing(source):
        # A slot may be overwritten while it is read; then the other one is valid, or this one a moment later.
        candidates = next((found for found in (slots.newest_first(source) for _ in range(3)) if found), [])
        if verified:
            candidates = [item for item in candidates if not damaged_in(path, item.committed_frames)]
        if not candidates:
            raise InputError(
                f"file {str(path)!r} must have a sound checkpoint, but none agrees with its checksum: the "
                "file was damaged after it was written. Try another copy of it."
            )
        newest = candidates[0]
        n = newest.committed_frames
        frames = {
            name: _map(path, source.places[name])[:n] if name in source.places else None
            for name in FRAME_ARRAYS
        }
        names = _parsed(str(attributes["status_names"]))
        advice = _parsed(str(attributes["status_advice"]))
        check_fixed(path, source, attributes)
        return Run(
            path=path,
            attributes={**attributes, "warnings": _parsed(str(attributes["warnings"]))},
            config=_parsed(str(attributes["config"]))
            | _parsed(str(attributes.get("config_outside_digest", "{}"))),
            step=newest.step,
            committed_frames=n,
            time_fs=source.read_all("time")[:n],
            masses=source.read_all("masses"),
            atomic_numbers=source.read_all("atomic_numbers") if "atomic_numbers" in source.places else None,
            weight=source.read_all("weight"),
            status=newest.state["status"],
            last_step=np.minimum(newest.state["last_step"], newest.step),
            energy_error_max=newest.state["energy_error_max"],
            hops={name: source.read_rows(f"hops/{name}", 0, newest.committed_hops) for name in HOP_COLUMNS},
            status_names={int(code): text for code, text in names.items()},
            status_advice={int(code): text for code, text in advice.items()},
            timings=_parsed(source.read_all(TIMINGS)[()]),
            divided_steps=newest.state.get("extra/divided_steps.n"),
            cut_probabilities=newest.state.get("extra/cut_probabilities.n"),
            stops={
                name.removeprefix(STOPS): array
                for name, array in newest.state.items()
                if name.startswith(STOPS)
            },
            **frames,
        )


def _parsed(text: str | bytes) -> object:
    return printable(parse_json(text))


def check_format(path: Path) -> dict[str, object]:
    """Return the attributes of a trajectory file.

    Raises:
        InputError: The file is missing, not HDF5, of another format or of a newer version.
    """
    with telling_of_damage(path), open_hdf5(path) as file:
        attributes = {name: printable(plain(value)) for name, value in file.attrs.items()}
    if attributes.get("format") != FORMAT:
        raise InputError(
            f"file {str(path)!r} must be a trajectory file, but its format is "
            f"{attributes.get('format', 'unknown')!r}. Try the `output` of `nadyn run`."
        )
    if attributes.get("version") != VERSION:
        raise InputError(
            f"file {str(path)!r} must have version {VERSION}, but has {attributes.get('version')}. "
            "Try the nadyn that wrote it, or a newer one."
        )
    return attributes


def _map(path: Path, place: Place) -> np.ndarray:
    if 0 in place.shape:
        return np.empty(place.shape, place.dtype)
    return np.memmap(path, dtype=place.dtype, mode="r", offset=place.offset, shape=place.shape)
