"""A dataset becomes a training and a validation part."""

import hashlib
import zlib

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group

HOW = ("random", "blocks", "files", "stable")
# What is held out of a group in blocks comes in so many of them, if it has as many frames.
_BLOCKS = 5
# Steps a bohr to which positions are rounded before they are hashed.
_GRID = 1e6


def split(
    dataset: Dataset, validation_fraction: float, *, seed: int, how: str = "random"
) -> tuple[Dataset, Dataset | None]:
    """Return a training and a validation part.

    The choice depends on the seed, the names of the groups and their numbers of frames only. A group of two
    or more frames gives at least one frame to each part, or with `files` one file. Of the groups of a single
    frame whole ones are held out, as many as the fraction says and one at least where nothing else is; but no
    single atom, and no molecule whose elements the others lack. Without any validation frame the second part
    is None.

    With `stable` each frame is held out or not for itself, by a hash of its atoms, its geometry and the seed:
    it stays where it is whatever else is added to the dataset. So no part has a frame for sure: of few frames
    none may be held out.

    Args:
        dataset: What to split.
        validation_fraction: From 0 up to, not including, 1.
        seed: Any whole number from 0.
        how: Frames at random, blocks of consecutive frames, whole files that were joined, or frames by their
            hash.

    Raises:
        InputError: The fraction is not allowed, or whole files are wanted of a group from one file.
    """
    if not 0 <= validation_fraction < 1:
        raise InputError(f"`validation_fraction` must lie from 0 to below 1, but is {validation_fraction}.")
    if how not in HOW:
        raise InputError(f"`how` must be one of {', '.join(HOW)}, but is {how!r}.")
    if validation_fraction == 0:
        return dataset, None
    if how == "stable":
        return _parts(dataset, _by_hash(dataset, validation_fraction, seed))
    held = {
        group.name: _HELD[how](group, validation_fraction, seed) if group.n_frames > 1 else np.empty(0, int)
        for group in dataset.groups
    }
    for name in _whole_molecules(dataset, validation_fraction, seed, any(map(len, held.values()))):
        held[name] = np.array([0])
    return _parts(dataset, held)


def _parts(dataset: Dataset, held: dict[str, np.ndarray]) -> tuple[Dataset, Dataset | None]:
    """Return both parts, from the numbers of the frames of each group that are held out."""
    training, validation = [], []
    for group in dataset.groups:
        rest = np.setdiff1d(np.arange(group.n_frames), held[group.name])
        if len(rest):
            training.append(group.select(rest))
        if len(held[group.name]):
            validation.append(group.select(np.sort(held[group.name])))
    return Dataset(tuple(training)), Dataset(tuple(validation)) if validation else None


def _by_hash(dataset: Dataset, fraction: float, seed: int) -> dict[str, np.ndarray]:
    held = {
        group.name: np.flatnonzero([number < fraction for number in frame_numbers(group, seed=seed)])
        for group in dataset.groups
    }
    learned = [group for group in dataset.groups if len(held[group.name]) < group.n_frames]
    for group in dataset.groups:
        if len(held[group.name]) < group.n_frames:
            continue
        # A molecule is held out whole where it is no atom, and others have its elements.
        known = {number for other in learned for number in other.atomic_numbers.tolist()}
        if group.n_atoms == 1 or not set(group.atomic_numbers.tolist()) <= known:
            held[group.name] = np.empty(0, int)
            learned.append(group)
    return held


def frame_numbers(group: Group, *, seed: int) -> list[float]:
    """Return a number from 0 to 1 for each frame, a hash of its atoms, its geometry and the seed.

    Positions are rounded to a millionth of a bohr, so that a frame that went through a file of other units
    has the same number.
    """
    atoms = f"{seed} {group.atomic_numbers.tolist()} ".encode()
    grid = np.round(group.positions * _GRID).astype("<i8")
    digests = (hashlib.sha256(atoms + frame.tobytes()).digest() for frame in grid)
    return [int.from_bytes(digest[:8], "little") / 2.0**64 for digest in digests]


