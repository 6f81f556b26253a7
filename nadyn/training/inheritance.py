"""A network learns the diabatic matrix of another one before it is trained on labels."""

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


def learn_matrix(network: Network, teacher: Network, job: Job, length: Length) -> None:
    """Train a network in place until its W at the training frames is about that of a teacher of its basis.

    An interruption begins it again; it takes a few seconds.

    Args:
        network: Untrained.
        teacher: Whose matrix to learn, elements and all, surplus rows too.
        job: Frames, batches and the learning rate.
        length: A number of steps.
    """
    configuration, n_steps = job.configuration, length.n_steps
    schedule = Schedule(configuration.learning_rate, configuration.warmup_steps, n_steps)
    optimizer = torch.optim.AdamW(network.parameters(), lr=configuration.learning_rate, betas=(0.9, 0.99))
    progress = Progress(n_steps=n_steps, steps_per_epoch=n_steps, title="learning the matrix of the best")
    epoch = 0
    while progress.step < n_steps:
        for batch in batches(job.training, configuration.batch_size, seed=configuration.seed, epoch=epoch):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate(progress.step)
            with torch.no_grad():
                target = _matrix(teacher, batch)
            optimizer.zero_grad(set_to_none=True)
            loss = (((_matrix(network, batch) - target) / _SCALE) ** 2).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM_LIMIT)
            optimizer.step()
            progress.step += 1
            progress.loss = loss.item()
            progress.learning_rate = schedule.rate(progress.step - 1)
            job.report(progress)
            if progress.step >= n_steps:
                break
        epoch += 1


def _matrix(network: Network, batch: Samples) -> torch.Tensor:
    precision = next(network.parameters()).dtype
    return network(batch.environment(batch.positions, network.network.cutoff, precision))[0]
