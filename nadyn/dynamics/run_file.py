"""The run file: every key of `nadyn run`, with its default."""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.baths.cell_rescaling import BarostatSection
from nadyn.dynamics.baths.friction import FrictionSection
from nadyn.dynamics.baths.table import ThermostatSection
from nadyn.dynamics.decoherence.energy_based import EdcSection
from nadyn.dynamics.decoherence.table import DecoherenceSection
from nadyn.dynamics.electrons.ways import Propagate
from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.settle import Rescale
from nadyn.dynamics.initial import InitialSection
from nadyn.dynamics.spins.laser import LaserSection
from nadyn.units import AU_PER_FEMTOSECOND

# Frames and checkpoints of a run that names no intervals.
_FRAMES = 200
_CHECKPOINTS = 20
_MOST_STEPS = 1_000_000_000
# Of a step: what a quotient of two decimal numbers may be off.
_ROUNDING = 1e-6

RepresentationName = Literal["spin_adiabatic", "spin_free"]


def model_beside(model: str | dict[str, object] | None, folder: Path) -> str | dict[str, object] | None:
    """Return the `model` of a run file with its path, or that in its mapping, taken from `folder`."""
    if isinstance(model, str):
        return str(folder / model)
    if model is not None and isinstance(model.get("file"), str):
        return {**model, "file": str(folder / model["file"])}
    return model


class AdaptiveSection(Configuration):
    """Shorter steps where a trajectory needs them: {energy_ev: 0.01, gap_ev: 0.1, shortest_dt_fs: 0.02}."""

    energy_ev: float = Field(default=0.01, gt=0.0)
    gap_ev: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    shortest_dt_fs: float = Field(default=0.02, gt=0.0, allow_inf_nan=False)


class StopSection(Configuration):
    """Where a trajectory ends before the run does.

    {beyond_au: 10} ends one of generalised coordinates when |x| > 10 and it moves outward. An isolated
    molecule ends where it has fallen apart for good; {dissociated: false} follows its fragments to the end of
    the run. {lowest_state_fs: 20} ends one that has been on the lowest state for so long without a break. All
    three are results. A trajectory of a trained model is stopped where a larger part than `novelty`
    of the descriptors of an atom is beyond the training set. Where the model is a committee, it is stopped
    too when a calibrated spread of the members becomes larger than one of the last three keys;
    {committee: false} only writes them. With {lenience: 3} a trajectory goes on to so many times these limits
    and that of novelty, and whoever analyses the run says how far the committee is believed. A trajectory of
    a label source, whose solution may change, goes on with {jump_ev: 0.5} where each state in use lies to 0.9
    in those before and its energy is less than that from where its forces lead; without it such a label ends
    the trajectory.
    """

    beyond_au: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    dissociated: bool | None = None
    lowest_state_fs: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    novelty: float | None = Field(default=None, gt=0.0, le=1.0, allow_inf_nan=False)
    committee: bool | None = None
    jump_ev: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    energy_spread_ev: float | None = Field(default=None, gt=0.0)
    gap_spread_ev: float | None = Field(default=None, gt=0.0)
    force_spread_ev_per_angstrom: float | None = Field(default=None, gt=0.0)
    lenience: float | None = Field(default=None, ge=1.0, allow_inf_nan=False)

    @property
    def names_spreads(self) -> bool:
        """Whether something is asked for that only a committee can do."""
        return any(
            value is not None
            for value in (
                self.committee,
                self.energy_spread_ev,
                self.gap_spread_ev,
                self.force_spread_ev_per_angstrom,
            )
        )


class LabelsSection(Configuration):
    """How a label source that takes the place of a model is asked: {processes: 4, timeout_minutes: 60}.

    Each of the processes labels one geometry at a time, on one thread; 0 asks in the process of the run
    itself. Without a number there are as many as processors, and not more than trajectories. A label that
    takes longer than `timeout_minutes` has failed.
    """

    processes: int | None = Field(default=None, ge=0, le=4096)
    timeout_minutes: float = Field(default=60.0, gt=0.0, allow_inf_nan=False)


