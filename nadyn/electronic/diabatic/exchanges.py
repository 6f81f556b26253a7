"""How diabatic states change sign where like atoms change places.

An exchange P brings the same molecule back. The diabatic states there are D U with one matrix D for all
geometries, which is found from links between geometries and exchanged ones: D = U_i O U_jᵀ, with O the turn
from i to the exchanged j. In a basis of rows in which all D are diagonal, their signs say which elements of W
are odd.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

from nadyn.electronic.diabatic.links import Links, links_after
from nadyn.electronic.diabatic.states import DiabaticStates, Overlaps, turns_of
from nadyn.structures.covalent_radii import radii
from nadyn.structures.distances import pair_distances
from nadyn.structures.elements import symbol

# Atoms are bonded up to so many times the sum of their radii.
_BONDED = 1.3
# Links of which no state fades, and how many of them an answer wants.
_STRONG, _FEWEST = 0.5, 20
# What is left beside the signs of D at most, and how many links must say the same.
_LEFT, _SAME = 0.3, 0.7


@dataclass(frozen=True)
class Exchange:
    """Pairs of like atoms that change places, all at once.

    Attributes:
        pairs: Numbers of the atoms, counted from 0.
    """

    pairs: tuple[tuple[int, int], ...]

    def order(self, n_atoms: int) -> list[int]:
        """Return the atom that stands in each place afterwards."""
        places = list(range(n_atoms))
        for one, two in self.pairs:
            places[one], places[two] = two, one
        return places

    def in_words(self, atomic_numbers: Sequence[int]) -> str:
        """Return the exchange as a latent basis names it, such as ``[H1,H2]``: atoms count by element."""
        name = [
            f"{symbol(z)}{list(atomic_numbers[: place + 1]).count(z)}"
            for place, z in enumerate(atomic_numbers)
        ]
        return "[" + ";".join(f"{name[one]},{name[two]}" for one, two in self.pairs) + "]"


@dataclass(frozen=True)
class SymmetricRows:
    """Diabatic states that change their signs, and nothing else, under exchanges.

    Attributes:
        rotation: Their rows from those of `DiabaticStates`.
        exchanges: Under which at least one state changes its sign beside the others.
        odd: For each row the exchanges under which it does.
    """

    rotation: Float[np.ndarray, "diabat diabat"]
    exchanges: tuple[Exchange, ...]
    odd: tuple[tuple[Exchange, ...], ...]

    def basis(self, atomic_numbers: Sequence[int]) -> str:
        """Return the latent basis of these rows, such as ``1x0e[H1,H2] + 1x0e``."""
        return " + ".join(
            "1x0e" + "".join(exchange.in_words(atomic_numbers) for exchange in row) for row in self.odd
        )


def exchanges_of(
    atomic_numbers: Sequence[int], positions: Float[np.ndarray, "atom 3"]
) -> tuple[Exchange, ...]:
    """Return the exchanges that a molecule brings about by turning a group or itself by half a circle.

    They are those of two like atoms, with no third, that hang on the same atom, and those of two like atoms
    that are bonded and carry such a pair each.
    """
    numbers = np.asarray(atomic_numbers)
    n = len(numbers)
    bonded = np.zeros((n, n), dtype=bool)
    length = radii(numbers)
    for (one, two), distance in zip(combinations(range(n), 2), pair_distances(positions), strict=True):
        bonded[one, two] = bonded[two, one] = distance < _BONDED * (length[one] + length[two])
    hanging: list[tuple[int, tuple[int, int]]] = []
    for atom in range(n):
        ends = [int(end) for end in np.flatnonzero(bonded[atom]) if bonded[end].sum() == 1]
        for element in sorted({int(numbers[end]) for end in ends}):
            like = [end for end in ends if numbers[end] == element]
            if len(like) == 2:
                hanging.append((atom, (like[0], like[1])))
    found = [Exchange((pair,)) for _, pair in hanging]
    for (one, first), (two, second) in combinations(hanging, 2):
        if bonded[one, two] and numbers[one] == numbers[two] and numbers[first[0]] == numbers[second[0]]:
            found.append(Exchange(((one, two), (first[0], second[0]), (first[1], second[1]))))
    return tuple(found)


def symmetric_rows(
    states: DiabaticStates,
    positions: Float[np.ndarray, "frame atom 3"],
    energies: Float[np.ndarray, "frame state"],
    exchanges: Sequence[Exchange],
    overlaps: Callable[[Links, Sequence[int]], Overlaps],
) -> SymmetricRows | None:
    """Return rows that only change signs under exchanges, by their mean energy; None where links disagree.

    Args:
        states: Diabatic states at all geometries.
        positions: Geometries [bohr].
        energies: [hartree]
        exchanges: Which to look at.
        overlaps: Gives overlaps along links to geometries whose atoms are in another order.
    """
    known = np.flatnonzero(states.known)
    vectors = states.vectors
    if not len(known) or not exchanges:
        return None
    matrices = []
    for exchange in exchanges:
        order = exchange.order(positions.shape[1])
        links = links_after(positions, order)
        kept = np.isin(links.first, known) & np.isin(links.second, known)
        links = Links(links.first[kept], links.second[kept], links.distance[kept])
        turns, sizes = turns_of(overlaps(links, order).moved)
        strong = sizes > _STRONG
        if strong.sum() < _FEWEST:
            return None
        turns, one, two = turns[strong], links.first[strong], links.second[strong]
        every = vectors[one] @ turns @ vectors[two].swapaxes(1, 2)
        matrices.append(every)
    means = [np.median(every, axis=0) for every in matrices]
    # Weights without a common measure: what all D leave alone, their sum does too.
    total = sum(
        (0.5 * (mean + mean.T)) * weight for mean, weight in zip(means, _weights(len(means)), strict=True)
    )
    rotation = np.linalg.eigh(total)[1].T
    middle = energies[known] - energies[known].mean(axis=1, keepdims=True)
    rows = rotation @ vectors[known]
    rotation = rotation[np.argsort(np.einsum("nak,nk->na", rows**2, middle).mean(axis=0))]
    signs = []
    for every in matrices:
        turned = rotation @ every @ rotation.T
        own = np.sign(np.median(np.einsum("naa->na", turned), axis=0))
        same = np.abs(turned - np.diag(own)).max(axis=(1, 2)) < _LEFT
        if same.mean() < _SAME:
            return None
        # A sign of all states is none.
        signs.append(own if (own > 0).sum() * 2 >= len(own) else -own)
    chosen = [number for number, own in enumerate(signs) if (own < 0).any()]
    odd = tuple(
        tuple(exchanges[number] for number in chosen if signs[number][row] < 0)
        for row in range(len(rotation))
    )
    return SymmetricRows(rotation, tuple(exchanges[number] for number in chosen), odd)


def sign_of_all_rows(
    vectors: Float[np.ndarray, "frame diabat state"],
    links: Links,
    moved: Float[np.ndarray, "link state state"],
    signs: Float[np.ndarray, "diabat"],
) -> float:
    """Return ±1 times which signs of rows are those of D = U_i O U_jᵀ for most of the strong links.

    W does not change with the sign of all states together, but wave functions of an exchanged molecule do.

    Args:
        vectors: U of all geometries, in rows in which D is diagonal.
        links: From geometries to exchanged ones.
        moved: Overlaps along them.
        signs: D up to its sign.
    """
    turns, sizes = turns_of(moved)
    strong = sizes > _STRONG if (sizes > _STRONG).any() else sizes == sizes.max()
    one, two = links.first[strong], links.second[strong]
    every = vectors[one] @ turns[strong] @ vectors[two].swapaxes(1, 2)
    return 1.0 if np.median(np.einsum("naa,a->n", every, signs)) >= 0.0 else -1.0


def _weights(n: int) -> list[float]:
    return [float(np.sqrt(2 + number) % 1.0 + 0.5) for number in range(n)]
