"""Where a trajectory has been: a label, and its states in the basis that the trajectory carries along.

The states of a label have any signs, and between two labels they turn into each other. The overlaps
S_kl = ⟨k there|l here⟩ of two successive geometries, made orthogonal, carry a basis: U here = U there S.
So U is a matrix of eigenvectors of W = U diag(E) U^T, and U there^T U here = S, as of any model. Without
overlaps only signs are carried, by the couplings.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from jaxtyping import Float

from nadyn.electronic.direct.questions import Answer, Facts, Question
from nadyn.electronic.direct.turning import carried_turn, centre_of_mass, turned
from nadyn.electronic.label_judgement import trapezoid_errors
from nadyn.electronic.labels import Known, Quality
from nadyn.units import HARTREE_PER_EV

# Under this singular value of S a state has left those of the label, or another one has come in.
SMALLEST_OVERLAP = 0.7
# A doubtful state so far away [hartree] has no part in what a trajectory does.
_FAR = 2.0 * HARTREE_PER_EV
# What the same state of one geometry, computed twice, must have in common.
_SAME_STATE = 0.9


@dataclass(frozen=True, eq=False)
class Place:
    """A geometry on the way of a trajectory, with the states in the order of the source.

    Attributes:
        known: The label, at the geometry that the source has seen.
        frame: U, the states in the basis that is carried along.
        turn: Rotation from the geometry in space to that of `known`.
        quality: Of the label and of what has been asked of it since.
        reason: Why it is not trusted, in one sentence; empty where it is.
        passed_over: A doubt of the source that does not end the trajectory, and why, see `next_place`.
    """

    known: Known
    frame: Float[np.ndarray, "state state"]
    turn: Float[np.ndarray, "3 3"]
    quality: Quality
    reason: str = ""
    passed_over: str = ""

    @property
    def energies(self) -> Float[np.ndarray, "state"]:
        """Energies [hartree]."""
        return self.known.label.energies

    def force(self, state: int) -> Float[np.ndarray, "atom 3"] | None:
        """Return the force of a state [hartree/bohr], None where it was not computed."""
        forces = self.known.label.forces
        if forces is None or not np.isfinite(forces[state]).all():
            return None
        return forces[state] @ self.turn

    def coupling(self, pair: tuple[int, int]) -> Float[np.ndarray, "atom 3"] | None:
        """Return h of a pair k < l [hartree/bohr], None where it was not computed."""
        couplings = self.known.label.interstate_couplings
        if couplings is None:
            return None
        value = couplings[pair_index(pair, len(self.energies))]
        return value @ self.turn if np.isfinite(value).all() else None

    def failed(self, reason: str, quality: Quality = Quality.FAILED) -> "Place":
        """Return the place with a worse quality."""
        return replace(self, quality=max(self.quality, quality), reason=self.reason or reason)


def pair_index(pair: tuple[int, int], n_states: int) -> int:
    """Return the place of k < l among the pairs in lexicographic order."""
    k, l = pair
    return k * n_states - k * (k + 1) // 2 + l - k - 1


def all_pairs(multiplicities: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the pairs k < l that can couple: those of one multiplicity."""
    n = len(multiplicities)
    return tuple((k, l) for k in range(n) for l in range(k + 1, n) if multiplicities[k] == multiplicities[l])


def first_place(question: Question, given: Answer) -> Place:
    """Return the place where a trajectory starts: the basis is that of its states."""
    return _place(question, given, np.eye(len(given.label.energies)), np.eye(3))


def next_question(
    before: Place,
    positions: Float[np.ndarray, "atom 3"],
    masses: Float[np.ndarray, "atom"],
    facts: Facts,
    *,
    forces: tuple[int, ...],
    pairs: tuple[tuple[int, int], ...],
) -> tuple[Question, Float[np.ndarray, "3 3"]]:
    """Return what to ask where a trajectory goes next, and the rotation from space to what is asked.

    A source whose energies do not depend on where a molecule lies sees it without the rigid motion since
    the place before: states that are compared have not turned with the molecule.

    Args:
        before: The place before.
        positions: Where to, in space [bohr].
        masses: [electron mass].
        facts: Of the source.
        forces: States whose forces are needed.
        pairs: Pairs whose couplings are needed.
    """
    turn, seen = before.turn, positions
    if facts.laws is None or {"rotation", "translation"} <= facts.laws:
        turn = carried_turn(before.known.positions, positions, masses, before.turn)
        seen = turned(positions, masses, turn, centre_of_mass(before.known.positions, masses))
    compare = "overlaps" in facts.gives
    question = Question(seen, (before.known,), forces, pairs, parts=True, compare=compare, along=True)
    return question, turn


