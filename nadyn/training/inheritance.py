"""A network learns the diabatic matrices of other ones before it is trained on labels."""

import itertools
import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.potential import Potential
from nadyn.training.job import Job
from nadyn.training.labelled_states import with_signs_near
from nadyn.training.lessons import Lesson, matrix_at
from nadyn.training.progress import Progress
from nadyn.training.samples import Samples, batches
from nadyn.training.schedule import Length, Schedule
from nadyn.units import HARTREE_PER_EV

# Closer than this the matrix need not be met: labels are learned afterwards.
_SCALE = 0.02 * HARTREE_PER_EV
_GRADIENT_NORM_LIMIT = 10.0
_MOST_STEPS = 1000
# Of the training that follows.
_PART = 0.1
_WARMUP_STEPS = 200
# Of a lesson, from when on labels that are far off count less, and what is far off.
_SETTLED = 0.4
_FAR = 0.2 * HARTREE_PER_EV
_LEARNING_RATE = 2e-3


def learn_matrix(
    potential: Potential,
    teacher: Potential,
    job: Job,
    length: Length,
    *,
    title: str = "learning the matrix of the best",
) -> None:
    """Train a network in place until its W at the training frames is about that of a teacher of its basis.

    See `learn_matrices`.
    """
    learn_matrices(potential, (Lesson(teacher, job.training),), job, length, title=title)


def learn_matrices(
    potential: Potential,
    lessons: tuple[Lesson, ...],
    job: Job,
    length: Length,
    *,
    title: str = "learning the matrices to begin from",
    batch_size: int | None = None,
) -> None:
    """Train a network in place until its W is about that of others of its basis or of labels, at some frames.

    A thousand steps a teacher at most, about half as dear as those of a training; an interruption begins them
    again. A step takes as many frames of each teacher.

    Args:
        network: Untrained.
        lessons: Whose matrices to learn, and at which frames.
        job: Batches and the learning rate.
        length: A number of steps, a time after which no further one begins, or both.
        title: What progress says.
        batch_size: Frames of a step; None for as many as in a step of the training.
    """
    configuration, n_steps = job.configuration, _MOST_STEPS * len(lessons)
    n_steps = n_steps if length.n_steps is None else min(n_steps, length.n_steps)
    warmup = min(_WARMUP_STEPS, configuration.warmup_steps)
    # A training that is to keep what has been learned here goes slowly; this need not.
    rate = max(_LEARNING_RATE, configuration.learning_rate)
    schedule = Schedule(rate, warmup, ((0, n_steps),))
    optimizer = torch.optim.AdamW(
        potential.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    progress = Progress(n_steps=n_steps, steps_per_epoch=n_steps, title=title)
    size = max(1, (batch_size or configuration.batch_size) // len(lessons))
    endless = [_endless(lesson.samples, size, configuration.seed) for lesson in lessons]
    started = job.clock()
    while progress.step < n_steps:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(progress.step)
        optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for lesson, frames in zip(lessons, endless, strict=True):
            for batch, share in next(frames):
                matrix = matrix_at(potential, batch)
                loss_of_lesson = _loss(matrix, lesson, batch, settled=progress.step >= _SETTLED * n_steps)
                part = share * loss_of_lesson / len(lessons)
                part.backward()
                loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(potential.parameters(), _GRADIENT_NORM_LIMIT)
        if math.isfinite(loss) and math.isfinite(norm.item()):
            optimizer.step()
        progress.step += 1
        progress.loss = loss
        progress.seconds_a_step = (job.clock() - started) / progress.step
        progress.learning_rate = schedule.rate(progress.step - 1)
        job.report(progress)
        if length.seconds is not None and job.clock() - started >= length.seconds:
            return


def _loss(matrix: Tensor, lesson: Lesson, batch: Samples, *, settled: bool) -> Float[Tensor, ""]:
    """Return how far a matrix is from that of a lesson, in units of `_SCALE`².

    Labels may contradict each other in their signs. Between both a mean square would have a matrix of zeros,
    so later those that are far off count less, c² log(1 + s/c²), and take signs that can be.
    """
    if lesson.teacher is not None or not settled:
        return (((matrix - lesson.target(batch)) / _SCALE) ** 2).mean()
    target = lesson.target(with_signs_near(matrix.detach(), batch))
    square = (((matrix - target) / _SCALE) ** 2).mean(dim=(1, 2))
    far = (_FAR / _SCALE) ** 2
    return far * torch.log1p(square / far).mean()


def length_of_lessons(length: Length) -> Length:
    """Return the length of what comes before a training that begins from other models."""
    return Length(
        None if length.n_steps is None else max(1, int(_PART * length.n_steps)),
        None if length.seconds is None else _PART * length.seconds,
    )


def _endless(samples: tuple[Samples, ...], size: int, seed: int) -> Iterator[list[tuple[Samples, float]]]:
    """Yield batches without end: their frames of each molecule, and what part of the batch these are."""
    for epoch in itertools.count():
        for batch in batches(samples, size, seed=seed, epoch=epoch):
            yield [(part, len(part) / sum(map(len, batch))) for part in batch]
