"""A run from its run file to its trajectory file: the same for every method."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nadyn.checks.configuration import parse_configuration, read_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.configuration import RunConfiguration
from nadyn.dynamics.ensemble import (
    Ensemble,
    after_step,
    checkpoint_arrays,
    finished,
    frame_arrays,
    from_checkpoint,
    gathered,
    hop_columns,
    start_ensemble,
)
from nadyn.dynamics.initial import sample
from nadyn.dynamics.interrupt import DeferredInterrupt
from nadyn.dynamics.methods import METHODS, Stepper
from nadyn.dynamics.model_source import ModelSource, digest_at, find_model
from nadyn.dynamics.progress import LiveTable, NoTable, live_table
from nadyn.dynamics.start import start_in_diabatic_state, start_in_state
from nadyn.dynamics.state import State
from nadyn.dynamics.stopping import ADVICE, STATUS_NAMES, Limits, Status, statuses
from nadyn.models.model import Model
from nadyn.trajectory import RunHeader, TrajectoryWriter, open_run
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# Keys that may change when a run is resumed, because no number in the file depends on them.
_FREE_KEYS = {"output", "checkpoint_every"}


@dataclass(frozen=True)
class RunResult:
    """What a run has come to.

    Attributes:
        path: The trajectory file.
        n_trajectories: All of them.
        n_finished: Those that ended as asked: at the end of the run, or out of the region of `stop`.
        n_stopped: Numbers of the others by reason.
        n_hops: Accepted hops.
        n_refused: Frustrated hops.
        energy_error_max_ev: Worst error of the conserved energy, of all steps and trajectories.
        seconds: Wall time of this call.
        notices: What was noticed on the way, in sentences.
    """

    path: Path
    n_trajectories: int
    n_finished: int
    n_stopped: dict[str, int]
    n_hops: int
    n_refused: int
    energy_error_max_ev: float
    seconds: float
    notices: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """Everything about a run that stays as it is while it goes on."""

    config: RunConfiguration
    model: Model
    masses: torch.Tensor
    step: Stepper
    limits: Limits


def run(
    config: RunConfiguration | dict[str, object] | str | Path,
    *,
    model: Model | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> RunResult:
    """Run trajectories and return where they are and how they went.

    Args:
        config: A run file, its content, or a validated configuration.
        model: A model object, instead of `model` in the run file.
        resume: Go on with the file `output`, from its newest checkpoint. The result is the file that a run
            without interruption would have written, bit for bit.
        overwrite: Replace the file `output` if there is one.
        progress: Show a live table on stderr.

    Raises:
        InputError: The run file, the model or the initial conditions cannot be used; `output` exists and
            neither `resume` nor `overwrite` is given; the file to resume belongs to another run.
        KeyboardInterrupt: Ctrl-C; a checkpoint has been written, and the message says how to go on.
    """
    started = time.monotonic()
    if isinstance(config, str | Path):
        config = read_configuration(config, RunConfiguration)
    elif isinstance(config, dict):
        config = parse_configuration(config, RunConfiguration, where="run")
    if resume and overwrite:
        raise InputError("`resume` and `overwrite` must not be given together, but are. Choose one.")
    source = find_model(config.model, model)
    _check_method(config, source.model)
    opened = _resume(config, source) if resume else _create(config, source, overwrite=overwrite)
    plan, ensemble, writer, notices = opened
    first_step = ensemble.step
    table = live_table(
        show=progress,
        n_steps=config.n_steps,
        first_step=first_step,
        dt=config.dt,
        n_states=plan.model.n_states,
    )
    try:
        with DeferredInterrupt() as interrupt, table as shown:
            ensemble = _advance(plan, ensemble, writer, shown, interrupt)
        seconds = time.monotonic() - started
        steps = ensemble.everyone.step - first_step
        resumed = first_step if resume else None
        writer.close({"seconds": seconds, "steps": steps, "resumed_at_step": resumed})
    finally:
        writer.release()
    return _result(Path(config.output), ensemble, seconds, notices)


def _check_method(config: RunConfiguration, model: Model) -> None:
    METHODS[config.method].build(config, model, model.masses)
    if config.stop is not None and model.coordinates != "generalised":
        raise InputError(
            f"`stop.beyond_au` must be left out for molecules like {model.name}, but is given. Remove it."
        )


def _create(
    config: RunConfiguration, source: ModelSource, *, overwrite: bool
) -> tuple[_Plan, Ensemble, TrajectoryWriter, list[str]]:
    model, output = source.model, Path(config.output)
    if output.exists() and not overwrite:
        # Said before the work of sampling, which the writer would not know about.
        raise InputError(
            f"`output` must be a new file, but {config.output!r} exists. "
            "Try --resume to continue that run or --overwrite to start again."
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        initial = sample(model, config.initial, seed=config.seed)
    notices = [str(warning.message) for warning in caught]
    plan = _plan(config, model, torch.from_numpy(np.array(initial.masses)))
    state = _start(plan, initial)
    ensemble = gathered(start_ensemble(state))
    header = RunHeader(
        config=config.model_dump(mode="json"),
        method=config.method,
        population_estimator=METHODS[config.method].population_estimator,
        seed=config.seed,
        n_steps=config.n_steps,
        dt_au=config.dt,
        write_every=config.frame_interval,
        n_states=model.n_states,
        n_axes=state.positions.shape[2],
        masses=plan.masses.numpy(),
        weight=state.weight.numpy(),
        model_name=model.name,
        model_digest=source.digest or digest_at(model, state.positions),
        status_names=STATUS_NAMES,
        status_advice={int(status): advice for status, advice in ADVICE.items()},
        atomic_numbers=None if model.atomic_numbers is None else np.array(model.atomic_numbers),
        n_basis=model.n_basis if model.fixed_diabatic_basis else None,
        diabatic_population_estimator=METHODS[config.method].diabatic_population_estimator,
        warnings=tuple(notices),
    )
    writer = TrajectoryWriter.create(output, header, checkpoint_arrays(ensemble), overwrite=overwrite)
    return plan, ensemble, writer, notices


def _resume(
    config: RunConfiguration, source: ModelSource
) -> tuple[_Plan, Ensemble, TrajectoryWriter, list[str]]:
    before = open_run(config.output)
    now = config.model_dump(mode="json")
    changed = sorted(key for key in now if key not in _FREE_KEYS and now[key] != before.config.get(key))
    if changed:
        raise InputError(
            f"`{changed[0]}` must be as it was when {config.output!r} was started, "
            f"{before.config.get(changed[0])!r}, but is {now[changed[0]]!r}. Change it back, or choose "
            "another `output`."
        )
    writer, arrays, notices = TrajectoryWriter.resume(config.output)
    ensemble = from_checkpoint(arrays, writer.step)
    # The start is needed for the digest of a model without a file; frame 0 may not be there yet.
    start = before.positions[:1, 0] if before.committed_frames else arrays["positions"][:1]
    digest = source.digest or digest_at(source.model, torch.from_numpy(np.array(start, dtype=np.float64)))
    if digest != before.attributes["model_digest"]:
        writer.release()
        raise InputError(
            f"`model` must be the one that {config.output!r} was started with, but "
            f"{before.attributes['model_name']} was changed since. Choose another `output`."
        )
    plan = _plan(config, source.model, torch.from_numpy(np.array(before.masses, dtype=np.float64)))
    return plan, ensemble, writer, notices


def _plan(config: RunConfiguration, model: Model, masses: torch.Tensor) -> _Plan:
    limits = Limits(
        max_energy_step=config.max_energy_step_ev * HARTREE_PER_EV,
        beyond=None if config.stop is None else config.stop.beyond_au,
    )
    return _Plan(config, model, masses, METHODS[config.method].build(config, model, masses), limits)


def _start(plan: _Plan, initial: InitialConditions) -> State:
    positions, momenta, weight = (
        torch.from_numpy(np.array(array, dtype=np.float64))
        for array in (initial.positions, initial.momenta, initial.weight)
    )
    if initial.diabatic_state is not None:
        return start_in_diabatic_state(
            plan.model,
            positions,
            momenta,
            masses=plan.masses,
            diabatic_state=initial.diabatic_state,
            seed=plan.config.seed,
            weight=weight,
        )
    state = 0 if initial.state is None else initial.state
    return start_in_state(
        plan.model, positions, momenta, masses=plan.masses, active_state=state, weight=weight
    )


def _advance(
    plan: _Plan,
    ensemble: Ensemble,
    writer: TrajectoryWriter,
    table: LiveTable | NoTable,
    interrupt: DeferredInterrupt,
) -> Ensemble:
    config, n_steps, every = plan.config, plan.config.n_steps, plan.config.frame_interval
    diabatic = plan.model.fixed_diabatic_basis

    def write_frame(ensemble: Ensemble) -> None:
        writer.write_frame(writer.next_frame, frame_arrays(ensemble, plan.masses, diabatic=diabatic))

    if writer.next_frame == 0:
        write_frame(ensemble)
    while ensemble.step < n_steps and len(ensemble.running.trajectory):
        step = plan.step(ensemble.running, plan.model)
        status = statuses(ensemble.running, step, plan.model, plan.limits)
        ensemble, hops = after_step(ensemble, step, status)
        if len(hops.row):
            writer.add_hops(hop_columns(hops, step.state))
        frame_due = ensemble.step % every == 0
        checkpoint_due = ensemble.step % config.checkpoint_interval == 0 or interrupt.requested
        if frame_due or checkpoint_due:
            ensemble = gathered(ensemble)
        if frame_due:
            write_frame(ensemble)
        if checkpoint_due:
            writer.checkpoint(ensemble.step, checkpoint_arrays(ensemble))
        accepted = int(hops.accepted.sum())
        table.update(ensemble, accepted=accepted, refused=len(hops.row) - accepted)
        if interrupt.requested and ensemble.step < n_steps:
            raise KeyboardInterrupt(
                f"interrupted after step {ensemble.step} of {n_steps}; nothing is lost. Go on with --resume."
            )
    ensemble = finished(ensemble, n_steps)
    # Where every trajectory has ended early, the remaining frames repeat what they ended with.
    while writer.next_frame <= n_steps // every:
        write_frame(ensemble)
    writer.checkpoint(n_steps, checkpoint_arrays(ensemble))
    table.update(ensemble, accepted=0, refused=0, last=True)
    return ensemble


def _result(path: Path, ensemble: Ensemble, seconds: float, notices: list[str]) -> RunResult:
    done = open_run(path)
    accepted = int(np.sum(done.hops["accepted"] == 1))
    codes, counts = np.unique(ensemble.status, return_counts=True)
    by_code = dict(zip((int(code) for code in codes), (int(n) for n in counts), strict=True))
    n_finished = sum(by_code.pop(int(code), 0) for code in (Status.FINISHED, Status.LEFT_REGION))
    return RunResult(
        path=path,
        n_trajectories=len(ensemble.status),
        n_finished=n_finished,
        n_stopped={STATUS_NAMES[code]: n for code, n in by_code.items()},
        n_hops=accepted,
        n_refused=len(done.hops["accepted"]) - accepted,
        energy_error_max_ev=float(ensemble.everyone.energy_error_max.max()) * ELECTRONVOLT_PER_HARTREE,
        seconds=seconds,
        notices=tuple(notices),
    )
