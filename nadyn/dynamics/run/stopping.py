"""When one trajectory ends before the run does, and what to do about it."""

from dataclasses import dataclass
from enum import IntEnum

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from nadyn.dynamics.nuclei.box import box_of
from nadyn.dynamics.nuclei.followed import worst_quality
from nadyn.dynamics.run.dissociation import Dissociation, dissociated
from nadyn.dynamics.run.settling import settled
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall
from nadyn.dynamics.state.step import Step
from nadyn.electronic.committee import Judgement
from nadyn.electronic.labels import Quality
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.known_contacts import closer_than_known
from nadyn.models.model import Model
from nadyn.units import HARTREE_PER_EV

SMALLEST_SURPLUS_GAP = 0.1 * HARTREE_PER_EV


class Status(IntEnum):
    """Where a trajectory stands; the numbers are those in the trajectory file."""

    FINISHED = 0
    RUNNING = 1
    NOT_FINITE = 2
    INTRUDER_STATE = 3
    CLOSE_ATOMS = 4
    OUTSIDE_TRAINING = 5
    ENERGY_STEP = 6
    LEFT_REGION = 7
    DISSOCIATED = 8
    COMMITTEE = 9
    SOURCE_FAILED = 10
    OUTSIDE_METHOD = 11
    SETTLED = 12


# Endings that are results: the last step counts, and the trajectory keeps its state for ever.
RESULTS = (Status.FINISHED, Status.LEFT_REGION, Status.DISSOCIATED, Status.SETTLED)


STATUS_NAMES = {int(status): status.name.lower() for status in Status}

ADVICE = {
    Status.NOT_FINITE: "Energies or forces were not finite: look at the last frame, try a smaller time step.",
    Status.INTRUDER_STATE: "A surplus eigenvalue of the latent basis met the physical states: add "
    "geometries like the last frame to the data; a basis of scalars only has no such level, but it rounds "
    "the cone of two states that differ in symmetry.",
    Status.CLOSE_ATOMS: "Two atoms came closer than 0.9 of their shortest distance in training: add such "
    "geometries to the data, or train with `repulsion: zbl`.",
    Status.OUTSIDE_TRAINING: "More than 3 % of the descriptors of an atom (`stop.novelty`) left the training "
    "range by over a standard deviation, or an atom lost its neighbours: label the geometry that stopped it "
    "(`nadyn label --stopped RUN.h5`), and train on it too.",
    Status.ENERGY_STEP: "The total energy changed by more than `max_energy_step_ev` in one step: try a "
    "smaller time step, and if that does not help, more data near the last frame.",
    Status.COMMITTEE: "The members of the committee differ by more than a spread of `stop` allows: label the "
    "geometry that stopped it (`nadyn label --stopped RUN.h5`), and train on it too.",
    Status.LEFT_REGION: "It went beyond `stop.beyond_au` and outward, as asked for: nothing to do.",
    Status.DISSOCIATED: "Fragments recede and no longer feel each other in any state in use: a result, "
    "nothing to do; `stop: {dissociated: false}` follows them to the end.",
    Status.SETTLED: "It was on the lowest state for `stop.lowest_state_fs`, as asked for: it counts as "
    "staying there, and what becomes of its geometry is not known.",
    Status.SOURCE_FAILED: "The label source gave no answer there, or no finite one: the run says why; try "
    "other settings of convergence, or a longer `labels.timeout_minutes`.",
    Status.OUTSIDE_METHOD: "The level of theory itself does not hold there, for instance because its active "
    "space cannot break a bond: the run says why; try a larger active space or more states.",
}


@dataclass(frozen=True)
class Spreads:
    """Largest spreads of a committee, see `Judgement`: energy and gap [hartree], force [hartree/bohr]."""

    energy: float
    gap: float
    force: float