class RunConfiguration(Configuration):
    """A run file. Which keys a method understands, and which methods there are, `methods.table` checks.

    `model` is a file, the mapping of an analytic model, or a label source for direct dynamics, {pyscf: {…}},
    which `labels` says how to ask; `molecule` names the one that moves of a model that was trained on
    several, which without it is that with most frames. Where the model is a committee, `member` is the number
    of the one that moves the nuclei, the first without it; the others judge it. `isotopes` names other
    isotopes than the most abundant ones by mass number: {H: 2} for all atoms of an element, {3: 2} for one
    atom, counted from 0. `device` is where a learned model and its trajectories are computed, such as cuda;
    the processor without it. Relative paths begin at the folder of the run file; in a mapping given to
    `nadyn.run`, at the working folder. `time_fs` is rounded up to a whole number of frames. `write_every` and
    `checkpoint_every` are in steps; without them about 200 frames and 20 checkpoints are written. A
    trajectory whose total
    energy changes by more than `max_energy_step_ev` in one step is stopped: the step is then too long for the
    surface by far. Measured on hexafluorobutene near the intersection (gap below 0.3 eV), median and 99th
    percentile: 14 and 140 meV a step of 0.5 fs, 2.4 and
    30 meV a step of 0.25 fs, 0.3 and 8 meV a step of 0.125 fs.
    """

    model: str | dict[str, object] | None = None
    labels: LabelsSection | None = None
    member: Annotated[int, Field(ge=0)] | None = None
    molecule: str | None = None
    isotopes: dict[int | str, int] | None = None
    initial: InitialSection
    method: str
    device: str | None = None
    dt_fs: float = Field(default=0.5, gt=0.0, allow_inf_nan=False)
    time_fs: float = Field(gt=0.0, allow_inf_nan=False)
    representation: RepresentationName | None = None
    laser: LaserSection | None = None
    propagation: Propagate = "local_diabatisation"
    decoherence: DecoherenceSection | Literal["none"] = EdcSection(name="edc")
    rescale: Rescale = "nac"
    frustrated: Frustrated = "keep"
    adaptive: AdaptiveSection | None = None
    thermostat: ThermostatSection | None = None
    barostat: BarostatSection | None = None
    friction: FrictionSection | None = None
    options: dict[str, object] | None = None
    stop: StopSection | None = None
    max_energy_step_ev: float = Field(default=0.3, gt=0.0)
    seed: int = Field(default=1, ge=0, lt=2**63)
    write_every: int | None = Field(default=None, ge=1)
    checkpoint_every: int | None = Field(default=None, ge=1)
    output: str = "run.h5"

    @model_validator(mode="after")
    def _has_a_length(self) -> "RunConfiguration":
        if self.dt_fs > self.time_fs:
            raise ValueError(
                f"`time_fs` must be at least `dt_fs`, but is {self.time_fs}, less than {self.dt_fs}. "
                "Try a longer time."
            )
        jump_ev = None if self.stop is None else self.stop.jump_ev
        if jump_ev is not None and jump_ev > self.max_energy_step_ev:
            raise ValueError(
                f"`stop.jump_ev` must be at most `max_energy_step_ev`, {self.max_energy_step_ev:g}, which "
                f"ends a trajectory too, but is {jump_ev:g}. Raise that one, or lower it."
            )
        # The quotient first: it may be infinite, and then has no number of steps.
        if not self.time_fs / self.dt_fs <= _MOST_STEPS or self.n_steps > _MOST_STEPS:
            steps = f"{self.time_fs:g} fs in steps of {self.dt_fs:g} fs"
            raise ValueError(
                f"`time_fs` must be at most {_MOST_STEPS:.0e} steps, `write_every` included, "
                f"but is {steps}. Try a larger `dt_fs`."
            )
        return self

    def beside(self, folder: Path) -> "RunConfiguration":
        """Return the configuration with the paths `model`, `initial` and `output` taken from `folder`."""
        initial = {
            key: str(folder / value)
            for key in ("file", "run", "geometry", "structure")
            if (value := getattr(self.initial, key)) is not None
        }
        changes = {"model": model_beside(self.model, folder), "output": str(folder / self.output)}
        return self.model_copy(update={**changes, "initial": self.initial.model_copy(update=initial)})

    @property
    def dt(self) -> float:
        """Time step [au]."""
        return self.dt_fs * AU_PER_FEMTOSECOND

    @property
    def frame_interval(self) -> int:
        """Steps from one frame to the next, at most all: the run is not made longer by a rare output."""
        steps = self._steps_that_cover()
        if self.write_every is None and self.stop is not None and (self.stop.lenience or 1.0) > 1.0:
            # Doubt is looked up in the frames.
            return 1
        return min(self.write_every or max(1, steps // _FRAMES), steps)

    @property
    def n_steps(self) -> int:
        """Steps of the run: a whole number of frames that covers `time_fs`."""
        return -(-self._steps_that_cover() // self.frame_interval) * self.frame_interval

    @property
    def checkpoint_interval(self) -> int:
        """Steps from one checkpoint to the next."""
        return self.checkpoint_every or max(1, self.n_steps // _CHECKPOINTS)

    def _steps_that_cover(self) -> int:
        return max(1, math.ceil(self.time_fs / self.dt_fs - _ROUNDING))
