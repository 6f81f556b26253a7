"""The same diabatic states at many geometries, from overlaps of adiabatic states at near ones.

Wave functions of a complete active space at two near geometries span almost the same space: S = ⟨k here|l
there⟩ is almost orthogonal, and the orthogonal matrix O nearest to it says how the states here become those
there. Diabatic states are those that stay the same, U_there = U_here O on every link. Where the links
contradict each other there are none: the matrix W = U E Uᵀ of such a geometry is not to be learned.

Overlaps of two kinds are wanted. With basis functions that move along with their atoms states far apart can
be compared, which joins all geometries; with the functions as they stand (the molecules laid on each other)
the change of states is that of the derivative couplings.

Where it is known how states change their signs under exchanges of like atoms, a geometry is near to many
exchanged ones too: U_there = D U_here O. Regions that only weak links join get their signs from those.

Source: of matrices that agree best with all links, A. Singer, Appl. Comput. Harmon. Anal. 30, 20 (2011).
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.diabatic.links import NEAR, Links
from nadyn.units import BOHR_PER_ANGSTROM

# A link speaks against a label where an element of U O differs from that of the other by more.
_CONTRADICTION = 0.4
# Labels most of whose links agree are told to be known.
CONFIDENT = 0.8
_SWEEPS = 200
# Of overlaps of functions as they stand: no state may fade beside the others.
_FADING = 0.5
# Links count by 1/(distance + this)².
_SOFT = 0.1 * BOHR_PER_ANGSTROM
# Residuals beyond count little, as those of another solution or of a state that another takes the place of.
_ROBUST = 0.3
# What holds a matrix that no link speaks of.
_ANCHOR = 1e-6


@dataclass(frozen=True)
class Overlaps:
    """Overlaps ⟨k at the first|l at the second⟩ along links.

    Attributes:
        moved: With basis functions that move along with the atoms.
        standing: With the functions as they stand, the second molecule laid on the first; 0 beyond `NEAR`.
    """

    moved: Float[np.ndarray, "link state state"]
    standing: Float[np.ndarray, "link state state"]


@dataclass(frozen=True)
class ExchangedOverlaps:
    """Overlaps along links to geometries whose atoms have changed places.

    Attributes:
        links: Each geometry with near ones among the exchanged.
        moved: ⟨k at the first|l at the second⟩, as in `Overlaps`.
        signs: D of each row: U_first O = D U_second.
    """

    links: Links
    moved: Float[np.ndarray, "link state state"]
    signs: Float[np.ndarray, "diabat"]


@dataclass(frozen=True)
class DiabaticStates:
    """U of W = U E Uᵀ at every geometry, up to one orthogonal matrix for all.

    Attributes:
        vectors: One row a diabatic state, one column an adiabatic one.
        agreement: Which part of the weight of its links agrees with each geometry, 0 to 1.
    """

    vectors: Float[np.ndarray, "frame diabat state"]
    agreement: Float[np.ndarray, "frame"]

    @property
    def known(self) -> np.ndarray:
        """Where W is to be learned."""
        return self.agreement > CONFIDENT


def diabatic_states(
    links: Links,
    overlaps: Overlaps,
    energies: Float[np.ndarray, "frame state"],
    *,
    first: Float[np.ndarray, "diabat state"] | None = None,
    exchanged: Sequence[ExchangedOverlaps] = (),
) -> DiabaticStates:
    """Return the diabatic states that agree best with all links.

    Args:
        links: Which geometries are compared.
        overlaps: What the comparisons say.
        energies: [hartree]
        first: U of the lowest geometry to begin with; None for its adiabatic states.
        exchanged: Overlaps with exchanged geometries, whose signs are those of the rows of `first`.
    """
    root = int(np.argmin(energies[:, 0]))
    begin = np.eye(energies.shape[1]) if first is None else first
    parts = [_moved(links, overlaps.moved, np.ones(len(begin)))]
    parts += [_moved(one.links, one.moved, one.signs) for one in exchanged]
    turns = _joined(parts)
    vectors = _agreed(_carried(turns, begin, len(energies), root), turns)
    standing = _standing(links, overlaps.standing)
    vectors = _agreed(vectors, standing)
    agreement = np.minimum(_agreement(vectors, turns), _agreement(vectors, standing))
    return DiabaticStates(begin @ vectors[root].T @ vectors if not exchanged else vectors, agreement)


def turns_of(overlaps: Float[np.ndarray, "link state state"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the orthogonal matrices nearest to overlaps, and the smallest singular values of these."""
    turns, sizes = _orthogonal(overlaps)
    return turns, sizes[:, -1]


