"""Where no coupling is known, small networks find out where states cross, and the best hands its matrix on.

Energies and forces depend on Δ² + V², with half the difference Δ and the coupling V of two diabatic states. A
network that is large enough to bend |Δ| round at a seam learns the surfaces without ever crossing the states,
and to exchange them later would be a step through far larger errors. A small network cannot bend so: it
crosses the states, or misses the gap near the seam by far, and its own errors tell which. About every second
one crosses (docs/methods/loss.md), so several are trained.
"""

from dataclasses import dataclass

import torch

from nadyn.models.learned import Network
from nadyn.training.assignments import Assignment, assignments
from nadyn.training.inheritance import learn_matrix
from nadyn.training.job import Job
from nadyn.training.losses import inverse_square_gap
from nadyn.training.predictions import predict
from nadyn.training.samples import Samples
from nadyn.training.schedule import Length
from nadyn.training.small_networks import Build, length_of_small, same_length, train_small
from nadyn.units import ELECTRONVOLT_PER_HARTREE, HARTREE_PER_EV

# Where so few frames have so small a gap, states need not cross at all.
SMALL_GAP = 1.0 * HARTREE_PER_EV
FEWEST_FRAMES = 20
# Of each assignment where the basis is open: enough to tell which is right, not enough for one that crosses.
_OF_EACH = 2
_WIDTH = 0.3 * HARTREE_PER_EV
_CHUNK = 64


@dataclass(frozen=True)
class Start:
    """What the small networks have left.

    Attributes:
        network: Untrained but for the matrix of the best of them.
        assignment: Of that one; None where the basis is given.
        sentence: How many there were, and how far apart.
    """

    network: Network
    assignment: Assignment | None
    sentence: str


def called_for(job: Job) -> bool:
    """Tell whether states may cross that no label couples."""
    groups = job.training + job.validation
    known = any(group.couplings is not None and not bool(group.couplings.isnan().all()) for group in groups)
    if known or job.is_atomic_sum or job.n_states < 2 or not job.configuration.small_starts:
        return False
    gaps = torch.cat([torch.diff(group.energies, dim=1) for group in groups])
    return int((gaps < SMALL_GAP).any(dim=1).sum()) >= FEWEST_FRAMES


def n_starts(job: Job) -> int:
    """Return how many small networks are trained."""
    n = job.configuration.small_starts
    if job.configuration.model.basis != "auto":
        return n
    return _OF_EACH * len(assignments(job.n_states)) + max(0, n - _OF_EACH)


def start_from_the_best(job: Job, build: Build, length: Length) -> Start:
    """Train small networks from several seeds and begin with the best.

    Where the basis is open, two of every assignment come first, and the others have that of the best.

    Args:
        job: The training that follows.
        build: Gives an untrained network.
        length: Of that training.
    """
    configuration = job.configuration
    each, total = length_of_small(length, n_starts(job)), n_starts(job)
    best, errors = None, []

    def run(assignment: Assignment | None, attempt: int) -> None:
        nonlocal best, each
        number = len(errors)
        network, progress = train_small(
            job,
            build,
            assignment,
            each,
            attempt=attempt,
            near_the_seam=True,
            title=f"small network {number + 1} of {total}" + (f": {assignment}" if assignment else ""),
            part=f"start-{number}",
        )
        each = same_length(each, progress)
        errors.append(gap_error(network, job.training + job.validation))
        if min(errors) == errors[-1]:
            best = assignment, network

    first, assignment = 0, None
    if configuration.model.basis == "auto":
        for choice in assignments(job.n_states):
            for attempt in range(_OF_EACH):
                run(choice, attempt)
        first, assignment = _OF_EACH, best[0]
    for attempt in range(first, configuration.small_starts):
        run(assignment, attempt)
    assignment, teacher = best
    network = build(assignment, configuration)
    learn_matrix(network, teacher, job, each)
    lowest, highest = (1e3 * ELECTRONVOLT_PER_HARTREE * edge for edge in (min(errors), max(errors)))
    sentence = (
        f"no frame has couplings: {len(errors)} small networks looked for where states cross, with errors of "
        f"small gaps from {lowest:.0f} to {highest:.0f} meV; the training began with the matrix of the best"
    )
    return Start(network, assignment, sentence + (f", {assignment}" if assignment else ""))


def gap_error(network: Network, samples: tuple[Samples, ...]) -> float:
    """Return the mean absolute error of the frames' smallest gaps [hartree], weights 1/(gap² + (0.3 eV)²).

    Frames without all energies do not count.
    """
    total = weights = 0.0
    for group in samples:
        for start in range(0, len(group), _CHUNK):
            batch = group.take(torch.arange(start, min(start + _CHUNK, len(group))))
            gaps = torch.diff(batch.energies, dim=1)
            found = torch.diff(predict(network, batch, ()).energies.detach(), dim=1)
            smallest = gaps.argmin(dim=1, keepdim=True)
            error = (found - gaps).gather(1, smallest)[:, 0].abs()
            weight = inverse_square_gap(batch.energies, _WIDTH)
            whole = ~torch.isnan(weight)
            total += float((weight * error)[whole].sum())
            weights += float(weight[whole].sum())
    return total / weights
