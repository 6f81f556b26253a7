"""The training loop: steps, validation, the best weights, checkpoints."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError, RunError
from nadyn.electronic.interrupt import DeferredInterrupt
from nadyn.models.potential import Potential
from nadyn.training.averaging import WeightAverage
from nadyn.training.budget import Budget
from nadyn.training.checkpoint import read_progress, restore, write_checkpoint
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.losses import NoiseScales, mean_frame_weight
from nadyn.training.nothing import errors_of_nothing
from nadyn.training.optimizers import OPTIMIZERS
from nadyn.training.predictions import Pairs, label_pairs
from nadyn.training.prepared import prepared
from nadyn.training.progress import Outcome, Progress, history_entry, running_mean
from nadyn.training.ranks import ALONE, Ranks
from nadyn.training.samples import Samples, batches, batches_per_epoch
from nadyn.training.schedule import Length, Schedule
from nadyn.training.step import given_noise, mean_of_gap_weights, parameter_groups, train_step
from nadyn.training.validation import Errors, validate

_NON_FINITE_IN_A_ROW = 20
# Where the validation makes no progress the rate comes down over this part of the steps that were made: much
# is learned only while it falls, and to end before would be to lose that.
_COMING_DOWN = 0.25


def train_network(
    potential: Potential,
    training: tuple[Samples, ...],
    validation: tuple[Samples, ...],
    configuration: TrainingConfiguration,
    length: Length,
    *,
    title: str = "",
    checkpoint: Path,
    origin: dict[str, dict[str, object]],
    resume: bool,
    report: Callable[[Progress], None],
    clock: Callable[[], float] = time.monotonic,
    began: float | None = None,
    ranks: Ranks = ALONE,
) -> Outcome:
    """Train a network in place.

    Args:
        network: Initialised by `build_network`; at the end it holds the best averaged weights.
        training: Frames to learn from.
        validation: Frames that choose the best weights and stop the training.
        configuration: Rates, weights, batches.
        length: Number of steps, or time: then the number of steps is fixed while training, and lowered where
            steps become slower. Each such change is a part of the checkpoint.
        title: What is trained, for the progress.
        checkpoint: File for going on after an interruption.
        origin: What the training started from, from `nadyn.training.origin`; it is stored in the checkpoint.
        resume: Start from that file.
        report: Called after each step.
        clock: Gives seconds.
        began: What the clock gave when the time of this training began; now if None.
        ranks: The processes that train together; the first writes the checkpoint and validates.

    Raises:
        RunError: The loss is not finite many times in a row, or in every step.
        KeyboardInterrupt: Ctrl-C was pressed; the step was finished and is in the checkpoint.
    """
    pairs = label_pairs(training, potential.n_states)
    # All have looked whether there is a checkpoint before the first writes one.
    ranks.wait()
    ranks.take_from_the_first([one.detach() for one in (*potential.parameters(), *potential.buffers())])
    average = WeightAverage(potential, configuration.average_decay)
    optimizer = OPTIMIZERS[configuration.optimizer](
        parameter_groups(potential, configuration.weight_decay), lr=configuration.learning_rate, ranks=ranks
    )
    scales = NoiseScales(given_noise(configuration))
    per_epoch = batches_per_epoch(training, configuration.batch_size)
    progress = Progress(n_steps=length.n_steps, steps_per_epoch=per_epoch, title=title)
    if not validation:
        progress.judged = "training frames"
    schedule = Schedule(configuration.learning_rate, configuration.warmup_steps)
    if length.n_steps is not None:
        schedule = schedule.changed(0, length.n_steps)
    spent = None
    best = _copy(average)
    if resume:
        stored = read_progress(checkpoint)
        best = restore(checkpoint, potential=potential, average=average, optimizer=optimizer)
        scales.variances = dict(stored["variances"])
        if "changes" not in stored:
            raise InputError(
                f"checkpoint {str(checkpoint)!r} must be one of this version of nadyn, but is older. "
                "Use the version that wrote it, or --overwrite to start again."
            )
        progress = Progress(**stored["progress"])
        schedule = replace(schedule, changes=tuple(map(tuple, stored["changes"])))
        spent = stored["budget"]
    budget = Budget(length, per_epoch, clock, began=clock() if began is None else began, state=spent)

    def save() -> None:
        # The clock is that of all.
        budget_state = budget.state()
        if not ranks.is_first:
            return
        write_checkpoint(
            checkpoint,
            potential=potential,
            average=average,
            best=best,
            optimizer=optimizer,
            progress={
                "origin": origin,
                "progress": vars(progress) | {"seconds_a_step": 0.0},
                "variances": scales.variances,
                "changes": schedule.changes,
                "budget": budget_state,
            },
        )

    if not resume:
        # From here on a training can be resumed, whenever it is stopped.
        save()
    nothing = errors_of_nothing(training, validation or training)
    mean_weight = mean_frame_weight(training)
    mean_gap_weight = (
        mean_of_gap_weights(training) if configuration.gap_weight and potential.n_states > 1 else None
    )
    training = prepared(potential, training)
    first_step = progress.step
    budget.begin(first_step)
    bad_in_a_row = 0
    with DeferredInterrupt() as interrupt:
        while schedule.n_steps is None or progress.step < schedule.n_steps:
            epoch, offset = divmod(progress.step, per_epoch)
            # Before a whole epoch and nowhere else, so that a training that is resumed decides the same.
            waited = (progress.step - progress.best_step) // per_epoch
            if not offset and not progress.comes_down and waited >= configuration.patience_epochs:
                end = progress.step + max(per_epoch, int(_COMING_DOWN * progress.step))
                if schedule.n_steps is None or end < schedule.n_steps:
                    schedule = schedule.changed(progress.step, end)
                    progress.n_steps, progress.comes_down = end, True
                    save()
            for number, batch in enumerate(
                batches(training, configuration.batch_size, seed=configuration.seed, epoch=epoch)
            ):
                if number < offset:
                    continue
                step_started = clock()
                rate = schedule.rate(progress.step)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                step = progress.step
                loss = train_step(
                    potential,
                    batch,
                    pairs,
                    optimizer,
                    scales,
                    configuration,
                    mean_gap_weight,
                    mean_weight=mean_weight,
                    step=step,
                    looseness=schedule.looseness(step),
                    ranks=ranks,
                )
                if math.isfinite(loss):
                    bad_in_a_row = 0
                    progress.loss = running_mean(progress.loss, loss, 0.98)
                    average.update(potential, progress.step)
                else:
                    bad_in_a_row += 1
                    progress.skipped += 1
                    if bad_in_a_row >= _NON_FINITE_IN_A_ROW:
                        raise RunError(
                            f"the loss was not finite {bad_in_a_row} times in a row at step {progress.step}. "
                            "Try a smaller learning_rate, or look for broken frames with `nadyn info`."
                        )
                progress.step += 1
                progress.learning_rate = rate
                seconds = clock() - step_started
                progress.seconds_a_step = running_mean(progress.seconds_a_step, seconds, 0.95)
                n_steps = budget.decide(schedule, progress.step)
                if n_steps is not None and progress.comes_down and n_steps > schedule.n_steps:
                    # There would be time, but nothing to make of it.
                    n_steps = None
                if n_steps is not None:
                    schedule = schedule.changed(progress.step, n_steps)
                    progress.n_steps = n_steps
                last = schedule.n_steps is not None and progress.step >= schedule.n_steps
                if progress.step % per_epoch == 0 or last:
                    validation_started = clock()
                    score = 0.0
                    if ranks.is_first:
                        errors = _validate_average(potential, average, validation or training, pairs, nothing)
                        progress.history.append(history_entry(progress, scales, errors))
                        score = errors.score
                    score = ranks.of_the_first(score)
                    budget.validated(clock() - validation_started)
                    if score < progress.best_score or progress.best_step == 0:
                        progress.best_score, progress.best_step = score, progress.step
                        best = _copy(average)
                report(progress)
                is_due = progress.step % configuration.checkpoint_every == 0
                # A change of the length is kept at once, because nothing else would tell it again.
                interrupted = ranks.any(interrupt.requested)
                if is_due or n_steps is not None or interrupted:
                    save()
                if interrupted:
                    raise KeyboardInterrupt
                if last:
                    break
        if progress.skipped == progress.step:
            raise RunError(
                f"the loss was not finite in any of {counted(progress.step, 'step')}, so nothing was "
                "learned. Try a smaller learning_rate, or look for broken frames with `nadyn info`."
            )
        if progress.step > first_step:
            save()
    seconds = spent["seconds"] if spent and progress.step == first_step else budget.seconds()
    with torch.no_grad():
        for name, parameter in potential.named_parameters():
            parameter.copy_(best[name])
    # What follows reads the last checkpoint.
    ranks.wait()
    return Outcome(progress, progress.comes_down, seconds)


def _validate_average(
    potential: Potential, average: WeightAverage, samples: tuple[Samples, ...], pairs: Pairs, nothing: Errors
) -> Errors:
    average.swap(potential)
    errors = validate(potential, samples, pairs, nothing)
    average.swap(potential)
    return errors


def _copy(average: WeightAverage) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in average.values.items()}