@dataclass(frozen=True)
class _Turns:
    """Links with what they say: U_second = D U_first O."""

    links: Links
    turns: Float[np.ndarray, "link state state"]
    signs: Float[np.ndarray, "link diabat"]
    strength: Float[np.ndarray, "link"]
    weight: Float[np.ndarray, "link"]

    def there(self, vectors: np.ndarray) -> np.ndarray:
        """Return U of the second geometries by those of the first."""
        return self.signs[:, :, None] * (vectors[self.links.first] @ self.turns)

    def back(self, vectors: np.ndarray) -> np.ndarray:
        """Return U of the first geometries by those of the second."""
        return (self.signs[:, :, None] * vectors[self.links.second]) @ self.turns.swapaxes(1, 2)


def _moved(links: Links, overlaps: np.ndarray, signs: np.ndarray) -> _Turns:
    turns, sizes = _orthogonal(overlaps)
    strength = sizes[:, -1]
    weight = np.clip(strength, 0.0, 1.0) ** 3 / (_SOFT + links.distance) ** 2
    return _Turns(links, turns, np.tile(signs, (len(links), 1)), strength, weight)


def _standing(links: Links, overlaps: np.ndarray) -> _Turns:
    turns, sizes = _orthogonal(overlaps)
    fading = sizes[:, -1] / np.maximum(sizes[:, 0], np.finfo(float).tiny)
    near = (links.distance <= NEAR) & (fading > _FADING)
    own = Links(links.first[near], links.second[near], links.distance[near])
    weight = fading[near] ** 3 / (_SOFT + own.distance) ** 2
    return _Turns(own, turns[near], np.ones((len(own), turns.shape[1])), fading[near], weight)


def _joined(parts: Sequence[_Turns]) -> _Turns:
    """Return all links together; a geometry that is linked with itself says nothing."""
    names = ("first", "second", "distance")
    links = Links(*(np.concatenate([getattr(one.links, name) for one in parts]) for name in names))
    names = ("turns", "signs", "strength", "weight")
    rest = [np.concatenate([getattr(one, name) for one in parts]) for name in names]
    kept = links.first != links.second
    links = Links(links.first[kept], links.second[kept], links.distance[kept])
    return _Turns(links, *(one[kept] for one in rest))


def _orthogonal(overlaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left, sizes, right = np.linalg.svd(overlaps)
    return left @ right, sizes


def _carried(turns: _Turns, first: np.ndarray, n: int, root: int) -> np.ndarray:
    """Return vectors carried from the root along the strongest links, as in a maximum spanning tree.

    Geometries that no link reaches begin a tree of their own.
    """
    neighbours: list[list[tuple[int, int, bool]]] = [[] for _ in range(n)]
    links = turns.links
    for link, (one, two) in enumerate(zip(links.first.tolist(), links.second.tolist(), strict=True)):
        neighbours[one].append((two, link, False))
        neighbours[two].append((one, link, True))
    vectors = np.tile(first, (n, 1, 1))
    reached = np.zeros(n, dtype=bool)
    for begin in [root, *range(n)]:
        if reached[begin]:
            continue
        reached[begin] = True
        heap: list[tuple[float, int, int, int, bool]] = []
        here = begin
        while True:
            for there, link, back in neighbours[here]:
                if not reached[there]:
                    heapq.heappush(heap, (-turns.strength[link], link, here, there, back))
            while heap and reached[heap[0][3]]:
                heapq.heappop(heap)
            if not heap:
                break
            _, link, before, here, back = heapq.heappop(heap)
            turn = turns.turns[link].T if back else turns.turns[link]
            vectors[here] = turns.signs[link][:, None] * (vectors[before] @ turn)
            reached[here] = True
    return vectors


def _agreed(vectors: np.ndarray, turns: _Turns) -> np.ndarray:
    """Return the orthogonal matrices with the least weighted and robust residuals, by sweeps."""
    links = turns.links
    for _ in range(_SWEEPS):
        own = turns.weight / (1.0 + (_residuals(vectors, turns) / _ROBUST) ** 2) ** 2
        own = own[:, None, None]
        pulled = _ANCHOR * vectors
        np.add.at(pulled, links.second, own * turns.there(vectors))
        np.add.at(pulled, links.first, own * turns.back(vectors))
        vectors = _orthogonal(pulled)[0]
    return vectors


def _agreement(vectors: np.ndarray, turns: _Turns) -> np.ndarray:
    n, links = len(vectors), turns.links
    good = turns.weight * (_residuals(vectors, turns) < _CONTRADICTION)
    of, total = (
        np.bincount(links.first, one, n) + np.bincount(links.second, one, n) for one in (good, turns.weight)
    )
    return np.divide(of, total, out=np.zeros(n), where=total > 0.0)


def _residuals(vectors: np.ndarray, turns: _Turns) -> np.ndarray:
    return np.abs(turns.there(vectors) - vectors[turns.links.second]).max(axis=(1, 2))
