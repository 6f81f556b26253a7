"""The lowest crossings that are reached from some geometries, by two methods that watch each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.electronic.crossings.drive import drive
from nadyn.electronic.crossings.landscape import Landscape, Pair, Point, pair_of
from nadyn.electronic.crossings.loop import Loop, loop_around
from nadyn.electronic.crossings.penalty import Penalty, search_by_penalty
from nadyn.electronic.crossings.projection import search_by_projection
from nadyn.electronic.crossings.seam import SeamCurvature, seam_curvature
from nadyn.electronic.crossings.search_end import Goals, Search, SearchEnd
from nadyn.electronic.crossings.topography import Topography, topography
from nadyn.structures.matching import match
from nadyn.units import BOHR_PER_ANGSTROM, HARTREE_PER_EV

Methods = Literal["both", "projection", "penalty"]

# Two ends are one crossing below both.
_SAME_BOHR = 0.05 * BOHR_PER_ANGSTROM
_SAME_HARTREE = 0.01 * HARTREE_PER_EV
# A symmetric start would stay symmetric, and a saddle is left by this much [bohr].
_KICK_BOHR = 0.03
_OFF_SADDLE_BOHR = 0.2
_SADDLES = 3


@dataclass(frozen=True, eq=False)
class Crossing:
    """A point where two states meet, the lowest nearby.

    Attributes:
        point: Geometry, energies and vectors there.
        pair: The two states.
        gradient: Largest component of the gradient along the seam [hartree/bohr].
        starts: Numbers of the starts that led here.
        methods: Which methods ended here: "projection", "penalty".
        penalty_rmsd: RMSD of the end of the penalty method from here [bohr]; None where it did not end here.
        penalty_energy: Its energy, carried on to a gap of zero, minus the one here [hartree].
        curvature: Of the seam, where it was asked for.
        cone: None for states of different multiplicities, or where they part as a wedge.
        loop: Points around the tip; None without a cone.
    """

    point: Point
    pair: Pair
    gradient: float
    starts: tuple[int, ...]
    methods: tuple[str, ...]
    penalty_rmsd: float | None = None
    penalty_energy: float | None = None
    curvature: SeamCurvature | None = None
    cone: Topography | None = None
    loop: Loop | None = None

    @property
    def energy(self) -> float:
        """Mean energy of the two states [hartree]."""
        return self.pair.mean(self.point)

    @property
    def gap(self) -> float:
        """Energy between them [hartree]."""
        return self.pair.gap(self.point)


@dataclass(frozen=True)
class GivenUp:
    """A search that found no crossing.

    Attributes:
        start: Number of the start.
        method: "projection" or "penalty".
        reason: Why, without a full stop.
    """

    start: int
    method: str
    reason: str


@dataclass(frozen=True, eq=False)
class Crossings:
    """What a search found.

    Attributes:
        found: Distinct crossings, the lowest first.
        given_up: Searches that ended without one.
        n_points: Geometries asked by stage.
    """

    found: tuple[Crossing, ...]
    given_up: tuple[GivenUp, ...]
    n_points: dict[str, int]


@dataclass(frozen=True)
class Wishes:
    """What a search is to do beside the search.

    Attributes:
        methods: "both", or one of "projection" and "penalty"; ends of a penalty are always followed up by a
            projection, which alone closes the gap.
        goals: When a search has arrived.
        penalty: The function of the penalty method.
        is_minimum_checked: Whether the curvature of the seam is computed, and saddles are left; None where
            that costs nothing.
        has_loop: Whether to go around each tip.
        radius_bohr: Of that loop.
        loop_points: Of that loop.
        kick_bohr: Random displacement of each coordinate of a start, so that none stays symmetric.
        seed: Of those numbers.
    """

    methods: Methods = "both"
    goals: Goals = field(default_factory=Goals)
    penalty: Penalty = field(default_factory=Penalty)
    is_minimum_checked: bool | None = None
    has_loop: bool = True
    radius_bohr: float = 0.05
    loop_points: int = 12
    kick_bohr: float = _KICK_BOHR
    seed: int = 1


def find_crossings(
    landscape: Landscape,
    starts: Sequence[Float[np.ndarray, "atom x"]],
    states: tuple[int, int] = (0, 1),
    wishes: Wishes | None = None,
    *,
    report: Callable[[str, int], None] | None = None,
) -> Crossings:
    """Return the distinct crossings of two states that are reached from some geometries.

    Every start is followed by gradient projection and by the penalty method. Ends are one crossing within
    0.05 angstrom (RMSD after alignment, mirror images and exchanges of like atoms allowed) and 0.01 eV. Where
    one method ended at a crossing that the other did not find, the other starts again from there.

    Args:
        landscape: See `landscape_of_model` and `landscape_of_source`.
        starts: Geometries to begin from [bohr].
        states: The two states, as the landscape orders them.
        wishes: What else to do.
        report: Called with the stage and the number of searches that still go on.

    Raises:
        InputError: There are no such states, or no start.
    """
    pair = pair_of(landscape, *states)
    if not starts:
        raise InputError("`starts` must hold at least one geometry, but is empty.")
    return _Work(landscape, pair, wishes or Wishes(), report).all_of(starts)


class _Work:
    """One search: what it was asked and what it has found so far."""

    def __init__(
        self,
        landscape: Landscape,
        pair: Pair,
        wishes: Wishes,
        report: Callable[[str, int], None] | None,
    ):
        self.landscape, self.pair, self.wishes, self.report = landscape, pair, wishes, report
        self.found: list[Crossing] = []
        self.seconds: list[np.ndarray | None] = []
        self.given_up: list[GivenUp] = []
        self.n_points: dict[str, int] = {}

    def all_of(self, starts: Sequence[np.ndarray]) -> Crossings:
        random = np.random.default_rng(self.wishes.seed)
        starts = [one + self.wishes.kick_bohr * random.standard_normal(one.shape) for one in starts]
        numbers = list(range(len(starts)))
        if self.wishes.methods != "penalty":
            self._project("projection", starts, numbers)
        if self.wishes.methods != "projection":
            self._watch(starts, numbers)
        order = np.argsort([one.energy for one in self.found], kind="stable")
        crossings = tuple(self._shape(self.found[index], self.seconds[index]) for index in order)
        return Crossings(crossings, tuple(self.given_up), self.n_points)

    def _project(self, stage: str, starts: Sequence[np.ndarray], numbers: Sequence[int]) -> None:
        """Follow starts to the crossings, and leave saddles of the seam."""
        ends = self._drive(stage, [self._projection(start) for start in starts])
        for number, end in zip(numbers, ends, strict=True):
            if end.is_found:
                end, curvature = self._off_saddles(end)
            if end.is_found:
                self._add(number, end, curvature)
            else:
                self.given_up.append(GivenUp(number, "projection", end.reason))

    def _watch(self, starts: Sequence[np.ndarray], numbers: Sequence[int]) -> None:
        """Follow the same starts by the penalty method, and let each method look at the ends of the other."""
        ends = self._drive("penalty", [self._penalty(start) for start in starts])
        for number, end in zip(numbers, ends, strict=True):
            if not end.is_found:
                self.given_up.append(GivenUp(number, "penalty", end.reason))
                continue
            if self._home(end.point) is None:
                self._project("projection from a penalty", [end.point.positions], [number])
            self._compare(end)
        if self.wishes.methods == "penalty":
            return
        alone = [index for index, one in enumerate(self.found) if "penalty" not in one.methods]
        again = [self._penalty(self.found[index].point.positions) for index in alone]
        for index, end in zip(alone, self._drive("penalty from a crossing", again), strict=True):
            if end.is_found:
                self._compare(end)
            else:
                self.given_up.append(GivenUp(self.found[index].starts[0], "penalty", end.reason))

    def _compare(self, end: SearchEnd) -> None:
        """Note at the crossing that a penalty ended at how far from it that was."""
        home = self._home(end.point)
        if home is None:
            return
        one = self.found[home]
        gap = self.pair.gap(end.point)
        # To first order the mean energy rises by its slope across the seam while the gap closes.
        energy = self.pair.mean(end.point) + _rise(self.pair, end.point) - one.energy
        far = self._distance(one.point.positions, end.point.positions)
        if one.penalty_rmsd is None or far < one.penalty_rmsd:
            one = replace(one, penalty_rmsd=far, penalty_energy=energy if gap else 0.0)
        self.found[home] = replace(one, methods=tuple(dict.fromkeys((*one.methods, "penalty"))))

    def _off_saddles(self, end: SearchEnd) -> tuple[SearchEnd, SeamCurvature | None]:
        asked = self.wishes.is_minimum_checked
        if not (self.landscape.is_cheap if asked is None else asked):
            return end, None
        for _ in range(_SADDLES):
            curvature = seam_curvature(self.landscape, self.pair, end.point)
            if curvature is None or not curvature.is_saddle:
                return end, curvature
            sides = [end.point.positions + sign * _OFF_SADDLE_BOHR * curvature.direction for sign in (1, -1)]
            lower = [
                one
                for one in self._drive("leaving a saddle", [self._projection(side) for side in sides])
                if one.is_found
            ]
            if not lower:
                return end, curvature
            end = min(lower, key=lambda one: self.pair.mean(one.point))
        return end, seam_curvature(self.landscape, self.pair, end.point)

    def _add(self, number: int, end: SearchEnd, curvature: SeamCurvature | None) -> None:
        for index, one in enumerate(self.found):
            if self._is_same(one.point, end.point):
                self.found[index] = replace(one, starts=tuple(dict.fromkeys((*one.starts, number))))
                return
        self.found.append(
            Crossing(end.point, self.pair, end.gradient, (number,), ("projection",), curvature=curvature)
        )
        self.seconds.append(end.second)

    def _home(self, point: Point) -> int | None:
        """Return the crossing that the end of a penalty belongs to: the nearest, if it is near."""
        far = [self._distance(one.point.positions, point.positions) for one in self.found]
        if not far or min(far) > 2.0 * _SAME_BOHR:
            return None
        return int(np.argmin(far))

    def _is_same(self, one: Point, other: Point) -> bool:
        if abs(self.pair.mean(one) - self.pair.mean(other)) > _SAME_HARTREE:
            return False
        return self._distance(one.positions, other.positions) <= _SAME_BOHR

    def _distance(self, first: np.ndarray, second: np.ndarray) -> float:
        numbers = self.landscape.atomic_numbers
        if numbers is None or not self.landscape.is_rigid:
            return float(np.sqrt(((first - second) ** 2).sum() / len(first)))
        return match(first, second, numbers, like_atoms_alike=self.landscape.like_atoms_alike).rmsd

    def _shape(self, one: Crossing, second: np.ndarray | None) -> Crossing:
        if not self.pair.is_coupled:
            return one
        self._say("the cone", 1)
        cone = topography(self.landscape, self.pair, one.point, second)
        if cone is None or not self.wishes.has_loop:
            return replace(one, cone=cone)
        around = loop_around(
            self.landscape,
            self.pair,
            one.point,
            cone,
            radius_bohr=self.wishes.radius_bohr,
            n_points=self.wishes.loop_points,
        )
        return replace(one, cone=cone, loop=around)

    def _projection(self, start: np.ndarray) -> Search:
        return search_by_projection(self.landscape, self.pair, start, self.wishes.goals)

    def _penalty(self, start: np.ndarray) -> Search:
        return search_by_penalty(self.landscape, self.pair, start, self.wishes.goals, self.wishes.penalty)

    def _drive(self, stage: str, searches: list[Search]) -> list[SearchEnd]:
        ends = drive(self.landscape, searches, lambda left: self._say(stage, left))
        self.n_points[stage] = self.n_points.get(stage, 0) + sum(end.n_points for end in ends)
        return ends

    def _say(self, stage: str, left: int) -> None:
        if self.report is not None:
            self.report(stage, left)


def _rise(pair: Pair, point: Point) -> float:
    """Return by how much Ē changes on the shortest way to the seam, to first order [hartree]."""
    g, slope = pair.difference(point).reshape(-1), pair.slope(point).reshape(-1)
    return float(-0.5 * pair.gap(point) * (slope @ g) / max(float(g @ g), 1e-300))
