"""What a run file would do: everything that a run looks at before its first step, and a few steps of it."""

import errno
import os
import shutil
import statistics
import tempfile
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from nadyn.checks.configuration import read_configuration
from nadyn.checks.counts import counted
from nadyn.checks.errors import RunError
from nadyn.checks.forecast import Forecast, peak_memory, size_in_words, time_in_words
from nadyn.checks.output import TRAJECTORIES, check_is_no_input, check_suffix
from nadyn.dynamics.initial import start_state
from nadyn.dynamics.initial.end_of_run import end_of_run
from nadyn.dynamics.methods.method import Method
from nadyn.dynamics.methods.needs import wanted_of
from nadyn.dynamics.methods.table import find_method
from nadyn.dynamics.run.ensemble import Ensemble, after_step
from nadyn.dynamics.run.judging import judged_step
from nadyn.dynamics.run.model_source import ModelSource
from nadyn.dynamics.run.opening import Sources, open_source
from nadyn.dynamics.run.prepare import Plan, check_method, create_run, files_of
from nadyn.dynamics.run.settling import counted_step
from nadyn.dynamics.run.stopping import ADVICE, RESULTS, STATUS_NAMES, Status, statuses
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.threads import threads
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinStates
from nadyn.trajectory import open_run
from nadyn.trajectory.creation import bytes_per_frame
from nadyn.trajectory.initial_conditions import read_initial_conditions
from nadyn.trajectory.placing import check_new
from nadyn.units import ELECTRONVOLT_PER_HARTREE

# A trial is of so many trajectories and steps at most, and ends after so many seconds.
_TRAJECTORIES, _STEPS, _SECONDS = 256, 20, 3.0
# Of fewer trajectories a population is known to worse than a tenth: two standard errors of a half, 1/sqrt(n).
_FEW = 100


@dataclass(frozen=True)
class _Trial:
    """What a few steps have shown."""

    seconds_before: float
    seconds_a_step: float
    n_steps: int
    energy_error_ev: float
    stopped: dict[str, int]
    notices: list[str]
    bytes_at_start: int
    bytes_a_frame: int
    bytes_of_memory: int


def forecast_run(
    path: Path, *, sources: Sources | None = None, resume: bool = False, overwrite: bool = False
) -> Forecast:
    """Return what a run file would do, without its output.

    A trial of at most 256 of its trajectories goes 20 steps or 3 seconds. A label source is not asked
    anything.

    Args:
        path: The run file.
        sources: Opens the label source that its `model` names.
        resume: As if it were to go on.
        overwrite: As if an existing output might be replaced.

    Raises:
        InputError: What the run would raise, with the same sentence.
        RunError: The disk has no room for the output.
    """
    written = read_configuration(path, RunConfiguration)
    config = written.beside(path.parent)
    check_is_no_input(Path(config.output), path)
    method = find_method(config)
    with ExitStack() as opened:
        source = open_source(config, None, path.parent, sources, opened)
        model = source.model
        check_method(config, model)
        done = _steps_done(config, resume=resume, overwrite=overwrite)
        n = _n_trajectories(config)
        facts = [*_about_model(model), ("starts", f"{counted(n, 'trajectory')}, {_where(config, model)}")]
        facts += _length(config, method, done)
        if isinstance(model, DirectModel):
            start_state(model, config.initial)
            return Forecast((*facts, *_labels(config, method, n)), tuple(_doubts(config, method, model, n)))
        trial = _try(config, source, written, n)
    left = 1.0 - done / config.n_steps
    scale = max(1.0, n / _TRAJECTORIES)
    seconds = scale * (trial.seconds_before + config.n_steps * left * trial.seconds_a_step)
    n_frames = config.n_steps // config.frame_interval + 1
    size = scale * (trial.bytes_at_start + n_frames * trial.bytes_a_frame)
    _check_room(Path(config.output), size)
    facts += [
        ("output", f"{config.output}: {counted(n_frames, 'frame')}, {size_in_words(size)}"),
        ("memory", f"about {size_in_words(peak_memory() + (scale - 1.0) * trial.bytes_of_memory)}"),
        (
            "time",
            f"about {time_in_words(seconds)} on this machine, by {counted(trial.n_steps, 'step')} of "
            f"{counted(min(n, _TRAJECTORIES), 'trajectory')}: {time_in_words(trial.seconds_a_step)} each",
        ),
        ("energy error", f"{trial.energy_error_ev:.2g} eV at most in these steps"),
    ]
    doubts = [*trial.notices, *_about_stops(trial, min(n, _TRAJECTORIES)), *_doubts(config, method, model, n)]
    return Forecast(tuple(facts), tuple(doubts))


