"""`nadyn train --members`: several members that differ by seed and split, and what their spread is worth.

A part of the frames is held out from all members: the spread of a committee is calibrated where nobody has
seen the labels. Frames that one member alone has held out would not do: the others know the answer there, so
that their distance from it is its error, and not what is seen at a new geometry, where all of them guess. The
rest is split for each member by its own seed, into frames to learn from and frames that choose its best
weights.

Whatever is done is kept beside the checkpoint: finished members as model files, the one in work as the
checkpoint of a training.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch

from nadyn.checks.errors import InputError
from nadyn.checks.output import write_new
from nadyn.data import Dataset
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.models.model_file import load_model, save_model
from nadyn.training.calibrate import FEWEST_VALUES, calibrated
from nadyn.training.checkpoint import beside, read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import Comparison, compare
from nadyn.training.held_out import HeldOut, hold_out
from nadyn.training.origin import check_origin, origin
from nadyn.training.output import check_files, checkpoint_path, forget
from nadyn.training.parity_sample import write_history
from nadyn.training.progress import Progress
from nadyn.training.side_by_side import side_by_side
from nadyn.training.stages import DEFAULT_TIME_LIMIT_MINUTES
from nadyn.training.together import of_torchrun
from nadyn.training.train import learn, timings_since

MOST_MEMBERS = 64
# Seeds of members, apart from those that a user gives to trainings.
_SEEDS = 7919


@dataclass(frozen=True)
class TrainedCommittee:
    """A finished training of several members.

    Attributes:
        committee: Bound to its first member.
        held_out: Which frames no member has seen.
        histories: What was written of each member, see `Trained.history`.
        comparisons: Predictions of its member beside labels.
    """

    committee: Committee
    held_out: HeldOut
    histories: tuple[dict[str, object], ...]
    comparisons: tuple[Comparison, ...]

    @property
    def unseen(self) -> Dataset | None:
        """The frames that no member has seen."""
        return self.held_out.validation


def train_committee(
    dataset: Dataset,
    output: str | Path,
    configuration: TrainingConfiguration | None = None,
    *,
    n_members: int,
    validation: Dataset | None = None,
    begin_from: Sequence[LearnedModel] = (),
    resume: bool = False,
    overwrite: bool = False,
    processes: int = 1,
    report: Callable[[Progress], None] = lambda progress: None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainedCommittee:
    """Train the members of a committee, calibrate their spread, and write one file.

    Arguments are those of `train`; `validation` calibrates the spread, and each member holds out its own part
    of the rest. So many members as there are `processes` train at a time, each in one of its own; a time
    limit is that of all together. `basis: auto` is searched for by the first member, and the others take what
    it has found.

    Raises:
        InputError: The data cannot be trained on, no frame can be held out, files are in the way, or torchrun
            has started several processes.
        RunError: The loss of a member stops being finite, or its process ends.
    """
    started = time.monotonic()
    configuration = configuration or TrainingConfiguration()
    output = Path(output)
    if of_torchrun()[1] > 1:
        raise InputError(
            "members of a committee must train without torchrun, side by side in processes of their own, but "
            "torchrun has started several. Use `nadyn train … --members N --processes M`."
        )
    _check(output, n_members, resume=resume, overwrite=overwrite)
    at_a_time = min(max(processes, 1), n_members)
    plan = _plan(dataset, output, configuration, begin_from, n_members, validation, at_a_time)
    if at_a_time > 1:
        _train_side_by_side(plan, dataset, output, validation, report, clock)
    found = [_member(plan, k, _titled(report, k, n_members), clock) for k in range(n_members)]
    members, histories = zip(*found, strict=True)
    held_out = plan.held_out
    record = {
        "held_out": held_out.record,
        "notes": held_out.sentences,
        "data": plan.origin["data"],
        "seeds": [member.trained_on["seed"] for member in members],
        "configuration": configuration.model_dump(mode="json"),
    }
    committee = calibrated(Committee(members, trained_on=record), held_out.validation)
    save_model(committee, output, timings=timings_since(started))
    comparisons = tuple(compare(committee, group) for group in held_out.validation.groups)
    content = {"configuration": configuration.model_dump(), "members": list(histories)}
    write_history(output, content, title="frames that no member saw", comparisons=comparisons)
    forget(plan.checkpoint)
    return TrainedCommittee(committee, held_out, histories, comparisons)


def finish_member(
    dataset: Dataset,
    output: str | Path,
    configuration: TrainingConfiguration,
    *,
    n_members: int,
    number: int,
    begin_from: Sequence[LearnedModel] = (),
    validation: Dataset | None = None,
    at_a_time: int = 1,
    report: Callable[[Progress], None] = lambda progress: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Train one member of a committee, or what is left of it, and keep it beside the checkpoint.

    Members may so be trained by several processes at the same time; `train_committee` with `resume` finds
    them finished and writes the committee. Arguments are those of `train_committee`; so many as train
    `at_a_time` share the time.

    Raises:
        InputError: As `train_committee`; or the basis is to be searched for by the first member, which is not
            finished yet.
    """
    output = Path(output)
    _check(output, n_members, resume=True, overwrite=False)
    plan = _plan(dataset, output, configuration, begin_from, n_members, validation, at_a_time)
    if number and configuration.model.basis == "auto" and not _finished(plan.checkpoint, 0)[0].exists():
        raise InputError(
            "`basis` must be given where members are trained side by side, but is auto: the first member "
            "searches for. Name it, or finish member 0 first."
        )
    _member(plan, number, _titled(report, number, n_members), clock)


