"""A run from its run file to its trajectory file: the same for every method."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from nadyn.checks.configuration import parse_configuration, read_configuration
from nadyn.checks.errors import InputError
from nadyn.checks.output import check_is_no_input
from nadyn.dynamics.hops.cuts import CutProbabilities
from nadyn.dynamics.methods.adaptive import DividedSteps
from nadyn.dynamics.methods.table import find_method
from nadyn.dynamics.run.ensemble import (
    Ensemble,
    after_step,
    checkpoint_arrays,
    finished,
    frame_arrays,
    gathered,
    hop_columns,
)
from nadyn.dynamics.run.judging import judged_step
from nadyn.dynamics.run.model_source import ModelSource
from nadyn.dynamics.run.opening import Sources, open_source
from nadyn.dynamics.run.prepare import Plan, check_method, create_run
from nadyn.dynamics.run.progress import LiveTable, NoTable
from nadyn.dynamics.run.result import RunResult
from nadyn.dynamics.run.resume import resume_run
from nadyn.dynamics.run.settling import counted_step
from nadyn.dynamics.run.stopping import RESULTS, STATUS_NAMES, statuses
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.memory import recall, remembers
from nadyn.electronic.direct.questions import Desk
from nadyn.electronic.interrupt import DeferredInterrupt
from nadyn.electronic.labels import LabelSource
from nadyn.electronic.threads import threads
from nadyn.models.model import Model
from nadyn.trajectory import TrajectoryWriter, open_run
from nadyn.units import ELECTRONVOLT_PER_HARTREE


def run(
    config: RunConfiguration | dict[str, object] | str | Path,
    *,
    model: Model | LabelSource | Desk | None = None,
    sources: Sources | None = None,
    molecule: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> RunResult:
    """Run trajectories and return where they are and how they went.

    Args:
        config: A run file, its content, or a validated configuration. Relative paths in a run file begin at
            its folder.
        model: A model object, or for direct dynamics a label source or what has one answer, instead of
            `model` in the run file.
        sources: Opens the label source that `model` in the run file names; returns None where it names none.
        molecule: Instead of `molecule` in the run file.
        resume: Go on with the file `output`, from its newest checkpoint; begin where there is none yet. The
            result is the file that a run without interruption would have written, bit for bit. A larger
            `time_fs` makes the run longer.
        overwrite: Replace the file `output` if there is one.
        progress: Show a live table on stderr.

    Raises:
        InputError: The run file, the model or the initial conditions cannot be used; `output` exists and
            neither `resume` nor `overwrite` is given; the file to resume belongs to another run.
        RunError: The disk is full.
        KeyboardInterrupt: Ctrl-C or SIGTERM; a checkpoint was written, and the message says how to go on.
    """
    run_file = Path(config) if isinstance(config, str | Path) else None
    folder = run_file.parent if run_file else Path()
    if run_file:
        config = read_configuration(config, RunConfiguration)
    elif isinstance(config, dict):
        config = parse_configuration(config, RunConfiguration, where="run")
    if molecule is not None:
        config = config.model_copy(update={"molecule": molecule})
    # Stored as written: a folder that was moved, or seen from another one, still holds the same run.
    written, config = config, config.beside(folder)
    if run_file:
        check_is_no_input(Path(config.output), run_file)
    if resume and overwrite:
        raise InputError("`resume` and `overwrite` must not be given together, but are. Choose one.")
    find_method(config)
    with ExitStack() as opened:
        source = open_source(config, model, folder, sources, opened)
        check_method(config, source.model)
        return _run(config, written, source, resume=resume, overwrite=overwrite, progress=progress)


def _run(
    config: RunConfiguration,
    written: RunConfiguration,
    source: ModelSource,
    *,
    resume: bool,
    overwrite: bool,
    progress: bool,
) -> RunResult:
    started = time.monotonic()
    begins = not (resume and Path(config.output).exists())
    with threads(1):
        if begins:
            plan, ensemble, writer, notices = create_run(config, source, written=written, overwrite=overwrite)
        else:
            plan, ensemble, writer, notices = resume_run(config, source, written=written)
    if resume and begins:
        notices = [f"There was no {config.output!r} to go on with: the run begins.", *notices]
    earlier = {} if begins else open_run(config.output, verified=False).timings
    config, first_step = plan.config, ensemble.step
    if progress and first_step < config.n_steps:
        table: LiveTable | NoTable = LiveTable(
            n_steps=config.n_steps,
            first_step=first_step,
            dt=config.dt,
            n_states=ensemble.running.energies.shape[1],
            hops=(0, 0) if begins else _hops_so_far(config.output),
            on_states=plan.method.moves_on != "mean of the states",
        )
    else:
        table = NoTable()
    try:
        with threads(1), DeferredInterrupt() as interrupt, table as shown:
            ensemble = _advance(plan, ensemble, writer, shown, interrupt)
        seconds = time.monotonic() - started
        steps = ensemble.everyone.step - first_step
        resumed_at = None if begins else first_step
        writer.close(
            _with_earlier(earlier, {"seconds": seconds, "steps": steps, "resumed_at_step": resumed_at})
        )
    finally:
        writer.release()
    return _result(config, ensemble, seconds, steps, [*notices, *plan.paths.notices()])


def _advance(
    plan: Plan,
    ensemble: Ensemble,
    writer: TrajectoryWriter,
    table: LiveTable | NoTable,
    interrupt: DeferredInterrupt,
) -> Ensemble:
    config, n_steps, every = plan.config, plan.config.n_steps, plan.config.frame_interval
    diabatic = "diabatic_populations" in writer.frame_names

    def write_frame(ensemble: Ensemble) -> None:
        arrays = frame_arrays(ensemble, plan.masses, plan.method, diabatic=diabatic)
        # A file that an older version began does not hold all of them.
        writer.write_frame(writer.next_frame, {name: arrays[name] for name in writer.frame_names})

    if writer.next_frame == 0:
        write_frame(ensemble)
    while ensemble.step < n_steps and len(ensemble.running.trajectory):
        step = plan.motion.step(ensemble.running, plan.model)
        step = judged_step(ensemble.running, step, plan.model, plan.method)
        step = counted_step(step)
        status = statuses(ensemble.running, step, plan.model, plan.limits)
        ensemble, hops = after_step(ensemble, step, status)
        plan.paths.keep(ensemble.running)
        if len(hops.row):
            writer.add_hops(hop_columns(hops, step.state, ensemble.everyone))
        frame_due = ensemble.step % every == 0
        checkpoint_due = ensemble.step % config.checkpoint_interval == 0 or interrupt.requested
        if frame_due or checkpoint_due:
            ensemble = gathered(ensemble)
        if frame_due:
            write_frame(ensemble)
        if checkpoint_due:
            writer.checkpoint(ensemble.step, _checkpoint(plan, ensemble))
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
    writer.checkpoint(n_steps, _checkpoint(plan, ensemble))
    table.update(ensemble, accepted=0, refused=0, last=True)
    return ensemble


def _checkpoint(plan: Plan, ensemble: Ensemble) -> dict[str, np.ndarray]:
    return {**checkpoint_arrays(ensemble), **plan.paths.arrays(ensemble)}


def _with_earlier(earlier: Mapping[str, object], timings: dict[str, object]) -> dict[str, object]:
    """Return timings with the time and the steps of processes that came to an end of the run before."""
    if earlier and not timings["steps"]:
        # Nothing was left to do.
        return dict(earlier)
    return timings | {key: timings[key] + earlier.get(key, 0) for key in ("seconds", "steps")}


def _hops_so_far(path: str) -> tuple[int, int]:
    """Return the accepted and the refused hops that a file holds."""
    accepted = open_run(path, verified=False).hops["accepted"] == 1
    return int(accepted.sum()), int((~accepted).sum())


def _counted(ensemble: Ensemble, kind: type[DividedSteps] | type[CutProbabilities]) -> int | None:
    """Return what all trajectories together have counted; None for a run that does not count it."""
    state = ensemble.everyone
    return int(recall(state, kind).n.sum()) if remembers(state, kind) else None


def _result(
    config: RunConfiguration, ensemble: Ensemble, seconds: float, steps: int, notices: list[str]
) -> RunResult:
    path = Path(config.output)
    done = open_run(path, verified=False)
    accepted = int(np.sum(done.hops["accepted"] == 1))
    codes, counts = np.unique(ensemble.status, return_counts=True)
    by_code = dict(zip((int(code) for code in codes), (int(n) for n in counts), strict=True))
    endings = {STATUS_NAMES[int(code)]: by_code.pop(int(code), 0) for code in RESULTS}
    return RunResult(
        path=path,
        n_trajectories=len(ensemble.status),
        n_finished=sum(endings.values()),
        endings=endings,
        n_stopped={STATUS_NAMES[code]: n for code, n in by_code.items()},
        n_hops=accepted,
        n_refused=len(done.hops["accepted"]) - accepted,
        energy_error_max_ev=float(ensemble.everyone.energy_error_max.max()) * ELECTRONVOLT_PER_HARTREE,
        n_steps_of_trajectories=int(ensemble.last_step.sum()),
        n_divided=_counted(ensemble, DividedSteps),
        n_cut=_counted(ensemble, CutProbabilities),
        seconds=seconds,
        time_fs=config.n_steps * config.dt_fs,
        steps=steps,
        notices=tuple(notices),
    )