def _try(config: RunConfiguration, source: ModelSource, written: RunConfiguration, n: int) -> _Trial:
    few = config.initial.model_copy(update={"n": min(n, _TRAJECTORIES)})
    before, memory = time.monotonic(), peak_memory()
    with tempfile.TemporaryDirectory() as folder, threads(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        changes = {"output": str(Path(folder) / "trial.h5"), "time_fs": _STEPS * config.dt_fs}
        short = config.model_copy(update={**changes, "initial": few, "write_every": _STEPS})
        plan, ensemble, writer, notices = create_run(short, source, written=written, overwrite=False)
        try:
            seconds_before = time.monotonic() - before
            a_frame = bytes_per_frame(Path(short.output))
            at_start = Path(short.output).stat().st_size - 2 * a_frame
            seconds, ensemble = _steps(plan, ensemble)
        finally:
            writer.release()
    stopped = [int(code) for code in ensemble.status if code not in (Status.RUNNING, *RESULTS)]
    codes = [STATUS_NAMES[code] for code in stopped]
    errors = ensemble.everyone.energy_error_max
    if len(ensemble.running.trajectory):
        errors = torch.cat([errors, ensemble.running.energy_error_max])
    # The first step makes machine code and memory ready.
    return _Trial(
        seconds_before,
        statistics.median(seconds[1:] or seconds or [0.0]),
        len(seconds),
        float(errors.max()) * ELECTRONVOLT_PER_HARTREE,
        {code: codes.count(code) for code in dict.fromkeys(codes)},
        [*notices, *(str(warning.message) for warning in caught)],
        at_start,
        a_frame,
        peak_memory() - memory,
    )


def _steps(plan: Plan, ensemble: Ensemble) -> tuple[list[float], Ensemble]:
    """Return how long each step of a trial took [s], and what became of the trajectories."""
    seconds: list[float] = []
    while len(seconds) < _STEPS and sum(seconds) < _SECONDS and len(ensemble.running.trajectory):
        began = time.monotonic()
        step = plan.motion.step(ensemble.running, plan.model)
        step = judged_step(ensemble.running, step, plan.model, plan.method)
        step = counted_step(step)
        ensemble, _ = after_step(ensemble, step, statuses(ensemble.running, step, plan.model, plan.limits))
        seconds.append(time.monotonic() - began)
    return seconds, ensemble


def _steps_done(config: RunConfiguration, *, resume: bool, overwrite: bool) -> int:
    output = Path(config.output)
    if resume and output.exists():
        return min(open_run(output, verified=False).step, config.n_steps)
    check_new(output, overwrite=overwrite)
    check_is_no_input(output, *files_of(config.model_dump(exclude={"output"})))
    check_suffix(output, "`output`", TRAJECTORIES)
    return 0


def _n_trajectories(config: RunConfiguration) -> int:
    initial = config.initial
    if initial.n is not None:
        return initial.n
    if initial.file is not None:
        available = len(read_initial_conditions(initial.file).weight)
    else:
        available = len(end_of_run(initial.run, state_is_given=True).weight)
    return max(available - initial.first_number, 0)


def _check_room(output: Path, size: float) -> None:
    if shutil.disk_usage(output.absolute().parent).free < size:
        raise RunError(
            f"output {str(output)!r} cannot be written ({os.strerror(errno.ENOSPC)}): it has "
            f"{size_in_words(size)}. Nothing of it was written; make room, or choose another folder."
        )


def _about_model(model: Model) -> list[tuple[str, str]]:
    atoms = "" if model.atomic_numbers is None else f", {counted(len(model.masses), 'atom')}"
    return [("model", f"{model.name}: {counted(model.n_states, 'state')}{atoms}")]


def _where(config: RunConfiguration, model: Model) -> str:
    initial = config.initial
    way = next(
        key
        for key in ("sample", "position_au", "structure", "file", "run")
        if getattr(initial, key) is not None
    )
    how = {"sample": f"{initial.sample} sample", "position_au": "one point"}.get(
        way, str(getattr(initial, way))
    )
    state, diabatic = start_state(model, initial)
    on = f" on state {state}" if state is not None else ""
    if initial.multiplicity is not None:
        on += f" of those of multiplicity {initial.multiplicity}"
    return how + (f" in diabatic state {diabatic}" if diabatic is not None else on)


def _length(config: RunConfiguration, method: Method, done: int) -> list[tuple[str, str]]:
    steps = f"{counted(config.n_steps, 'step')} of {config.dt_fs:g} fs"
    rest = f", of which {done} are done" if done else ""
    every = f"a frame every {counted(config.frame_interval, 'step')}"
    return [("method", config.method), ("steps", f"{steps}{rest}; {every}")]


def _labels(config: RunConfiguration, method: Method, n: int) -> list[tuple[str, str]]:
    """Return what a label source would be asked, which nobody knows how long it takes."""
    couplings = wanted_of(config, method).couplings
    what = {"each step": "forces and couplings", "when asked": "forces, couplings at hops"}.get(
        couplings, "forces"
    )
    processes = (config.labels and config.labels.processes) or "one a processor"
    before = ""
    if config.initial.sample is not None:
        before = ", and before it those of a minimum and its Hessian"
    return [
        ("labels", f"{n * (config.n_steps + 1)} at least ({what}){before}; processes: {processes}"),
        ("time", "that many labels times what one takes (`nadyn label` of one geometry), by the processes"),
    ]


def _about_stops(trial: _Trial, n: int) -> list[str]:
    advice = {STATUS_NAMES[int(status)]: text for status, text in ADVICE.items()}
    return [
        f"{count} of {counted(n, 'trajectory')} should go on, but ended within "
        f"{counted(trial.n_steps, 'step')}: {name}. {advice.get(name, '')}".rstrip()
        for name, count in trial.stopped.items()
    ]


def _doubts(config: RunConfiguration, method: Method, model: Model, n: int) -> list[str]:
    found = []
    hops = method.needs_two_states and method.moves_on == "active state"
    if hops and n < _FEW:
        found.append(
            f"populations should be of {_FEW} trajectories or more, but there are {n}: a half is then known "
            f"to {1.0 / n**0.5:.2g} only (95 %)."
        )
    initial = config.initial
    starts_low = initial.diabatic_state is None and not initial.state and not (initial.file or initial.run)
    if hops and starts_low and (model.coordinates == "cartesian" or initial.sample is not None):
        found.append(
            "trajectories of a hopping method should start on an excited state, but start on state 0: few "
            "will ever hop. Give `initial.state`."
        )
    if method.needs_two_states and isinstance(model, HasSpinStates) and model.spin_orbit is None:
        spins = sorted(set(model.multiplicities))
        if len(spins) > 1:
            found.append(
                f"states of multiplicities {', '.join(map(str, spins))} should be coupled, but the model "
                "has no spin-orbit coupling: no trajectory goes from one to the other."
            )
    return found