def folds(dataset: Dataset, n_folds: int, *, seed: int) -> list[tuple[Dataset, Dataset]]:
    """Return `n_folds` pairs of a training and a validation part; each frame is validated once.

    Raises:
        InputError: A group has fewer frames than folds, or there are fewer than two folds.
    """
    fewest = min(group.n_frames for group in dataset.groups)
    if not 2 <= n_folds <= fewest:
        raise InputError(f"`n_folds` must lie between 2 and {fewest} frames, but is {n_folds}.")
    parts = [np.array_split(shuffled(group, seed=seed), n_folds) for group in dataset.groups]
    pairs = []
    for fold in range(n_folds):
        training, validation = [], []
        for group, chunks in zip(dataset.groups, parts, strict=True):
            rest = np.concatenate([chunk for index, chunk in enumerate(chunks) if index != fold])
            training.append(group.select(np.sort(rest)))
            validation.append(group.select(np.sort(chunks[fold])))
        pairs.append((Dataset(tuple(training)), Dataset(tuple(validation))))
    return pairs


def shuffled(group: Group, *, seed: int) -> np.ndarray:
    """Return all frame numbers of a group in an order that the seed and the group's name decide."""
    return _generator(group.name, seed).permutation(group.n_frames)


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _n_held(group: Group, fraction: float) -> int:
    return min(max(round(fraction * group.n_frames), 1), group.n_frames - 1)


def _random(group: Group, fraction: float, seed: int) -> np.ndarray:
    return shuffled(group, seed=seed)[: _n_held(group, fraction)]


def _blocks(group: Group, fraction: float, seed: int) -> np.ndarray:
    """Cut the group into equal stretches and hold out a block at a random place within each."""
    n_held = _n_held(group, fraction)
    n_blocks = min(_BLOCKS, n_held, group.n_frames - n_held)
    edges = np.linspace(0, group.n_frames, n_blocks + 1).astype(int)
    sizes = np.diff(np.linspace(0, n_held, n_blocks + 1).astype(int))
    generator = _generator(group.name, seed)
    starts = [
        start + generator.integers(stop - start - size + 1)
        for start, stop, size in zip(edges[:-1], edges[1:], sizes, strict=True)
    ]
    return np.concatenate([np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)])


def _files(group: Group, fraction: float, seed: int) -> np.ndarray:
    if len(group.parts) < 2:
        raise InputError(
            f"`split: files` must have every molecule in two files at least, but group {group.name!r} comes "
            "from one. Give each trajectory a file of its own, or try `split: blocks`."
        )
    edges = np.cumsum([0, *group.parts])
    wanted, held = _n_held(group, fraction), []
    for part in _generator(group.name, seed).permutation(len(group.parts))[:-1]:
        held.append(np.arange(edges[part], edges[part + 1]))
        if sum(map(len, held)) >= wanted:
            break
    return np.concatenate(held)


_HELD = {"random": _random, "blocks": _blocks, "files": _files}


def _whole_molecules(dataset: Dataset, fraction: float, seed: int, is_any_held: bool) -> list[str]:
    """Choose among groups of a single frame."""
    single = [group for group in dataset.groups if group.n_frames == 1 and group.n_atoms > 1]
    wanted = round(fraction * len(single))
    if not is_any_held:
        wanted = max(wanted, 1)
    left = {group.name: set(group.atomic_numbers.tolist()) for group in dataset.groups}
    chosen: list[str] = []
    for index in np.random.default_rng([seed, len(single)]).permutation(len(single)):
        group = single[index]
        others = set().union(*(elements for name, elements in left.items() if name != group.name))
        if len(chosen) < wanted and len(left) > 1 and left[group.name] <= others:
            chosen.append(group.name)
            del left[group.name]
    return chosen
