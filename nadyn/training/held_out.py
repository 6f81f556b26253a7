"""Which frames a training holds out to be judged by, and what they are worth."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, Group, split
from nadyn.data.similarity import (
    fingerprints,
    is_from_trajectories,
    nearest_distances,
    neighbour_distance,
    typical_distance,
)
from nadyn.structures import symbol
from nadyn.training.configuration import TrainingConfiguration

# Closer than this part of the typical distance two frames are one.
_COPY = 1e-3
# More frames than these are not compared, but drawn from.
_MOST_HELD, _MOST_TRAINING = 1000, 20_000
# Fewer neighbours of training frames than this part are no news.
_FEW = 0.05


@dataclass(frozen=True)
class HeldOut:
    """A dataset in two parts.

    Attributes:
        training: What is learned from.
        validation: What is held out, or None.
        how: How it was chosen: random, blocks, files, stable, given or nothing.
        molecules: Names of molecules that were held out whole.
        n_compared: How many held-out frames were compared with the training frames.
        n_copies: How many of them are copies of a training frame.
        n_neighbours: How many lie unusually close to one, copies included.
        is_guessed: Whether blocks were chosen because frames come from trajectories.
    """

    training: Dataset
    validation: Dataset | None
    how: str
    molecules: tuple[str, ...] = ()
    n_compared: int = 0
    n_copies: int = 0
    n_neighbours: int = 0
    is_guessed: bool = False

    @property
    def title(self) -> str:
        """What errors are of, for the title of a table."""
        return "training frames" if self.validation is None else "held-out frames"

    @property
    def record(self) -> dict[str, object]:
        """What the model file says of it."""
        return {
            "how": self.how,
            "n_frames": 0 if self.validation is None else self.validation.n_frames,
            "whole_molecules": list(self.molecules),
            "n_compared": self.n_compared,
            "n_copies": self.n_copies,
            "n_neighbours": self.n_neighbours,
        }

    @property
    def sentences(self) -> list[str]:
        """What a user should know of it."""
        if self.validation is None:
            return [
                "nothing was held out: the best weights are chosen by the training frames, and the errors "
                "are those of training frames, which say nothing about others"
            ]
        result = []
        if self.molecules:
            names = ", ".join(self.molecules[:5]) + (" …" if len(self.molecules) > 5 else "")
            count = f"{len(self.molecules)} molecule" + ("s" if len(self.molecules) > 1 else "")
            result.append(f"of molecules with one frame, whole ones are held out: {count} ({names})")
        if self.is_guessed:
            result.append(
                "consecutive frames are so alike that they come from trajectories: blocks of them are held "
                "out (`split: random` in the training file holds out single ones)"
            )
        if self.n_copies:
            result.append(
                f"{self.n_copies} of {self.n_compared} held-out frames are copies of training frames: their "
                "errors are those of training"
            )
        if self.n_neighbours - self.n_copies > _FEW * self.n_compared:
            in_blocks = "; try `split: blocks` in the training file"
            advice = in_blocks if self.how in ("random", "stable") else ""
            result.append(
                f"{self.n_neighbours} of {self.n_compared} held-out frames lie next to a training frame, so "
                f"errors of frames that are really new are larger than those shown{advice}"
            )
        return result


def hold_out(dataset: Dataset, configuration: TrainingConfiguration, given: Dataset | None = None) -> HeldOut:
    """Return a dataset in two parts, as the training file says, or beside the frames that are given to judge.

    With `split: auto` frames are drawn at random, or in blocks where frames of a molecule follow each other.

    Args:
        dataset: What there is to learn from.
        configuration: How to split it.
        given: Frames to judge by; then all of `dataset` is learned from.

    Raises:
        InputError: The frames to judge by have other states, or elements that nothing is learned of.
    """
    if given is not None:
        _check_given(dataset, given)
        return HeldOut(dataset, given, "given", (), *_compare(dataset, given))
    is_guessed = configuration.split == "auto" and any(map(is_from_trajectories, dataset.groups))
    how = configuration.split
    if how == "auto":
        how = "blocks" if is_guessed else "random"
    training, validation = split(
        dataset, configuration.validation_fraction, seed=configuration.seed_of_split, how=how
    )
    if validation is None:
        return HeldOut(training, None, "nothing")
    whole = tuple(sorted(set(validation.names) - set(training.names)))
    counts = _compare(training, validation)
    return HeldOut(training, validation, how, whole, *counts, is_guessed)


def _check_given(training: Dataset, given: Dataset) -> None:
    states, own = ({group.n_states for group in one.groups} for one in (training, given))
    if own != states:
        raise InputError(
            f"the frames to judge by must have {counted(min(states), 'state')} as those to learn from, but "
            f"have {', '.join(map(str, sorted(own)))}."
        )
    known, found = (
        {int(number) for group in one.groups for number in group.atomic_numbers} for one in (training, given)
    )
    if unknown := sorted(found - known):
        raise InputError(
            "the frames to judge by must be of elements of those to learn from, but hold "
            f"{', '.join(map(symbol, unknown))} too. Leave them out, or add such frames to learn from."
        )


def _compare(training: Dataset, validation: Dataset) -> tuple[int, int, int]:
    """Return how many held-out frames were compared, and are copies and neighbours of training frames."""
    held, learned = _by_composition(validation), _by_composition(training)
    n_compared = n_copies = n_neighbours = 0
    for composition, groups in held.items():
        if len(composition) < 2 or composition not in learned:
            continue
        frames = _some(_all_fingerprints(groups), _MOST_HELD)
        others = _some(_all_fingerprints(learned[composition]), _MOST_TRAINING)
        typical = typical_distance(others)
        nearest = nearest_distances(frames, others)
        near = typical * neighbour_distance(len(others), len(composition))
        n_compared += len(frames)
        n_copies += int((nearest <= _COPY * typical).sum())
        n_neighbours += int((nearest <= max(near, _COPY * typical)).sum())
    return n_compared, n_copies, n_neighbours


def _by_composition(dataset: Dataset) -> dict[tuple[int, ...], list[Group]]:
    result = defaultdict(list)
    for group in dataset.groups:
        result[tuple(sorted(group.atomic_numbers.tolist()))].append(group)
    return result


def _all_fingerprints(groups: list[Group]) -> np.ndarray:
    return np.concatenate([fingerprints(group) for group in groups])


def _some(frames: np.ndarray, most: int) -> np.ndarray:
    if len(frames) <= most:
        return frames
    return frames[np.random.default_rng(len(frames)).permutation(len(frames))[:most]]
