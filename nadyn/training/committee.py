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
from nadyn.models.matrix.diabatic import DiabaticHamiltonian
from nadyn.models.model_file import load_model, save_model
from nadyn.training.calibrate import calibrated
from nadyn.training.checkpoint import beside, read_progress
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.held_out import HeldOut, hold_out
from nadyn.training.loop import Progress
from nadyn.training.origin import check_origin, origin
from nadyn.training.stages import DEFAULT_TIME_LIMIT_MINUTES
from nadyn.training.train import (
    check_files,
    checkpoint_path,
    forget,
    learn,
    timings_since,
)

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
        judged: What errors and spreads are of, for the title of a table.
    """

    committee: Committee
    held_out: HeldOut
    histories: tuple[dict[str, object], ...]

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
    begin_from: Sequence[LearnedModel] = (),
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainedCommittee:
    """Train the members of a committee one after the other, calibrate their spread, and write one file.

    Arguments are those of `train`; a time limit is that of all members together. `basis: auto` is searched
    for by the first member, and the others take what it has found.

    Raises:
        InputError: The data cannot be trained on, no frame can be held out, or files are in the way.
        RunError: The loss of a member stops being finite.
    """
    configuration = configuration or TrainingConfiguration()
    output = Path(output)
    checkpoint = checkpoint_path(output)
    if not 2 <= n_members <= MOST_MEMBERS:
        raise InputError(f"`--members` must be from 2 to {MOST_MEMBERS}, but is {n_members}.")
    check_files(output, checkpoint, resume=resume, overwrite=overwrite)
    begins_from = origin(configuration, dataset, begin_from) | {"members": {"n": n_members}}
    if resume and checkpoint.exists():
        check_origin(read_progress(checkpoint)["origin"], begins_from)
    else:
        metadata = {"progress": json.dumps({"origin": begins_from})}
        write_new(checkpoint, safetensors.torch.save({}, metadata=metadata))
    held_out = hold_out(dataset, configuration)
    if held_out.validation is None:
        raise InputError(
            "a committee must have frames that no member sees, but nothing can be held out of this dataset. "
            "Add frames, or train one model without `--members`."
        )
    started = time.monotonic()
    members: list[LearnedModel] = []
    histories: list[dict[str, object]] = []
    for number in range(n_members):
        own = _of_member(configuration, number, n_members, members)
        member, history = _member(
            number, held_out.training, checkpoint, own, begin_from, _titled(report, number, n_members), clock
        )
        members.append(member)
        histories.append(history)
    record = {
        "held_out": held_out.record,
        "notes": held_out.sentences,
        "data": begins_from["data"],
        "seeds": [member.trained_on["seed"] for member in members],
        "configuration": configuration.model_dump(mode="json"),
    }
    committee = calibrated(Committee(tuple(members), trained_on=record), held_out.validation)
    save_model(committee, output, timings=timings_since(started))
    content = {"configuration": configuration.model_dump(), "members": histories}
    write_new(output.with_suffix(".history.json"), json.dumps(content, indent=1))
    forget(checkpoint)
    return TrainedCommittee(committee, held_out, tuple(histories))


def _member(
    number: int,
    training: Dataset,
    checkpoint: Path,
    configuration: TrainingConfiguration,
    begin_from: Sequence[LearnedModel],
    report: Callable[[Progress], None],
    clock: Callable[[], float],
) -> tuple[LearnedModel, dict[str, object]]:
    """Return a member and its history: what a process before this one has finished, or trained now."""
    done, written = (beside(checkpoint, f"finished-{number}.{kind}") for kind in ("safetensors", "json"))
    if not done.exists():
        own = beside(checkpoint, f"member-{number}")
        trained = learn(
            training,
            own,
            configuration,
            begin_from=begin_from,
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
    configuration: TrainingConfiguration, number: int, n_members: int, before: Sequence[LearnedModel]
) -> TrainingConfiguration:
    """Return the configuration of a member: a seed of its own, its share of the time, the basis of the
    first."""
    changes: dict[str, object] = {"seed": (configuration.seed + _SEEDS * number) % 2**31}
    if configuration.epochs is None:
        limit = configuration.time_limit_minutes or DEFAULT_TIME_LIMIT_MINUTES
        changes["time_limit_minutes"] = limit / n_members
    if before and configuration.model.basis == "auto" and isinstance(before[0].network, DiabaticHamiltonian):
        settings = before[0].network.settings
        found = {"kind": "diabatic", "basis": settings.basis, "start": settings.start}
        changes["model"] = configuration.model.model_copy(update=found)
    return configuration.model_copy(update=changes)


def _titled(report: Callable[[Progress], None], number: int, n_members: int) -> Callable[[Progress], None]:
    name = f"member {number + 1} of {n_members}"

    def titled(progress: Progress) -> None:
        report(replace(progress, title=f"{name}: {progress.title}" if progress.title else name))

    return titled
