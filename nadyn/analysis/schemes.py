"""Kinetic schemes: which states feed which, as rate equations, with their populations and derivatives."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

from nadyn.checks.errors import InputError

NAMED = ("sequential", "parallel", "reversible")
_ARROW = re.compile(r"\s*(.+?)\s*(<>|⇌|↔|<->|->|→|>)\s*(.+?)\s*")


@dataclass(frozen=True)
class Scheme:
    """First-order steps between species.

    Attributes:
        name: What it is called.
        species: Names of all species, such as "2", "1", "0 (CH2)"; those of an analysis, in its order.
        arrows: Each step, from which species to which, by place in `species`.
    """

    name: str
    species: tuple[str, ...]
    arrows: tuple[tuple[int, int], ...]

    @property
    def words(self) -> str:
        """The steps as text: `2→1, 1→0`."""
        return ", ".join(self.step(number) for number in range(len(self.arrows)))

    def step(self, number: int) -> str:
        """Return one step as text."""
        start, end = self.arrows[number]
        return f"{self.species[start]}→{self.species[end]}"


def named_scheme(name: str, species: Sequence[str], *, start: int, products: Sequence[int]) -> Scheme:
    """Return a scheme by its name.

    `sequential`: from the first species down the ladder, each to the next. `parallel`: the first species to
    each of the others. `reversible`: each excited species to the next and back. With several products the
    last excited species goes to each of them, in `parallel` the first one; nothing comes back from them,
    but from the ground state to the only excited one in `reversible`.

    Args:
        name: One of `NAMED`.
        species: Names of all species, the highest state first.
        start: Place of the first species.
        products: Places of what nothing leaves: the lowest state, or its products.

    Raises:
        InputError: The name is unknown.
    """
    ladder = [k for k in range(len(species)) if k not in products]
    if name == "parallel":
        arrows = [(start, k) for k in range(len(species)) if k != start]
    elif name in NAMED:
        both = name == "reversible"
        ladder = ladder if both else ladder[ladder.index(start) :]
        pairs = list(pairwise(ladder))
        down = [*pairs, *((ladder[-1], product) for product in products)]
        back = pairs if len(ladder) > 1 else down
        arrows = down + [(end, begin) for begin, end in back if both]
    else:
        raise InputError(
            f"`--scheme` must be {', '.join(NAMED)} or steps such as '2>1, 1>0', but is {name!r}."
        )
    return Scheme(name, tuple(species), tuple(arrows))


def read_scheme(text: str, species: Sequence[str], *, start: int, products: Sequence[int]) -> Scheme:
    """Return a scheme from its name, or from steps such as `2>1, 1<>0`.

    Raises:
        InputError: The text is neither, or names an unknown species.
    """
    if not re.search(r"[<>→⇌↔]", text):
        return named_scheme(text.strip(), species, start=start, products=products)
    arrows: list[tuple[int, int]] = []
    for part in re.split(r"[,;]", text):
        found = _ARROW.fullmatch(part)
        ends = [] if found is None else [found.group(1), found.group(3)]
        if found is None or ends[0] == ends[1]:
            raise InputError(
                f"`--scheme` must be {', '.join(NAMED)} or steps such as '2>1, 1<>0', but has "
                f"{part.strip()!r}."
            )
        unknown = [name for name in ends if name not in species]
        if unknown:
            raise InputError(
                f"`--scheme` must name what the run has, {', '.join(map(repr, species))}, but names "
                f"{unknown[0]!r}."
            )
        step = (species.index(ends[0]), species.index(ends[1]))
        arrows += [step] + ([step[::-1]] if found.group(2) in ("<>", "⇌", "↔", "<->") else [])
    if len(set(arrows)) < len(arrows):
        raise InputError(f"`--scheme` must name each step once, but {text!r} has one twice.")
    return Scheme(", ".join(part.strip() for part in re.split(r"[,;]", text)), tuple(species), tuple(arrows))


def rate_matrix(scheme: Scheme, rates: Float[np.ndarray, "step"]) -> Float[np.ndarray, "species species"]:
    """Return K of dP/dt = K P, from the rates [1/fs]."""
    matrix = np.zeros((len(scheme.species),) * 2)
    for (start, end), rate in zip(scheme.arrows, rates, strict=True):
        matrix[end, start] += rate
        matrix[start, start] -= rate
    return matrix


def scheme_populations(
    scheme: Scheme,
    rates: Float[np.ndarray, "step"],
    time_fs: Float[np.ndarray, "frame"],
    at_start: Float[np.ndarray, "species"],
    delay_fs: float = 0.0,
) -> tuple[Float[np.ndarray, "frame species"], Float[np.ndarray, "parameter frame species"]]:
    """Return P(t) = exp(K max(t - t0, 0)) P(0), and its derivatives to ln k of each step and to t0.

    Derivatives of an exponential stand beside it in that of a matrix of twice the size, [[A, B], [0, A]].

    Source: C. F. Van Loan, IEEE Trans. Automat. Contr. 23, 395 (1978).

    Args:
        scheme: The steps.
        rates: [1/fs].
        time_fs: At equal distances, from 0 [fs].
        at_start: P(0).
        delay_fs: t0: when the first step begins [fs].
    """
    n, n_steps = len(scheme.species), len(scheme.arrows)
    matrix = rate_matrix(scheme, rates)
    block = np.zeros((n_steps, 2 * n, 2 * n))
    block[:, :n, :n] = block[:, n:, n:] = matrix
    for number, ((start, end), rate) in enumerate(zip(scheme.arrows, rates, strict=True)):
        block[number, start, n + start], block[number, end, n + start] = -rate, rate
    values = np.broadcast_to(at_start, (len(time_fs), n)).copy()
    slopes = np.zeros((n_steps + 1, len(time_fs), n))
    first = int(np.searchsorted(time_fs, delay_fs, side="right"))
    if first == len(time_fs):
        return values, slopes
    # Each derivative is a state of twice the length: itself above, the populations below.
    state = np.concatenate([np.zeros((n_steps, n)), np.broadcast_to(at_start, (n_steps, n))], axis=1)
    state = np.einsum("pij,pj->pi", expm(block * (time_fs[first] - delay_fs)), state)
    on = expm(block * (time_fs[1] - time_fs[0])).transpose(0, 2, 1)
    # Half of the frames give the other half: a handful of products in the place of one a frame.
    frames = state[:, None]
    while frames.shape[1] < len(time_fs) - first:
        frames = np.concatenate([frames, frames @ on], axis=1)
        on = on @ on
    frames = frames[:, : len(time_fs) - first]
    values[first:], slopes[:-1, first:] = frames[0, :, n:], frames[:, :, :n]
    slopes[-1, first:] = -values[first:] @ matrix.T
    return values, slopes
