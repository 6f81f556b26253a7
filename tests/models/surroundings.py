"""Surroundings of atoms for encoder tests, without a model around them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nadyn.models.surroundings import Surroundings, all_pairs


def free_atoms(
    numbers: Sequence[int], positions: Tensor, cutoff: float, dtype: torch.dtype = torch.float64
) -> tuple[Surroundings, Tensor]:
    """Return the environment of isolated molecules and, for each of its rows, the atom it belongs to."""
    order = torch.from_numpy(np.argsort(np.array(numbers), kind="stable"))
    ordered = tuple(int(numbers[i]) for i in order)
    return all_pairs(positions[:, order], ordered, cutoff, dtype), order
