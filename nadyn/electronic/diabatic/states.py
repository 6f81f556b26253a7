"""The same diabatic states at many geometries, from overlaps of adiabatic states at near ones.

Wave functions of a complete active space at two near geometries span almost the same space: S = ⟨k here|l
there⟩ is almost orthogonal, and the orthogonal matrix O nearest to it says how the states here become those
there. Diabatic states are those that stay the same, U_there = U_here O on every link. Where the links
contradict each other there are none: the matrix W = U E Uᵀ of such a geometry is not to be learned.

Overlaps of two kinds are wanted. With basis functions that move along with their atoms states far apart can
be compared, which joins all geometries; with the functions as they stand (the molecules laid on each other)
the change of states is that of the derivative couplings.

Source: of matrices that agree best with all links, A. Singer, Appl. Comput. Harmon. Anal. 30, 20 (2011).
"""

import heapq
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nadyn.electronic.diabatic.links import NEAR, Links
from nadyn.units import BOHR_PER_ANGSTROM

# A link speaks against a label where an element of U O differs from that of the other by more.
_CONTRADICTION = 0.4
# Labels most of whose links agree are told to be known.
CONFIDENT = 0.9
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
    links: Links, overlaps: Overlaps, energies: Float[np.ndarray, "frame state"]
) -> DiabaticStates:
    """Return the diabatic states that agree best with all links, those of the lowest geometry to begin with.

    Args:
        links: Which geometries are compared.
        overlaps: What the comparisons say.
        energies: [hartree]
    """
    root = int(np.argmin(energies[:, 0]))
    n = len(energies)
    turns, sizes = _orthogonal(overlaps.moved)
    strength = sizes[:, -1]
    weight = np.clip(strength, 0.0, 1.0) ** 3 / (_SOFT + links.distance) ** 2
    vectors = _carried(links, turns, strength, n, root)
    vectors = _agreed(vectors, links, turns, weight)
    agreement = _agreement(vectors, links, turns, weight)
    turns, sizes = _orthogonal(overlaps.standing)
    fading = sizes[:, -1] / np.maximum(sizes[:, 0], np.finfo(float).tiny)
    near = (links.distance <= NEAR) & (fading > _FADING)
    links = Links(links.first[near], links.second[near], links.distance[near])
    turns, weight = turns[near], fading[near] ** 3 / (_SOFT + links.distance) ** 2
    vectors = _agreed(vectors, links, turns, weight)
    agreement = np.minimum(agreement, _agreement(vectors, links, turns, weight))
    return DiabaticStates(vectors[root].T @ vectors, agreement)


def turns_of(overlaps: Float[np.ndarray, "link state state"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the orthogonal matrices nearest to overlaps, and the smallest singular values of these."""
    turns, sizes = _orthogonal(overlaps)
    return turns, sizes[:, -1]


def _orthogonal(overlaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left, sizes, right = np.linalg.svd(overlaps)
    return left @ right, sizes


def _carried(links: Links, turns: np.ndarray, strength: np.ndarray, n: int, root: int) -> np.ndarray:
    """Return vectors carried from the root along the strongest links, as in a maximum spanning tree.

    Geometries that no link reaches begin a tree of their own.
    """
    neighbours: list[list[tuple[int, int, bool]]] = [[] for _ in range(n)]
    for link, (one, two) in enumerate(zip(links.first.tolist(), links.second.tolist(), strict=True)):
        neighbours[one].append((two, link, False))
        neighbours[two].append((one, link, True))
    vectors = np.tile(np.eye(turns.shape[1]), (n, 1, 1))
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
                    heapq.heappush(heap, (-strength[link], link, here, there, back))
            while heap and reached[heap[0][3]]:
                heapq.heappop(heap)
            if not heap:
                break
            _, link, before, here, back = heapq.heappop(heap)
            vectors[here] = vectors[before] @ (turns[link].T if back else turns[link])
            reached[here] = True
    return vectors


def _agreed(vectors: np.ndarray, links: Links, turns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrices with the least weighted and robust residuals, by sweeps."""
    for _ in range(_SWEEPS):
        own = weight / (1.0 + (_residuals(vectors, links, turns) / _ROBUST) ** 2) ** 2
        own = own[:, None, None]
        pulled = _ANCHOR * vectors
        np.add.at(pulled, links.second, own * (vectors[links.first] @ turns))
        np.add.at(pulled, links.first, own * (vectors[links.second] @ turns.swapaxes(1, 2)))
        vectors = _orthogonal(pulled)[0]
    return vectors


def _agreement(vectors: np.ndarray, links: Links, turns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    n = len(vectors)
    good = weight * (_residuals(vectors, links, turns) < _CONTRADICTION)
    of, total = (
        np.bincount(links.first, one, n) + np.bincount(links.second, one, n) for one in (good, weight)
    )
    return np.divide(of, total, out=np.zeros(n), where=total > 0.0)


def _residuals(vectors: np.ndarray, links: Links, turns: np.ndarray) -> np.ndarray:
    return np.abs(vectors[links.first] @ turns - vectors[links.second]).max(axis=(1, 2))
