"""A network learns the diabatic matrix of another one before it is trained on labels."""

import math

import torch

from nadyn.models.learned import Network
from nadyn.training.job import Job
from nadyn.training.loop import Progress
from nadyn.training.samples import Samples, batches
from nadyn.training.schedule import Length, Schedule
from nadyn.units import HARTREE_PER_EV

# Closer than this the matrix need not be met: labels are learned afterwards.
_SCALE = 0.02 * HARTREE_PER_EV
_GRADIENT_NORM_LIMIT = 10.0
_MOST_STEPS = 1000
_WARMUP_STEPS = 200


def learn_matrix(
    network: Network,
    teacher: Network,
    job: Job,
    length: Length,
    *,
    title: str = "learning the matrix of the best",
) -> None:
    """Train a network in place until its W at the training frames is about that of a teacher of its basis.

    A thousand steps at most, about half as dear as those of a training; an interruption begins them again.

    Args:
        network: Untrained.
        teacher: Whose matrix to learn, elements and all, surplus rows too.
        job: Frames, batches and the learning rate.
        length: A number of steps, and a time after which no further one begins.
        title: What progress says.
    """
    configuration, n_steps = job.configuration, min(_MOST_STEPS, length.n_steps)
    warmup = min(_WARMUP_STEPS, configuration.warmup_steps)
    schedule = Schedule(configuration.learning_rate, warmup, ((0, n_steps),))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=configuration.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    progress = Progress(n_steps=n_steps, steps_per_epoch=n_steps, title=title)
    epoch, started = 0, job.clock()
    while progress.step < n_steps:
        for batch in batches(job.training, configuration.batch_size, seed=configuration.seed, epoch=epoch):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(progress.step)
            with torch.no_grad():
                target = _matrix(teacher, batch)
            optimizer.zero_grad(set_to_none=True)
            loss = (((_matrix(network, batch) - target) / _SCALE) ** 2).mean()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM_LIMIT)
            if math.isfinite(loss.item()) and math.isfinite(norm.item()):
                optimizer.step()
            progress.step += 1
            progress.loss = loss.item()
            progress.seconds_a_step = (job.clock() - started) / progress.step
            progress.learning_rate = schedule.rate(progress.step - 1)
            job.report(progress)
            if length.seconds is not None and job.clock() - started >= length.seconds:
                return
            if progress.step >= n_steps:
                break
        epoch += 1


def _matrix(network: Network, batch: Samples) -> torch.Tensor:
    precision = next(network.parameters()).dtype
    return network(batch.environment(batch.positions, network.network.cutoff, precision))[0]
