"""A label source as a model: W = U diag(E) U^T with ∂W = Σ_kl u_k h_kl u_l^T, U being carried along a path.

A model is a function of positions alone, but what a source says of two geometries has no common phase. So it
is told where trajectories go before it is asked, and finds a geometry again by its very bits. What has not
been told is a start: its label begins a path of its own.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.electronic.direct.places import (
    SMALLEST_OVERLAP,
    Place,
    all_pairs,
    first_place,
    merged,
    next_place,
    next_question,
)
from nadyn.electronic.direct.questions import Answer, Desk, Facts, Question
from nadyn.electronic.labels import Known, Quality
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.structures import masses as usual_masses

# Weights of forces and couplings below this part of the largest are rounding.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Wanted:
    """What a method asks of every label; what it asks for beyond that is computed when it does.

    Attributes:
        all_forces: The forces of all states, not of the active one only.
        couplings: "each step", "when asked", or "never", where NaN stands for all of them.
    """

    all_forces: bool = False
    couplings: str = "when asked"


@dataclass(frozen=True, eq=False)
class _Job:
    """A step from a place to positions in space, where the forces of some states are wanted."""

    before: Place
    origin: np.ndarray
    positions: np.ndarray
    states: tuple[int, ...]

    def to_the_middle(self) -> "_Job":
        """Return the first half of the step, for the sake of the states alone."""
        return replace(self, positions=0.5 * (self.origin + self.positions), states=())


@dataclass
class Account:
    """What was asked so far: number of labels, their processor time, and why some were not trusted."""

    n_labels: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class DirectModel:
    """A label source with the face of a model; see `Model`.

    Attributes:
        desk: Has questions answered by the source.
        wanted: What is asked of every label.
        own_masses: Mass of each atom [electron mass]; empty for those of the most abundant isotopes.
        account: What was asked so far.
    """

    desk: Desk
    wanted: Wanted = field(default_factory=Wanted)
    own_masses: tuple[float, ...] = ()
    account: Account = field(default_factory=Account)
    _anchor: list[Known] = field(default_factory=list)
    _places: dict[bytes, Place] = field(default_factory=dict)
    _from: dict[bytes, bytes] = field(default_factory=dict)

    coordinates: ClassVar[Coordinates] = "cartesian"
    fixed_diabatic_basis: ClassVar[bool] = False
    shortest_distances: ClassVar[None] = None
    block_width: ClassVar[int] = 16

    @property
    def facts(self) -> Facts:
        """What the source says of itself."""
        return self.desk.facts

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.facts.name

    @property
    def laws(self) -> frozenset[str]:
        """Those of the source; of a source that says nothing those of a free molecule."""
        return CARTESIAN_LAWS if self.facts.laws is None else self.facts.laws

    @property
    def n_states(self) -> int:
        """States of a label."""
        return len(self.facts.multiplicities)

    @property
    def n_basis(self) -> int:
        """As many as states."""
        return self.n_states

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        """Those of the source."""
        return self.facts.atomic_numbers

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        """Of the most abundant isotopes, or own ones [electron mass]."""
        own = np.array(self.own_masses, dtype=np.float64)
        return torch.from_numpy(own if len(own) else usual_masses(self.atomic_numbers))

    @property
    def digest(self) -> str:
        """A sha256 of what makes a label what it is."""
        facts = self.facts
        told = [facts.name, facts.theory, facts.atomic_numbers, facts.charge, facts.multiplicities]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W in the basis that each path carries; NaN where a label failed or nothing is finite."""
        self._start(positions)
        hamiltonian, energies, frames = _Elements.apply(positions, self)
        return Evaluation(hamiltonian, positions.new_zeros(len(positions)), (energies, frames))

    def anticipate(
        self, positions: Float[Tensor, "traj atom x"], states: Int[Tensor, "traj"] | None = None
    ) -> None:
        """Hear what is about to be asked: energies and the force of one state each, or all there is."""
        n = self.n_states
        every = tuple(range(n))
        forces = [every] * len(positions) if states is None else [(int(state),) for state in states]
        pairs = self._pairs() if states is None else ()
        self._start(positions, forces, pairs)
        self._complete(
            {key: (forces[row], pairs) for row, key in enumerate(_keys(positions)) if key in self._places}
        )

    def follow(
        self,
        positions: Float[Tensor, "traj atom x"],
        new_positions: Float[Tensor, "traj atom x"],
        active_state: Int[Tensor, "traj"] | None,
    ) -> Int[Tensor, "traj"]:
        """Go from positions that are known to others, and return the quality of the labels there.

        Where the states turn by too much, the way is gone in two halves; if that does not help, the label is
        doubtful: the level itself has changed.

        Args:
            positions: Where each path is [bohr].
            new_positions: Where it goes.
            active_state: State whose force will be asked for; None for energies alone.
        """
        steps = list(zip(_keys(positions), _keys(new_positions), strict=True))
        states = self._forces(active_state, len(steps))
        jobs: dict[tuple[bytes, bytes], _Job] = {}
        for row, (old, new) in enumerate(steps):
            known = old == new or (new in self._places and self._from.get(new) == old)
            if known or not _finite(new_positions[row]):
                continue
            before = self._places[old]
            if before.quality == Quality.TRUSTED:
                ends = (array[row].detach().numpy().copy() for array in (positions, new_positions))
                jobs[old, new] = _Job(before, *ends, states[row])
            else:
                # The step is thrown away; nothing is asked for its sake.
                self._places[new], self._from[new] = before, old
        for (old, new), place in zip(jobs, self._go(list(jobs.values())), strict=True):
            self._places[new], self._from[new] = place, old
            self._note(place)
        worst = [max(self._quality(old), self._quality(new)) for old, new in steps]
        return torch.tensor([int(quality) for quality in worst], dtype=torch.int64)

    def qualities(self, positions: Float[Tensor, "traj atom x"]) -> Int[Tensor, "traj"]:
        """Return the quality of the labels at positions; trusted where nothing was asked."""
        return torch.tensor([int(self._quality(key)) for key in _keys(positions)], dtype=torch.int64)

    def keep(self, positions: Float[Tensor, "traj atom x"]) -> None:
        """Forget all labels but those at these positions: from there paths go on."""
        kept = {key: self._places[key] for key in _keys(positions) if key in self._places}
        self._places.clear()
        self._places.update(kept)
        self._from.clear()

    def place(self, positions: Float[Tensor, "atom x"]) -> Place:
        """Return the label of a path at one geometry."""
        return self._places[_key(positions.numpy())]

    def put(self, positions: Float[Tensor, "atom x"], place: Place) -> None:
        """Go on from a label of an earlier process."""
        self._places[_key(positions.numpy())] = place

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        known = "interstate_couplings" in self.facts.gives and self.wanted.couplings != "never"
        return all_pairs(self.facts.multiplicities) if known else ()

    def _forces(self, active_state: Tensor | None, n: int) -> list[tuple[int, ...]]:
        if active_state is None:
            return [()] * n
        if self.wanted.all_forces:
            return [tuple(range(self.n_states))] * n
        return [(int(state),) for state in active_state]

    def _quality(self, key: bytes) -> Quality:
        return self._places[key].quality if key in self._places else Quality.TRUSTED

    def _go(self, jobs: list[_Job]) -> list[Place]:
        """Return where jobs lead to, by way of the middle where the states turn by too much."""
        found = self._straight(jobs)
        lost = [index for index, (_, smallest) in enumerate(found) if smallest < SMALLEST_OVERLAP]
        places = [place for place, _ in found]
        if not lost:
            return places
        middles = self._straight([jobs[index].to_the_middle() for index in lost])
        halves = []
        for (middle, first), index in zip(middles, lost, strict=True):
            places[index] = middle
            if middle.quality == Quality.TRUSTED:
                halves.append((index, first, replace(jobs[index], before=middle)))
        ends = self._straight([job for _, _, job in halves])
        for (index, first, _), (place, second) in zip(halves, ends, strict=True):
            places[index] = _judged(place, min(first, second))
        return places

    def _straight(self, jobs: list[_Job]) -> list[tuple[Place, float]]:
        """Return where jobs lead to, and the smallest singular value of each overlap."""
        masses = self.masses.numpy()
        # Signs that no overlap tells are those of the couplings, which then are asked for at every step.
        pairs = self._pairs() if self.wanted.couplings == "each step" else ()
        asked = [
            next_question(
                job.before,
                job.positions,
                masses,
                self.facts,
                forces=job.states,
                pairs=pairs if job.states else (),
            )
            for job in jobs
        ]
        given = self._ask([question for question, _ in asked])
        return [
            next_place(job.before, question, one, turn)
            for job, (question, turn), one in zip(jobs, asked, given, strict=True)
        ]

    def _start(
        self,
        positions: Tensor,
        forces: Sequence[tuple[int, ...]] | None = None,
        pairs: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Begin a path at each geometry that none has come to."""
        fresh = {
            key: row
            for row, key in enumerate(_keys(positions))
            if key not in self._places and _finite(positions[row])
        }
        if not fresh:
            return
        if not self._anchor and len(fresh) > 1:
            # All begin from the label of the first, so that they are more likely to be of one solution.
            first = next(iter(fresh.values()))
            self._start(positions[first : first + 1], forces and forces[first : first + 1], pairs)
            del fresh[_key(positions[first].detach().numpy())]
        near = self._anchor[0] if self._anchor else None
        questions = [
            Question(positions[row].detach().numpy().copy(), near, forces[row] if forces else (), pairs)
            for row in fresh.values()
        ]
        for key, question, given in zip(fresh, questions, self._ask(questions), strict=True):
            place = self._places[key] = first_place(question, given)
            self._note(place)
            if not self._anchor and place.quality == Quality.TRUSTED:
                self._anchor.append(place.known)

    def _complete(self, asked: dict[bytes, tuple[tuple[int, ...], tuple[tuple[int, int], ...]]]) -> None:
        """Have forces and couplings computed that some labels lack."""
        missing: dict[bytes, Question] = {}
        for key, (forces, pairs) in asked.items():
            place = self._places[key]
            if place.quality == Quality.FAILED:
                continue
            states = tuple(k for k in forces if place.force(k) is None)
            lacking = tuple(pair for pair in pairs if place.coupling(pair) is None)
            if states or lacking:
                known = place.known
                compare = "overlaps" in self.facts.gives
                missing[key] = Question(known.positions, known, states, lacking, compare)
        for (key, question), given in zip(missing.items(), self._ask(list(missing.values())), strict=True):
            before = self._places[key]
            place = merged(before, question, given)
            lacks = [f"force of state {k}" for k in question.forces if place.force(k) is None]
            lacks += [f"coupling of {k} and {l}" for k, l in question.pairs if place.coupling((k, l)) is None]
            if lacks and place.quality != Quality.FAILED:
                place = place.failed(f"the label has no {lacks[0]}.")
            self._places[key] = place
            if place.quality > before.quality:
                self._note(place)

    def _ask(self, questions: list[Question]) -> list[Answer]:
        if not questions:
            return []
        answers = self.desk.ask(questions)
        self.account.n_labels += len(answers)
        self.account.seconds += sum(given.label.seconds for given in answers)
        return answers

    def _note(self, place: Place) -> None:
        if place.quality != Quality.TRUSTED:
            reasons = self.account.reasons
            reasons[place.reason] = reasons.get(place.reason, 0) + 1

    def levels(
        self, positions: Float[Tensor, "traj atom x"]
    ) -> tuple[Float[Tensor, "traj state"], Float[Tensor, "traj basis state"]]:
        """Return E and U at positions that are known; NaN where a label failed."""
        n = self.n_states
        energies, frames = np.full((len(positions), n), np.nan), np.full((len(positions), n, n), np.nan)
        for row, key in enumerate(_keys(positions)):
            place = self._places.get(key)
            if place is not None and place.quality != Quality.FAILED:
                energies[row], frames[row] = place.energies, place.frame
        return torch.from_numpy(energies), torch.from_numpy(frames)

    def gradient(
        self, positions: Float[Tensor, "traj atom x"], weights: Float[Tensor, "traj basis basis"]
    ) -> Float[Tensor, "traj atom x"]:
        """Return Σ_ab C_ab ∂W_ab [hartree/bohr]; what it needs and no label holds is asked for."""
        keys = _keys(positions)
        pairs = self._pairs()
        all_of_one_spin = all_pairs(self.facts.multiplicities)
        parts = [
            None if key not in self._places else _weights_of_states(self._places[key], weight.numpy())
            for key, weight in zip(keys, weights, strict=True)
        ]
        asked = {}
        for key, part in zip(keys, parts, strict=True):
            if part is not None:
                forces = tuple(k for k in range(self.n_states) if part[k, k] != 0)
                needed = tuple(
                    (k, l)
                    for k in range(self.n_states)
                    for l in range(k + 1, self.n_states)
                    if part[k, l] != 0 and (k, l) in pairs
                )
                before = asked.get(key, ((), ()))
                asked[key] = (_union(before[0], forces), _union(before[1], needed))
        self._complete(asked)
        result = np.full(positions.shape, np.nan)
        for row, (key, part) in enumerate(zip(keys, parts, strict=True)):
            if part is not None and self._places[key].quality != Quality.FAILED:
                result[row] = _sum_over_states(self._places[key], part, all_of_one_spin)
        return torch.from_numpy(result)


class _Elements(torch.autograd.Function):
    """W = U diag(E) U^T of a direct model with the gradient that its labels hold, and E and U themselves."""

    @staticmethod
    def forward(ctx, positions: Tensor, model: DirectModel) -> tuple[Tensor, Tensor, Tensor]:
        ctx.model = model
        ctx.save_for_backward(positions)
        energies, frames = model.levels(positions)
        ctx.mark_non_differentiable(energies, frames)
        return (frames * energies[:, None]) @ frames.mT, energies, frames

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, weights: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        (positions,) = ctx.saved_tensors
        return ctx.model.gradient(positions, weights), None


def _judged(place: Place, smallest: float) -> Place:
    if smallest >= SMALLEST_OVERLAP:
        return place
    reason = (
        "the states of successive geometries are not the same, also in half a step "
        f"(smallest singular value of their overlap under {SMALLEST_OVERLAP})."
    )
    return place.failed(reason, Quality.DOUBTFUL)


def _weights_of_states(place: Place, weights: np.ndarray) -> np.ndarray:
    """Return U^T C U without what is rounding."""
    part = place.frame.T @ (0.5 * (weights + weights.T)) @ place.frame
    largest = np.abs(part).max()
    return np.where(np.abs(part) > _NOTHING * largest, part, 0.0)


def _sum_over_states(
    place: Place, part: np.ndarray, couple: tuple[tuple[int, int], ...]
) -> Float[np.ndarray, "atom x"]:
    total = np.zeros_like(place.known.positions)
    n = len(part)
    for k in range(n):
        if part[k, k] != 0:
            force = place.force(k)
            total -= part[k, k] * (np.nan if force is None else force)
        for l in range(k + 1, n):
            # States of different spin do not couple.
            if part[k, l] != 0 and (k, l) in couple:
                coupling = place.coupling((k, l))
                total += 2.0 * part[k, l] * (np.nan if coupling is None else coupling)
    return total


def _union(first: tuple, second: tuple) -> tuple:
    return tuple(dict.fromkeys((*first, *second)))


def _finite(positions: Tensor) -> bool:
    return bool(torch.isfinite(positions).all())


def _keys(positions: Tensor) -> list[bytes]:
    return [_key(row) for row in positions.detach().numpy()]


def _key(positions: np.ndarray) -> bytes:
    return np.ascontiguousarray(positions).tobytes()


def with_masses(model: DirectModel, masses: Iterable[float]) -> DirectModel:
    """Return the model, with all that it knows, for other masses [electron mass]."""
    return replace(model, own_masses=tuple(float(mass) for mass in masses))
