"""Going on with a run: at its newest checkpoint, and beyond its end."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.dynamics.methods.needs import wanted_of
from nadyn.dynamics.methods.table import find_method, stored_configuration
from nadyn.dynamics.run.device import state_on
from nadyn.dynamics.run.ensemble import Ensemble, checkpoint_arrays, from_checkpoint, reopened
from nadyn.dynamics.run.model_source import ModelSource, digest_at
from nadyn.dynamics.run.prepare import FREE_KEYS, Plan, plan_of, stored_in_file
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.electronic.direct.model import DirectModel
from nadyn.models.model import Model
from nadyn.trajectory import Run, TrajectoryWriter, open_run

# Keys that may change because a run is made longer.
_LENGTH_KEYS = {"time_fs", "write_every"}


def resume_run(
    config: RunConfiguration, source: ModelSource, *, written: RunConfiguration
) -> tuple[Plan, Ensemble, TrajectoryWriter, list[str]]:
    """Open the trajectory file of a run at its newest checkpoint; arguments as in `create_run`.

    A run whose `time_fs` is larger than that of its file is made longer. Frames and checkpoints keep the
    intervals of the file, which may follow from the shorter time: so every number is the one of a run that
    had the longer time and these intervals from the beginning.

    Raises:
        InputError: The file is damaged, or was started with another run file or model.
        RunError: The disk has no room for the longer run.
    """
    before = open_run(config.output, verified=False)
    config = _with_intervals_of(before, config)
    if source.digest is not None and source.digest == before.attributes["model_digest"]:
        # The same model, wherever it lies now; the file keeps the name that it was started with.
        written = written.model_copy(update={"model": before.config["model"]})
    _check_same(written, before)
    writer, arrays, notices = TrajectoryWriter.resume(config.output)
    with ExitStack() as undo:
        undo.callback(writer.release)
        ensemble = from_checkpoint(arrays, writer.step)
        # The start is needed for the digest of a model without a file; frame 0 may not be there yet.
        start = before.positions[:1, 0] if before.committed_frames else arrays["positions"][:1]
        digest = source.digest or digest_at(source.model, torch.from_numpy(np.array(start, dtype=np.float64)))
        if digest != before.attributes["model_digest"]:
            raise InputError(
                f"`model` must be the one that {config.output!r} was started with, but "
                f"{before.attributes['model_name']} was changed since. Choose another `output`."
            )
        model = source.model
        if isinstance(model, DirectModel):
            model = replace(model, wanted=wanted_of(config, find_method(config)))
        notices += _other_path(str(before.attributes.get("evaluation", "")), model)
        plan = plan_of(config, model, torch.from_numpy(np.array(before.masses, dtype=np.float64)))
        on_its_device = partial(state_on, device=plan.masses.device)
        ensemble = replace(
            ensemble, running=on_its_device(ensemble.running), everyone=on_its_device(ensemble.everyone)
        )
        plan.paths.go_on(ensemble.everyone, arrays)
        n_before = int(before.attributes["n_steps"])
        if writer.step < config.n_steps:
            ensemble = reopened(ensemble)
        if config.n_steps > n_before:
            intervals = {"write_every": config.write_every, "checkpoint_every": config.checkpoint_every}
            stored, outside_digest = stored_in_file(written.model_copy(update=intervals))
            writer.extend(config.n_steps, stored, outside_digest)
            paths = plan.paths.arrays(ensemble)
            writer.checkpoint(writer.step, {**checkpoint_arrays(ensemble), **paths})
            notices.append(
                f"The run is made longer, from {n_before * config.dt_fs:g} to "
                f"{config.n_steps * config.dt_fs:g} fs; a frame stays "
                f"{counted(config.write_every, 'step')} long."
            )
        undo.pop_all()
    return plan, ensemble, writer, notices


def _other_path(then: str, model: Model) -> list[str]:
    """Say where a model is evaluated by other code than before, which rounds differently.

    Args:
        then: How the file says it was evaluated; empty in files of models that have one way.
        model: As it is now.
    """
    now = getattr(model, "evaluation", "")
    if not then or then.split(" (")[0].split(":")[0] == now.split(" (")[0].split(":")[0]:
        return []
    return [
        f"The model was evaluated by {then} and is now evaluated by {now}, which rounds differently: last "
        "digits are not those of an undisturbed run."
    ]


def _with_intervals_of(before: Run, config: RunConfiguration) -> RunConfiguration:
    """Return a run file with the intervals of frames and checkpoints that a file of it has."""
    interval = int(before.attributes["write_every"])
    as_before = config.model_copy(update={"time_fs": before.config["time_fs"], "write_every": interval})
    checkpoints = before.config.get("checkpoint_every") or as_before.checkpoint_interval
    config_now = config.model_copy(
        update={"write_every": interval, "checkpoint_every": config.checkpoint_every or checkpoints}
    )
    n_before = int(before.attributes["n_steps"])
    if config_now.n_steps < n_before:
        raise InputError(
            f"`time_fs` must be at least the {n_before * config.dt_fs:g} of {config.output!r}, but is "
            f"{config.time_fs:g}. A run can be made longer, not shorter: choose another `output`."
        )
    given = config.write_every
    is_as_written = given == before.config.get("write_every") and config_now.n_steps == n_before
    if given not in (None, interval) and not is_as_written:
        raise InputError(
            f"`write_every` must be {interval}, as in {config.output!r}, or left out, but is {given}. Change "
            "it, or choose another `output`."
        )
    return config_now


def _check_same(written: RunConfiguration, before: Run) -> None:
    """Refuse to go on with a run whose run file has another value on which numbers depend."""
    now = stored_configuration(written)
    changed = sorted(
        key for key in now.keys() - FREE_KEYS - _LENGTH_KEYS if _differ(now[key], before.config.get(key))
    )
    if changed:
        raise InputError(
            f"`{changed[0]}` must be as it was when {str(before.path)!r} was started, "
            f"{before.config.get(changed[0])!r}, but is {now[changed[0]]!r}. Change it back, or choose "
            "another `output`."
        )


def _differ(now: object, before: object) -> bool:
    """Tell whether two values of a run file differ; a key that is missing is one that is not given."""
    if isinstance(now, dict) and isinstance(before, dict):
        return any(_differ(now.get(key), before.get(key)) for key in now.keys() | before.keys())
    return now != before
