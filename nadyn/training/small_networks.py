"""Small networks, trained in half a minute: they tell which symmetry states have, and where they cross.

A network of a few functions is smooth, because it has no choice. Where two states cross it exchanges them and
does not bend their difference round at the seam, as a large one may. With the wrong symmetry of the states
its errors stay far larger (docs/methods/symmetry.md has the figures).
"""

from collections.abc import Callable
from dataclasses import replace

from nadyn.models.learned import Network
from nadyn.training.assignments import Assignment
from nadyn.training.checkpoint import beside
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.job import Job
from nadyn.training.loop import Progress
from nadyn.training.schedule import Length

# Builds an untrained network of an assignment (None: that of the configuration) and a configuration.
Build = Callable[[Assignment | None, TrainingConfiguration], Network]

_HIDDEN = (8,)
_N_RADIAL, _N_CHANNELS = 6, 4
_LEARNING_RATE = 5e-3
_STEPS = 1400
_SECONDS = 60.0
# One takes at most this part of the training, and all together that part of a time limit.
_LARGEST_PART, _LARGEST_PART_OF_TIME = 0.1, 0.2
# Seeds of small networks, apart from those that a user gives to trainings.
_SEEDS = 1009


def length_of_small(length: Length, n_networks: int) -> Length:
    """Return the length of each of so many small networks beside a training of this length.

    1,400 steps or a minute; less where the training is short.
    """
    if length.n_steps is not None:
        return Length(n_steps=max(1, min(_STEPS, int(_LARGEST_PART * length.n_steps))))
    return Length(seconds=min(_SECONDS, _LARGEST_PART_OF_TIME * length.seconds / n_networks))


def train_small(
    job: Job,
    build: Build,
    assignment: Assignment | None,
    length: Length,
    *,
    attempt: int,
    near_the_seam: bool,
    title: str,
    part: str,
) -> tuple[Network, Progress]:
    """Train a small network on the frames of a job; return it and how it went.

    Args:
        job: The training that follows.
        build: Gives an untrained network.
        assignment: Its basis and start; None for those of the configuration.
        length: From `length_of_small`.
        attempt: Number of the seed.
        near_the_seam: Whether frames with small gaps count more.
        title: For the progress.
        part: Name of its checkpoint beside that of the training.
    """
    configuration = job.configuration
    encoder = configuration.encoder
    small = configuration.model_copy(
        update={
            "model": configuration.model.model_copy(update={"hidden": _HIDDEN}),
            "encoder": encoder.model_copy(
                update={
                    "n_radial": min(_N_RADIAL, encoder.n_radial),
                    "n_channels": min(_N_CHANNELS, encoder.n_channels),
                }
            ),
            "learning_rate": max(_LEARNING_RATE, configuration.learning_rate),
            "gap_weight": near_the_seam or configuration.gap_weight,
            "seed": configuration.seed + _SEEDS * attempt,
        }
    )
    network = build(assignment, small)
    path = beside(job.checkpoint, part)
    outcome = replace(job, configuration=small).train(network, length, title=title, checkpoint=path)
    return network, outcome.progress


def same_length(length: Length, progress: Progress) -> Length:
    """Return the length of the networks after the first: as many steps as that one had time for."""
    if length.n_steps is not None:
        return length
    # One that stopped early knows no number of steps but those that it made.
    return Length(n_steps=progress.n_steps or progress.step)
