"""Where no coupling is known, small networks find out where states cross, and the best hands its matrix on.

Energies and forces depend on Δ² + V², with half the difference Δ and the coupling V of two diabatic states. A
network that is large enough to bend |Δ| round at a seam learns the surfaces without ever crossing the states,
and to exchange them later would be a step through far larger errors. A network of a few functions cannot make
that bend: it either crosses the states or misses the gap near the seam by far, and its own errors tell which.
About every second one crosses (figures: docs/methods/symmetry_without_couplings.md), so several are trained.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from nadyn.checks.counts import counted
from nadyn.models.encoders.table import reduced
from nadyn.models.potential import Potential
from nadyn.training.assignments import Assignment, assignments
from nadyn.training.checkpoint import beside
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.earlier import Earlier
from nadyn.training.inheritance import learn_matrix
from nadyn.training.job import Job
from nadyn.training.losses import inverse_square_gap
from nadyn.training.predictions import predict
from nadyn.training.samples import Samples
from nadyn.training.schedule import Length
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# Builds an untrained network of an assignment (None: that of the configuration) and a configuration.
Build = Callable[[Assignment | None, TrainingConfiguration], Potential]

# A network that cannot bend a surface round within a few tenths of an eV.
_HIDDEN = (8,)
_LEARNING_RATE = 5e-3
_WARMUP_STEPS = 200
_STEPS = 1400
_SECONDS = 60.0
# A start takes at most this part of the training, and all together that part of a time limit.
_LARGEST_PART, _LARGEST_PART_OF_TIME = 0.1, 0.2
# In a time limit they may take this many times what they were meant to: then they become shorter.
_SLACK = 1.25
# Where so few frames have so small a gap, states need not cross at all.
SMALL_GAP = 1.0 * HARTREE_PER_EV
FEWEST_FRAMES = 20
# After fewer steps the errors of the gap are those of the start.
SHORTEST_START = 300
_WIDTH = 0.3 * HARTREE_PER_EV
# Of each assignment where the basis is open: enough to tell which is right, not enough for one that crosses.
_OF_EACH = 2
# Seeds of starts, apart from those that a user gives to trainings.
_SEEDS = 1009
_CHUNK = 64


@dataclass(frozen=True)
class Start:
    """What the small networks have left.

    Attributes:
        network: Untrained but for the matrix of the best of them.
        assignment: Of that one; None where the basis is given.
        sentence: How many there were, and how far apart.
        earlier: All of them.
        seconds: How long they took, and to hand on the matrix.
    """

    potential: Potential
    assignment: Assignment | None
    sentence: str
    earlier: tuple[Earlier, ...]
    seconds: float


def called_for(job: Job) -> bool:
    """Tell whether states may cross that no label couples."""
    groups = job.training + job.validation
    known = any(group.couplings is not None and not bool(group.couplings.isnan().all()) for group in groups)
    if known or job.is_atomic_sum or job.n_states < 2 or not job.configuration.small_starts:
        return False
    gaps = torch.cat([torch.diff(group.energies, dim=1) for group in groups])
    return int((gaps < SMALL_GAP).any(dim=1).sum()) >= FEWEST_FRAMES


def start_from_the_best(job: Job, build: Build, length: Length) -> Start:
    """Train small networks from several seeds and begin with the best.

    Where the basis is open, two of every assignment come first, and the others have that of the best.

    Args:
        job: The training that follows.
        build: Gives an untrained network.
        length: Of one small network, from `length_of_one`.
    """
    configuration = job.configuration
    total = n_starts(job)
    best, errors, earlier, spent = None, [], [], 0.0
    # One share is for the matrix that the best hands on.
    end = None if length.seconds is None else _SLACK * (total + 1) * length.seconds

    def run(assignment: Assignment | None, attempt: int) -> None:
        nonlocal best, length, spent
        number = len(errors)
        small = replace(job, configuration=small_configuration(configuration, attempt))
        title = f"small network {number + 1} of {total}" + (f": {assignment}" if assignment else "")
        name = f"start-{number}"
        potential, outcome = small.train(
            lambda: build(assignment, small.configuration),
            length,
            title=title,
            checkpoint=beside(job.checkpoint, name),
        )
        progress, spent = outcome.progress, spent + outcome.seconds
        earlier.append(Earlier(name, progress.best_score, progress.step, assignment, attempt))
        if end is not None:
            # All have as many steps as the first had time for, or fewer where steps became slower.
            n_steps = length.n_steps or progress.n_steps or progress.step
            length = Length(n_steps, (end - spent) / (total - number))
        errors.append(gap_error(potential, job.training + job.validation))
        if best is None or errors[-1] < min(errors[:-1]):
            best = assignment, potential

    first, assignment = 0, None
    if configuration.model.basis == "auto":
        for choice in assignments(job.n_states):
            for attempt in range(_OF_EACH):
                run(choice, attempt)
        first, assignment = _OF_EACH, best[0]
    for attempt in range(first, configuration.small_starts):
        run(assignment, attempt)
    assignment, teacher = best
    began = job.clock()
    potential = build(assignment, configuration)
    learn_matrix(potential, teacher, job, length)
    spent += job.clock() - began
    shortest = min(one.n_steps for one in earlier)
    lowest, highest = (1e3 * ELECTRONVOLT_PER_HARTREE * edge for edge in (min(errors), max(errors)))
    short = f" ({counted(shortest, 'step')} each, too few to tell)" if shortest < SHORTEST_START else ""
    sentence = (
        f"no frame has couplings: {len(errors)} small networks{short} looked for where states cross, with "
        f"errors of small gaps from {lowest:.0f} to {highest:.0f} meV; the training began with the matrix of "
        "the best"
    )
    sentence += f", {assignment}" if assignment else ""
    return Start(potential, assignment, sentence, tuple(earlier), spent)


def n_starts(job: Job) -> int:
    """Return how many small networks are trained."""
    n = job.configuration.small_starts
    if job.configuration.model.basis != "auto":
        return n
    return _OF_EACH * len(assignments(job.n_states)) + max(0, n - _OF_EACH)


def length_of_one(job: Job, length: Length) -> Length:
    """Return the length of a small network beside a training of this length."""
    if length.n_steps is not None:
        return Length(n_steps=max(1, min(_STEPS, int(_LARGEST_PART * length.n_steps))))
    return Length(seconds=min(_SECONDS, _LARGEST_PART_OF_TIME * length.seconds / n_starts(job)))


def gap_error(potential: Potential, samples: tuple[Samples, ...]) -> float:
    """Return the mean absolute error of the frames' smallest gaps [hartree], weights 1/(gap² + (0.3 eV)²).

    Frames without all energies do not count; where no frame has all, it is infinite.
    """
    total = weights = 0.0
    for group in samples:
        for start in range(0, len(group), _CHUNK):
            batch = group.take(torch.arange(start, min(start + _CHUNK, len(group))))
            gaps = torch.diff(batch.energies, dim=1)
            found = torch.diff(predict(potential, batch, ()).energies.detach(), dim=1)
            smallest = gaps.argmin(dim=1, keepdim=True)
            error = (found - gaps).gather(1, smallest)[:, 0].abs()
            weight = inverse_square_gap(batch.energies, _WIDTH)
            whole = ~torch.isnan(weight)
            total += float((weight * error)[whole].sum())
            weights += float(weight[whole].sum())
    return total / weights if weights else float("inf")


def small_configuration(configuration: TrainingConfiguration, attempt: int) -> TrainingConfiguration:
    """Return the settings of a small network, with every seed another one."""
    return configuration.model_copy(
        update={
            "model": configuration.model.model_copy(update={"hidden": _HIDDEN}),
            "encoder": reduced(configuration.encoder),
            "learning_rate": max(_LEARNING_RATE, configuration.learning_rate),
            "warmup_steps": min(_WARMUP_STEPS, configuration.warmup_steps),
            "gap_weight": True,
            "seed": configuration.seed + _SEEDS * attempt,
        }
    )
