"""Groups of one name become one; a dataset becomes a training and a validation part."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.arrays import ARRAYS
from nadyn.data.dataset import Dataset, Group


def join(datasets: Sequence[Dataset]) -> Dataset:
    """Return one dataset; groups of one name are joined, labels that a part lacks are NaN.

    Texts (theory, source, licence, note) that differ are kept side by side.

    Raises:
        InputError: Groups of one name differ in their atoms, states, charge or periodicity.
    """
    if not datasets:
        raise InputError("`datasets` must hold one at least, but is empty.")
    parts: dict[str, list[Group]] = {}
    for dataset in datasets:
        for group in dataset.groups:
            parts.setdefault(group.name, []).append(group)
    return Dataset(tuple(_join_groups(groups) for groups in parts.values()))


def split(dataset: Dataset, validation_fraction: float, *, seed: int) -> tuple[Dataset, Dataset | None]:
    """Return a training and a validation part, the frames of each group shuffled by `seed`.

    The choice depends on the seed, the name of the group and its number of frames only. A group of two or
    more frames gives at least one frame to each part; a single frame is for training. Without any validation
    frame the second part is None.

    Args:
        dataset: What to split.
        validation_fraction: From 0 up to, not including, 1.
        seed: Any whole number from 0.

    Raises:
        InputError: The fraction is not allowed.
    """
    if not 0 <= validation_fraction < 1:
        raise InputError(f"`validation_fraction` must lie from 0 to below 1, but is {validation_fraction}.")
    training, validation = [], []
    for group in dataset.groups:
        order = shuffled(group, seed=seed)
        wanted = round(validation_fraction * group.n_frames)
        n_validation = min(max(wanted, 1), group.n_frames - 1) if validation_fraction > 0 else 0
        training.append(group.select(np.sort(order[n_validation:])))
        if n_validation:
            validation.append(group.select(np.sort(order[:n_validation])))
    return Dataset(tuple(training)), Dataset(tuple(validation)) if validation else None


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
    return np.random.default_rng([seed, zlib.crc32(group.name.encode())]).permutation(group.n_frames)


def _join_groups(groups: list[Group]) -> Group:
    first = groups[0]
    if len(groups) == 1:
        return first
    for other in groups[1:]:
        _check_fit(first, other)
    arrays: dict[str, np.ndarray] = {}
    for key in ARRAYS:
        filled = next((array for group in groups if (array := getattr(group, key)) is not None), None)
        if filled is not None:
            arrays[key] = np.concatenate([_or_missing(getattr(g, key), filled, g.n_frames) for g in groups])
    texts = {
        key: "; ".join(dict.fromkeys(text for group in groups if (text := getattr(group, key))))
        for key in ("theory", "source", "licence", "note")
    }
    return replace(first, **arrays, **texts)


def _or_missing(array: np.ndarray | None, example: np.ndarray, n_frames: int) -> np.ndarray:
    return np.full((n_frames, *example.shape[1:]), np.nan) if array is None else array


def _check_fit(first: Group, other: Group) -> None:
    where = f"groups named {first.name!r} must fit together, but"
    advice = "Give one of them another name."
    if first.n_atoms != other.n_atoms:
        raise InputError(f"{where} have {first.n_atoms} and {other.n_atoms} atoms. {advice}")
    if not np.array_equal(first.atomic_numbers, other.atomic_numbers):
        atom = int(np.flatnonzero(first.atomic_numbers != other.atomic_numbers)[0])
        raise InputError(f"{where} differ in the element of atom {atom}. {advice}")
    if first.n_states != other.n_states:
        raise InputError(f"{where} have {first.n_states} and {other.n_states} states. {advice}")
    for key in ("charge", "multiplicities"):
        if getattr(first, key) != getattr(other, key):
            raise InputError(f"{where} differ in `{key}`. {advice}")
    if (first.masses is None) != (other.masses is None) or (
        first.masses is not None and not np.allclose(first.masses, other.masses, rtol=1e-6)
    ):
        raise InputError(f"{where} differ in `masses`. {advice}")
    if not np.array_equal(first.pbc, other.pbc) or (first.cell is None) != (other.cell is None):
        raise InputError(f"{where} differ in `pbc` or `cell`. {advice}")