@dataclass(frozen=True)
class _Plan:
    """What all members of a training share."""

    held_out: HeldOut
    checkpoint: Path
    configuration: TrainingConfiguration
    begin_from: Sequence[LearnedModel]
    n_members: int
    at_a_time: int
    origin: dict[str, dict[str, object]]


def _check(output: Path, n_members: int, *, resume: bool, overwrite: bool) -> None:
    if not 2 <= n_members <= MOST_MEMBERS:
        raise InputError(f"`--members` must be from 2 to {MOST_MEMBERS}, but is {n_members}.")
    check_files(output, checkpoint_path(output), resume=resume, overwrite=overwrite)


def _plan(
    dataset: Dataset,
    output: Path,
    configuration: TrainingConfiguration,
    begin_from: Sequence[LearnedModel],
    n_members: int,
    validation: Dataset | None,
    at_a_time: int,
) -> _Plan:
    """Hold out what no member sees; begin the training, or go on with the one that is there."""
    checkpoint = checkpoint_path(output)
    members = {"n": n_members}
    if at_a_time > 1 and not configuration.has_steps:
        # They have more time each.
        members["at_a_time"] = at_a_time
    begins_from = origin(configuration, dataset, begin_from, validation) | {"members": members}
    if checkpoint.exists():
        check_origin(read_progress(checkpoint)["origin"], begins_from)
    held_out = hold_out(dataset, configuration, validation)
    if held_out.validation is None:
        raise InputError(
            "a committee must have frames that no member sees, but nothing can be held out of this dataset. "
            "Add frames, or train one model without `--members`."
        )
    # Said now, and not after the last member.
    n_errors = n_members * sum(group.energies.size for group in held_out.validation.groups)
    if n_errors < FEWEST_VALUES:
        raise InputError(
            f"a committee must have {FEWEST_VALUES} errors of energies at least to calibrate its spread, one "
            f"for each member, state and held-out frame, but {n_members} members have {n_errors}. Raise "
            "`validation_fraction`, or add frames."
        )
    if not checkpoint.exists():
        metadata = {"progress": json.dumps({"origin": begins_from})}
        write_new(checkpoint, safetensors.torch.save({}, metadata=metadata))
    return _Plan(held_out, checkpoint, configuration, begin_from, n_members, at_a_time, begins_from)


def _train_side_by_side(
    plan: _Plan,
    dataset: Dataset,
    output: Path,
    validation: Dataset | None,
    report: Callable[[Progress], None],
    clock: Callable[[], float],
) -> None:
    """Finish all members that are not finished yet; one that the others must wait for comes first, alone."""
    if plan.configuration.model.basis == "auto":
        _member(plan, 0, _titled(report, 0, plan.n_members), clock)
    left = [number for number in range(plan.n_members) if not _finished(plan.checkpoint, number)[0].exists()]
    asked = {
        "dataset": dataset,
        "output": output,
        "configuration": plan.configuration,
        "n_members": plan.n_members,
        "begin_from": plan.begin_from,
        "validation": validation,
        "at_a_time": plan.at_a_time,
    }
    side_by_side(
        finish_member, asked, left, processes=plan.at_a_time, n_members=plan.n_members, report=report
    )


def _finished(checkpoint: Path, number: int) -> tuple[Path, Path]:
    """Return where a finished member and its history are kept."""
    model, history = (beside(checkpoint, f"finished-{number}.{kind}") for kind in ("safetensors", "json"))
    return model, history


def _member(
    plan: _Plan, number: int, report: Callable[[Progress], None], clock: Callable[[], float]
) -> tuple[LearnedModel, dict[str, object]]:
    """Return a member and its history: what a process before this one has finished, or trained now."""
    done, written = _finished(plan.checkpoint, number)
    if not done.exists():
        first = _finished(plan.checkpoint, 0)[0]
        before = load_model(first) if number and plan.configuration.model.basis == "auto" else None
        own = beside(plan.checkpoint, f"member-{number}")
        trained = learn(
            plan.held_out.training,
            own,
            _of_member(plan.configuration, number, math.ceil(plan.n_members / plan.at_a_time), before),
            begin_from=plan.begin_from,
            resume=True,
            report=report,
            clock=clock,
        )
        write_new(written, json.dumps(trained.history))
        save_model(trained.model, done)
        # Whatever is loaded is what a resumed training loads.
        forget(own)
    return load_model(done), json.loads(written.read_text(encoding="utf-8"))


def _of_member(
    configuration: TrainingConfiguration, number: int, n_turns: int, first: LearnedModel | None
) -> TrainingConfiguration:
    """Return the configuration of a member: a seed of its own, one of so many turns of the time, the basis of
    the first."""
    changes: dict[str, object] = {"seed": (configuration.seed + _SEEDS * number) % 2**31}
    if configuration.split_seed is not None:
        changes["split_seed"] = (configuration.split_seed + _SEEDS * number) % 2**31
    if not configuration.has_steps:
        limit = configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES
        changes["time_limit_minutes"] = limit / n_turns
    if first is not None and not first.potential.is_atomic_sum:
        settings = first.potential.settings
        found = {"kind": "diabatic", "basis": settings.basis, "start": settings.start}
        changes["model"] = configuration.model.model_copy(update=found)
    return configuration.model_copy(update=changes)


def _titled(report: Callable[[Progress], None], number: int, n_members: int) -> Callable[[Progress], None]:
    name = f"member {number + 1} of {n_members}"

    def titled(progress: Progress) -> None:
        report(replace(progress, title=f"{name}: {progress.title}" if progress.title else name))

    return titled
