"""Datasets made fit for training: frames that look wrong left out, d turned into h."""

from dataclasses import replace

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.data.dataset import Dataset, Group
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.table import kept_frames


def without_doubtful(dataset: Dataset) -> tuple[Dataset, tuple[str, ...]]:
    """Return the dataset without the frames that the checks name, and a sentence a group that lost some.

    Raises:
        InputError: No frame of a group would be left.
    """
    groups, sentences = [], []
    for group in dataset.groups:
        kept = kept_frames(group)
        if not len(kept):
            raise InputError(
                f"group {group.name!r} must keep a frame, but all of them are doubtful. Correct the data "
                "where they come from, or leave out `--drop-doubtful` to keep them as they are."
            )
        dropped = np.ones(group.n_frames, dtype=bool)
        dropped[kept] = False
        if dropped.any():
            sentences.append(f"{group.name}: left out {frames_in_words(dropped)}.")
        groups.append(_without_idle_cell(group.select(kept)) if dropped.any() else group)
    return Dataset(tuple(groups)), tuple(sentences)


def couplings_from_d(dataset: Dataset) -> Dataset:
    """Return the dataset with its couplings, which are d, multiplied by E_l - E_k."""
    groups = []
    for group in dataset.groups:
        if group.interstate_couplings is not None:
            gaps = np.stack([group.energies[:, l] - group.energies[:, k] for k, l in group.pairs], axis=1)
            couplings = group.interstate_couplings * gaps[:, :, None, None]
            group = replace(group, interstate_couplings=couplings)
        groups.append(group)
    return Dataset(tuple(groups))


def _without_idle_cell(group: Group) -> Group:
    return group if group.pbc.any() else replace(group, cell=None)
