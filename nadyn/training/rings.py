"""A network learns the matrix of another one, and then the frames around it ring by ring, see `outward`."""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float

from nadyn.models.learned import Network
from nadyn.training.checkpoint import beside
from nadyn.training.inheritance import learn_matrix
from nadyn.training.job import Job
from nadyn.training.outward import Outward
from nadyn.training.samples import Samples
from nadyn.training.schedule import Length

# Of the training proper, for each ring; and of a time limit, which all of them are a part of.
_PART = 0.03
_PART_OF_TIME = 0.3
# Frames from inside for each new one, and at least so many: a new frame is met again and again.
_OLD_FRAMES, _FEWEST_OLD_FRAMES = 2, 500
# Steps that carry a matrix farther, not those that polish it.
_RATE = 0.5
# The few frames of a new ring are wrong at first by far more than all others, and are no outliers.
_OUTLIER_SIGMAS = 1e3


def go_outward(job: Job, network: Network, outward: Outward, length: Length) -> tuple[Network, float]:
    """Train a network ring by ring, each with some frames of the rings before; return it and the seconds.

    Each ring has a checkpoint beside that of the training, and ends with its best weights.

    Args:
        job: The training that follows.
        network: Untrained.
        outward: What it begins from.
        length: Of the training proper.
    """
    configuration = job.configuration
    carrying = configuration.model_copy(
        update={
            "learning_rate": _RATE * configuration.learning_rate,
            "outlier_sigmas": max(_OUTLIER_SIGMAS, configuration.outlier_sigmas),
        }
    )
    limits = outward.limits
    one = _length_of_one(length, len(limits))
    began = job.clock()
    if not (job.resume and beside(job.checkpoint, "ring-0").exists()):
        inside = replace(job, training=_within(job.training, outward.training, 0.0))
        learn_matrix(network, outward.teacher, inside, one, title="learning the matrix to begin from")
    for number, limit in enumerate(limits):
        inner = limits[number - 1] if number else 0.0
        ring = replace(
            job,
            training=_ring(job.training, outward.training, inner, limit, seed=configuration.seed + number),
            validation=_within(job.validation, outward.validation, limit),
            configuration=carrying,
        )
        network, _ = ring.train(
            partial(_as_it_is, network),
            one,
            title=f"outward, ring {number + 1} of {len(limits)}",
            checkpoint=beside(job.checkpoint, f"ring-{number}"),
        )
    return network, job.clock() - began


def _as_it_is(network: Network) -> Network:
    return network


def _length_of_one(length: Length, n_rings: int) -> Length:
    if length.n_steps is not None:
        return Length(n_steps=max(1, int(_PART * length.n_steps)))
    return Length(seconds=_PART_OF_TIME * length.seconds / (n_rings + 1))


def _ring(
    samples: tuple[Samples, ...],
    distances: tuple[Float[np.ndarray, "..."], ...],
    inner: float,
    limit: float,
    *,
    seed: int,
) -> tuple[Samples, ...]:
    """Return the frames of a ring, and a few times as many from inside that keep what is learned there."""
    inside = [np.flatnonzero(values <= inner) for values in distances]
    new = [np.flatnonzero((values > inner) & (values <= limit)) for values in distances]
    n_inside, n_new = sum(map(len, inside)), sum(map(len, new))
    n_kept = min(n_inside, max(_OLD_FRAMES * n_new, _FEWEST_OLD_FRAMES))
    kept = np.zeros(n_inside, dtype=bool)
    kept[np.random.default_rng(seed).choice(n_inside, n_kept, replace=False)] = True
    parts = np.split(kept, np.cumsum([len(rows) for rows in inside])[:-1])
    chosen = (
        group.take(torch.from_numpy(np.sort(np.concatenate([rows[part], fresh]))))
        for group, rows, part, fresh in zip(samples, inside, parts, new, strict=True)
    )
    return tuple(group for group in chosen if len(group))


def _within(
    samples: tuple[Samples, ...], distances: tuple[Float[np.ndarray, "..."], ...], limit: float
) -> tuple[Samples, ...]:
    """Return the frames up to a distance; a group without any is left out."""
    chosen = (
        group.take(torch.from_numpy(np.flatnonzero(values <= limit)))
        for group, values in zip(samples, distances, strict=True)
    )
    return tuple(group for group in chosen if len(group))
