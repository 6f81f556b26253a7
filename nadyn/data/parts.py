"""A dataset becomes two or more, by shares: frame by frame, in blocks, by trajectory or by file."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.data.similarity import fingerprints, is_from_trajectories, typical_distance
from nadyn.data.splitting import shuffled

HOW = ("random", "block", "trajectory", "file")
# Each part has as many blocks of a molecule, where it has as many frames.
_BLOCKS = 5
# A new trajectory begins where consecutive frames are farther apart than half of two frames at random, and
# four times what is usual.
_FAR, _UNUSUAL = 0.5, 4.0
_SUM = 1e-6


def parted(dataset: Dataset, shares: Sequence[float], *, by: str, seed: int) -> tuple[Dataset, ...]:
    """Return as many datasets as there are shares; every frame is in one of them, in the old order.

    Units are dealt out one after the other, each to the part that lacks most: frames in an order that the
    seed decides, whole trajectories (by their tags, or where frames jump) or whole files that were joined.
    So each part has its share of all frames to within a unit, of each molecule nearly so, and molecules of
    few frames are dealt out whole. In blocks, a molecule is cut into five stretches, and each into one block
    a part.

    Args:
        dataset: What to split.
        shares: Of the parts; they add up to 1.
        by: One of `HOW`.
        seed: Any whole number from 0.

    Raises:
        InputError: The shares do not add up to 1, trajectories or files are not known, or a part is empty.
    """
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > _SUM:
        given = ", ".join(f"{share:g}" for share in shares)
        raise InputError(
            f"the shares must be two or more, above 0, and add up to 1, but are {given}, together "
            f"{sum(shares):g}."
        )
    if by not in HOW:
        raise InputError(f"`--by` must be one of {', '.join(HOW)}, but is {by!r}.")
    chosen: list[list[Group]] = [[] for _ in shares]
    dealt = np.zeros(len(shares))
    for group in dataset.groups:
        part = _part_of_frames(group, np.array(shares), dealt, by, seed)
        for number, groups in enumerate(chosen):
            frames = np.flatnonzero(part == number)
            if len(frames):
                groups.append(group.select(frames))
    for number, groups in enumerate(chosen):
        if not groups:
            unit = {"block": "frame", "random": "frame"}.get(by, by)
            raise InputError(
                f"each part must have a {unit} at least, but part {number + 1} has none: there are too few. "
                "Give it a larger share, or split `--by random`."
            )
    return tuple(Dataset(tuple(groups)) for groups in chosen)


def units_of(group: Group, by: str) -> Int[np.ndarray, "frame"]:
    """Return for each frame the number of its trajectory, or of the file that it came from.

    Raises:
        InputError: Nothing tells trajectories apart, or all frames came from one file.
    """
    if by == "file":
        if len(group.parts) < 2:
            raise InputError(
                f"`--by file` must have every molecule in two files at least, but group {group.name!r} comes "
                "from one. Name several files, or split `--by trajectory`."
            )
        return np.repeat(np.arange(len(group.parts)), group.parts)
    if group.tag is not None:
        words = {word: number for number, word in enumerate(dict.fromkeys(group.tag))}
        return np.array([words[word] for word in group.tag])
    if not is_from_trajectories(group):
        raise InputError(
            "`--by trajectory` must know trajectories by their tags or by consecutive frames that are alike, "
            f"but group {group.name!r} has neither. Split `--by random`."
        )
    frames = fingerprints(group)
    steps = np.sqrt((np.diff(frames, axis=0) ** 2).mean(axis=1))
    jumps = steps > max(_FAR * typical_distance(frames), _UNUSUAL * float(np.median(steps)))
    return np.concatenate([[0], np.cumsum(jumps)])


def _part_of_frames(
    group: Group, shares: np.ndarray, dealt: np.ndarray, by: str, seed: int
) -> Int[np.ndarray, "frame"]:
    """Return the part of each frame; `dealt`, what each part has so far, is brought up to date."""
    if by == "block" and group.n_frames >= len(shares):
        part = _blocks(group, shares, seed)
        dealt += np.bincount(part, minlength=len(shares))
        return part
    unit = units_of(group, by) if by in ("trajectory", "file") else np.arange(group.n_frames)
    sizes = np.bincount(unit)
    order = shuffled(group, seed=seed)
    # Each unit once, in the order in which its first frame comes.
    order = np.array(list(dict.fromkeys(unit[order].tolist())))
    part_of_unit = np.empty(len(sizes), dtype=np.int64)
    for number in order:
        lacking = shares * (dealt.sum() + sizes[number]) - dealt
        part_of_unit[number] = int(np.argmax(lacking))
        dealt[part_of_unit[number]] += sizes[number]
    return part_of_unit[unit]


def _blocks(group: Group, shares: np.ndarray, seed: int) -> Int[np.ndarray, "frame"]:
    n_blocks = max(1, min(_BLOCKS, math.floor(group.n_frames * shares.min())))
    edges = np.linspace(0, group.n_frames, n_blocks + 1).round().astype(int)
    generator = np.random.default_rng([seed, group.n_frames])
    part = np.empty(group.n_frames, dtype=np.int64)
    given = np.zeros(len(shares), dtype=np.int64)
    for start, stop in itertools.pairwise(edges.tolist()):
        sizes = _rounded(shares * stop - given, stop - start)
        given += sizes
        place = start
        for number in generator.permutation(len(shares)):
            part[place : place + sizes[number]] = number
            place += sizes[number]
    return part


def _rounded(wanted: np.ndarray, total: int) -> np.ndarray:
    """Return whole numbers near those that are wanted, none below 0, which add up to the total."""
    sizes = np.maximum(np.floor(wanted), 0).astype(np.int64)
    while (rest := total - int(sizes.sum())) != 0:
        step = 1 if rest > 0 else -1
        lacking = (wanted - sizes) * step
        lacking[(sizes + step) < 0] = -np.inf
        sizes[int(np.argmax(lacking))] += step
    return sizes