@dataclass(frozen=True)
class Limits:
    """What a trajectory must keep to.

    Attributes:
        max_energy_step: Largest change of the conserved energy in one step [hartree].
        beyond: End of the region of interest: |x| > beyond with x moving outward; None for no end [bohr].
        dissociation: How to ask whether a molecule has fallen apart; None for never.
        spreads: How far the members of a committee may differ; None where none ends a trajectory.
        novelty: Largest novelty, see `Evaluation`.
        steps_on_lowest: After how many steps in a row on the lowest state it ends; None for no such end.
    """

    max_energy_step: float
    beyond: float | None = None
    dissociation: Dissociation | None = None
    spreads: Spreads | None = None
    novelty: float = MOST_NOVELTY
    steps_on_lowest: int | None = None


def statuses(old: State, step: Step, model: Model, limits: Limits) -> Int[Tensor, "traj"]:
    """Return RUNNING, or the reason to stop, for each trajectory after a step.

    A reason that is none of `RESULTS` means that the step is not to be used: the trajectory ends before it.
    """
    new = step.state
    status = torch.full_like(new.active_state, int(Status.RUNNING))
    if limits.steps_on_lowest is not None:
        status = _mark(status, settled(new, limits.steps_on_lowest), Status.SETTLED)
    if limits.beyond is not None:
        outside = (new.positions.abs() > limits.beyond) & (new.positions * new.momenta > 0)
        status = _mark(status, outside.flatten(1).any(1), Status.LEFT_REGION)
    if limits.dissociation is not None:
        status = _mark(status, dissociated(new, model, limits.dissociation), Status.DISSOCIATED)
    status = _mark(status, ~_remembers_numbers(new), Status.NOT_FINITE)
    too_large = (new.total_energy - old.total_energy).abs() > limits.max_energy_step
    status = _mark(status, too_large, Status.ENERGY_STEP)
    if limits.spreads is not None:
        status = _mark(status, _too_wide(recall(new, Judgement), limits.spreads), Status.COMMITTEE)
    status = _mark(status, new.novelty > limits.novelty, Status.OUTSIDE_TRAINING)
    if model.shortest_distances is not None:
        box = box_of(new)
        close = closer_than_known(model, new.positions, None if box is None else box.cell)
        status = _mark(status, close, Status.CLOSE_ATOMS)
    lost = step.intruder | (new.surplus_gap < SMALLEST_SURPLUS_GAP)
    status = _mark(status, lost, Status.INTRUDER_STATE)
    status = _mark(status, ~_is_finite(new), Status.NOT_FINITE)
    return _judged(status, worst_quality(new, model))


def start_statuses(state: State, model: Model) -> Int[Tensor, "traj"]:
    """Return RUNNING, or the reason why a trajectory cannot start: no finite numbers, or a label
    that is not trusted."""
    status = torch.full_like(state.active_state, int(Status.RUNNING))
    status = _mark(status, ~_is_finite(state), Status.NOT_FINITE)
    return _judged(status, worst_quality(state, model))


def _judged(status: Tensor, quality: Tensor) -> Tensor:
    status = _mark(status, quality == int(Quality.DOUBTFUL), Status.OUTSIDE_METHOD)
    return _mark(status, quality == int(Quality.FAILED), Status.SOURCE_FAILED)


def _is_finite(state: State) -> Bool[Tensor, "traj"]:
    return (
        torch.isfinite(state.total_energy)
        & torch.isfinite(state.force).flatten(1).all(1)
        & torch.isfinite(state.positions).flatten(1).all(1)
        & torch.isfinite(torch.view_as_real(state.coefficients)).flatten(1).all(1)
    )


def _remembers_numbers(state: State) -> Bool[Tensor, "traj"]:
    """Tell whether all that a method remembers is finite: what it decides of NaN would be a silent no."""
    sound = torch.ones_like(state.active_state, dtype=torch.bool)
    for array in state.extra.values():
        if array.is_floating_point() or array.is_complex():
            sound = sound & torch.isfinite(array).reshape(len(sound), -1).all(1)
    return sound


def _too_wide(found: Judgement, most: Spreads) -> Bool[Tensor, "traj"]:
    # A spread that is no number is too wide.
    agree = (found.energy <= most.energy) & (found.gap <= most.gap) & (found.force <= most.force)
    return ~agree


def _mark(status: Tensor, rows: Tensor, reason: Status) -> Tensor:
    return torch.where(rows, int(reason), status)
