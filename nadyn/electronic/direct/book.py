"""What a label source was asked along the paths of trajectories, and what is asked of it next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
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
from nadyn.electronic.direct.record import Record, is_finite, key_of, keys_of
from nadyn.electronic.labels import Quality

# States and pairs of states.
Parts = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class Wanted:
    """What a method asks of every label; what it asks for beyond that is computed when it does.

    Attributes:
        all_forces: The forces of all states, not of the active one only.
        couplings: "each step", "when asked", or "never", where NaN stands for all of them.
        largest_jump: Error of the energy [hartree] up to which a trajectory goes on with its states where the
            solution of the source changes; None where such a label ends it.
    """

    all_forces: bool = False
    couplings: str = "when asked"
    largest_jump: float | None = None


@dataclass(frozen=True, eq=False)
class _Job:
    """A step from a place to positions in space, where the forces of some states are wanted and some are in
    use."""

    before: Place
    origin: np.ndarray
    positions: np.ndarray
    states: tuple[int, ...]
    used: tuple[int, ...]

    def to_the_middle(self) -> "_Job":
        """Return the first half of the step, for the sake of the states alone."""
        return replace(self, positions=0.5 * (self.origin + self.positions), states=())


@dataclass(frozen=True, eq=False)
class Book:
    """Asks a source for what trajectories need, and keeps the answers by geometry.

    Attributes:
        desk: Has questions answered by the source.
        wanted: What is asked of every label.
        masses: [electron mass].
        record: The answers.
    """

    desk: Desk
    wanted: Wanted
    masses: Float[np.ndarray, "atom"]
    record: Record

    @property
    def facts(self) -> Facts:
        """What the source says of itself."""
        return self.desk.facts

    def start(
        self,
        positions: Tensor,
        forces: Sequence[tuple[int, ...]] | None = None,
        pairs: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Begin a path at each geometry that none has come to."""
        fresh = {
            key: row
            for row, key in enumerate(keys_of(positions))
            if key not in self.record.places and is_finite(positions[row])
        }
        if not fresh:
            return
        if self.record.anchor is None and len(fresh) > 1:
            # All begin from the label of the first, so that they are more likely to be of one solution.
            first = next(iter(fresh.values()))
            self.start(positions[first : first + 1], forces and forces[first : first + 1], pairs)
            del fresh[key_of(positions[first].detach().numpy())]
        near = () if self.record.anchor is None else (self.record.anchor,)
        questions = [
            Question(
                positions[row].detach().numpy().copy(), near, forces[row] if forces else (), pairs, parts=True
            )
            for row in fresh.values()
        ]
        for key, question, given in zip(fresh, questions, self._ask(questions), strict=True):
            place = self.record.places[key] = first_place(question, given)
            self.record.note(place)
            if self.record.anchor is None and place.quality == Quality.TRUSTED:
                self.record.anchor = place.known

    def follow(
        self,
        positions: Float[Tensor, "traj atom x"],
        new_positions: Float[Tensor, "traj atom x"],
        active_state: Int[Tensor, "traj"] | None,
        *,
        used: Bool[Tensor, "traj state"] | None = None,
    ) -> Int[Tensor, "traj"]:
        """Go from positions that are known to others, and return the quality of the labels there.

        Where the states turn by too much or the label is doubtful, the way is gone in two halves; if that
        does not help, it stays doubtful: the level itself has changed.

        Args:
            positions: Where each path is [bohr].
            new_positions: Where it goes.
            active_state: State whose force will be asked for; None for energies alone.
            used: States that matter; all if None. What others have turned into does not.
        """
        steps = list(zip(keys_of(positions), keys_of(new_positions), strict=True))
        states = self._forces(active_state, len(steps))
        jobs: dict[tuple[bytes, bytes], _Job] = {}
        for row, (old, new) in enumerate(steps):
            known = old == new or (new in self.record.places and self.record.origins.get(new) == old)
            if known or not is_finite(new_positions[row]):
                continue
            before = self.record.places[old]
            if before.quality == Quality.TRUSTED:
                ends = (array[row].detach().numpy().copy() for array in (positions, new_positions))
                matter = self._all if used is None else tuple(torch.nonzero(used[row])[:, 0].tolist())
                jobs[old, new] = _Job(before, *ends, states[row], matter)
            else:
                # The step is thrown away; nothing is asked for its sake.
                self.record.places[new], self.record.origins[new] = before, old
        for (old, new), place in zip(jobs, self._go(list(jobs.values())), strict=True):
            self.record.places[new], self.record.origins[new] = place, old
            self.record.note(place)
        worst = [max(self.record.quality(old), self.record.quality(new)) for old, new in steps]
        return torch.tensor([int(quality) for quality in worst], dtype=torch.int64)

    def complete(self, asked: dict[bytes, Parts]) -> None:
        """Have forces and couplings computed that some labels lack."""
        missing: dict[bytes, Question] = {}
        for key, (forces, pairs) in asked.items():
            place = self.record.places[key]
            if place.quality == Quality.FAILED:
                continue
            states = tuple(k for k in forces if place.force(k) is None)
            lacking = tuple(pair for pair in pairs if place.coupling(pair) is None)
            if states or lacking:
                known = place.known
                compare = "overlaps" in self.facts.gives
                missing[key] = Question(
                    known.positions, (known,), states, lacking, parts=True, compare=compare
                )
        for (key, question), given in zip(missing.items(), self._ask(list(missing.values())), strict=True):
            before = self.record.places[key]
            place = merged(before, question, given)
            lacks = [f"force of state {k}" for k in question.forces if place.force(k) is None]
            lacks += [f"coupling of {k} and {l}" for k, l in question.pairs if place.coupling((k, l)) is None]
            if lacks and place.quality != Quality.FAILED:
                place = place.failed(f"the label has no {lacks[0]}.")
            self.record.places[key] = place
            if place.quality > before.quality:
                self.record.note(place)

    def _ask(self, questions: list[Question]) -> list[Answer]:
        if not questions:
            return []
        answers = self.desk.ask(questions)
        if any(given.label is None for given in answers):
            raise InputError(
                f"the source of `model` must answer while a trajectory waits, but {self.facts.name} answers "
                "later. Label a dataset with it and train a model."
            )
        self.record.n_labels += len(answers)
        self.record.seconds += sum(given.label.seconds for given in answers)
        return answers

    def qualities(self, positions: Float[Tensor, "traj atom x"]) -> Int[Tensor, "traj"]:
        """Return the quality of the labels at positions; trusted where nothing was asked."""
        return torch.tensor([int(self.record.quality(key)) for key in keys_of(positions)], dtype=torch.int64)

    def keep(self, positions: Float[Tensor, "traj atom x"]) -> None:
        """Forget all labels but those at these positions: from there paths go on."""
        kept = {key: self.record.places[key] for key in keys_of(positions) if key in self.record.places}
        self.record.places.clear()
        self.record.places.update(kept)
        self.record.origins.clear()

    def place(self, positions: Float[Tensor, "atom x"]) -> Place:
        """Return the label of a path at one geometry."""
        return self.record.places[key_of(positions.numpy())]

    def put(self, positions: Float[Tensor, "atom x"], place: Place) -> None:
        """Go on from a label of an earlier process."""
        self.record.places[key_of(positions.numpy())] = place

    @property
    def _all(self) -> tuple[int, ...]:
        return tuple(range(len(self.facts.multiplicities)))

    def pairs(self) -> tuple[tuple[int, int], ...]:
        known = "interstate_couplings" in self.facts.gives and self.wanted.couplings != "never"
        return all_pairs(self.facts.multiplicities) if known else ()

    def _forces(self, active_state: Tensor | None, n: int) -> list[tuple[int, ...]]:
        if active_state is None:
            return [()] * n
        if self.wanted.all_forces:
            return [self._all] * n
        return [(int(state),) for state in active_state]

    def _go(self, jobs: list[_Job]) -> list[Place]:
        """Return where jobs lead to, by way of the middle where states turn by too much or are doubted."""
        found = self._straight(jobs)
        lost = [
            index
            for index, (place, smallest) in enumerate(found)
            if smallest < SMALLEST_OVERLAP or place.quality == Quality.DOUBTFUL
        ]
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
        masses = self.masses
        # Signs that no overlap tells are those of the couplings, which then are asked for at every step.
        pairs = self.pairs() if self.wanted.couplings == "each step" else ()
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
            next_place(job.before, question, one, turn, used=job.used, largest_jump=self.wanted.largest_jump)
            for job, (question, turn), one in zip(jobs, asked, given, strict=True)
        ]


def _judged(place: Place, smallest: float) -> Place:
    if smallest >= SMALLEST_OVERLAP:
        return place
    reason = (
        "the states of successive geometries are not the same, also in half a step "
        f"(smallest singular value of their overlap under {SMALLEST_OVERLAP})."
    )
    return place.failed(reason, Quality.DOUBTFUL)