def next_place(
    before: Place,
    question: Question,
    given: Answer,
    turn: Float[np.ndarray, "3 3"],
    *,
    used: tuple[int, ...],
    largest_jump: float | None = None,
) -> tuple[Place, float]:
    """Return the place that a trajectory has gone to, and the smallest singular value of S among the states
    in use; 1 without S.

    A doubt about states that are not in use and far from those that are does not concern the trajectory: the
    place is trusted, and no population goes to those states or comes from them in this step. With
    `largest_jump` [hartree] neither does a doubt where each state in use goes on: 0.9 of it lies in the
    states before, and its energy is so near to where its forces lead.
    """
    place = _place(question, given, before.frame, turn)
    if place.quality == Quality.FAILED:
        return place, 1.0
    apart = _doubted_elsewhere(before, place, used)
    if apart:
        place = _passed(place, "about states far from those in use", place.known.label.doubted)
    elif place.quality == Quality.DOUBTFUL and largest_jump is not None and given.overlap is not None:
        others = _others(before, place, given.overlap, largest_jump)
        if not set(others) & set(used):
            apart, place = others, _passed(place, "where the states in use go on", tuple(others))
    if given.overlap is None:
        signs = _signs(before, place)
        return replace(place, frame=before.frame * signs), 1.0
    overlap = given.overlap
    if not np.isfinite(overlap).all():
        return place.failed("the overlap of the states with those before is not finite."), 1.0
    among = np.linalg.svd(overlap[np.ix_(used, used)], compute_uv=False)
    if apart:
        overlap = overlap.copy()
        rest = [k for k in range(len(overlap)) if k not in apart]
        overlap[np.ix_(rest, apart)] = overlap[np.ix_(apart, rest)] = 0.0
    left, _, right = np.linalg.svd(overlap)
    frame = before.frame @ left @ right
    # Thousands of products would drift away from an orthogonal matrix.
    left, _, right = np.linalg.svd(frame)
    return replace(place, frame=left @ right), float(among[-1])


def merged(place: Place, question: Question, given: Answer) -> Place:
    """Return a place with the forces and couplings of a second label of the same geometry.

    The second label may have other signs of the states; the overlap with the first one tells.
    """
    old, new = place.known.label, given.label
    passed = set(old.doubted or ()) if place.passed_over else set()
    is_known_doubt = new.quality == Quality.DOUBTFUL and new.doubted and set(new.doubted) <= passed
    if new.quality != Quality.TRUSTED and not is_known_doubt:
        return place.failed(new.reason, new.quality)
    signs = np.ones(len(old.energies))
    if given.overlap is not None:
        diagonal = np.diagonal(given.overlap)
        if not (np.abs(diagonal) > _SAME_STATE).all():
            return place.failed("the same geometry, labelled again, has other states.")
        signs = np.sign(diagonal)
    pairs = [(k, l) for k in range(len(signs)) for l in range(k + 1, len(signs))]
    factors = np.array([signs[k] * signs[l] for k, l in pairs]).reshape(-1, 1, 1)
    couplings = None if new.interstate_couplings is None else new.interstate_couplings * factors
    label = replace(
        old,
        forces=_filled(old.forces, new.forces),
        interstate_couplings=_filled(old.interstate_couplings, couplings),
        seconds=old.seconds + new.seconds,
    )
    place = replace(place, known=replace(place.known, label=label))
    if passed & {*question.forces, *(k for pair in question.pairs for k in pair)}:
        return place.failed(place.passed_over, Quality.DOUBTFUL)
    return place


def _place(question: Question, given: Answer, frame: np.ndarray, turn: np.ndarray) -> Place:
    label = given.label
    quality, reason = label.quality, label.reason
    if not np.isfinite(label.energies).all():
        quality, reason = Quality.FAILED, reason or "the energies are not finite."
    return Place(Known(question.positions, label), frame, turn, quality, reason)


def _doubted_elsewhere(before: Place, place: Place, used: tuple[int, ...]) -> list[int]:
    """Return the states that the label doubts, if none is in use or near one in use; else nothing."""
    doubted = place.known.label.doubted
    if place.quality != Quality.DOUBTFUL or not doubted or set(doubted) & set(used):
        return []
    for energies in (before.energies, place.energies):
        gaps = np.abs(energies[list(used)][:, None] - energies[list(doubted)])
        if not (gaps > _FAR).all():
            return []
    return list(doubted)


def _passed(place: Place, why: str, doubted: tuple[int, ...] | None) -> Place:
    label = replace(place.known.label, quality=Quality.TRUSTED, reason="", doubted=doubted)
    known = replace(place.known, label=label)
    passed_over = f"{why}: {place.reason}"
    return replace(place, known=known, quality=Quality.TRUSTED, reason="", passed_over=passed_over)


def _others(before: Place, place: Place, overlap: np.ndarray, largest_jump: float) -> list[int]:
    """Return the states that are not those of the place before, or whose energies are elsewhere."""
    errors = trapezoid_errors(place.known.label, place.known.positions, before.known)
    jumps = np.zeros(len(overlap)) if errors is None else np.nan_to_num(np.abs(errors))
    bad = (np.linalg.norm(overlap, axis=0) < _SAME_STATE) | (jumps > largest_jump)
    return [int(k) for k in np.flatnonzero(bad)]


def _signs(before: Place, place: Place) -> Float[np.ndarray, "state"]:
    """Return the sign of each new state with which the couplings go on from those before."""
    n = len(place.energies)
    likeness = np.zeros((n, n))
    for k in range(n):
        for l in range(k + 1, n):
            old, new = before.coupling((k, l)), place.coupling((k, l))
            if old is not None and new is not None:
                likeness[k, l] = float(np.sum(old * new))
    # One sign for all states together changes no coupling; the first one stays.
    choices = [np.array((1.0, *rest)) for rest in product((1.0, -1.0), repeat=n - 1)]
    return max(choices, key=lambda signs: float(signs @ likeness @ signs))


def _filled(old: np.ndarray | None, new: np.ndarray | None) -> np.ndarray | None:
    if old is None or new is None:
        return new if old is None else old
    return np.where(np.isnan(old), new, old)
