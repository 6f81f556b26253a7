"""Molecules of springs with one state, whose minimum and Hessian are known."""

import numpy as np
import pytest
import torch

from nadyn.models.analytic import springs


@pytest.fixture
def ammonia_like():
    """Four atoms, unequal masses, no spring under tension at the minimum."""
    positions = torch.tensor(
        [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.4, -0.1]], dtype=torch.float64
    )
    numbers = (7, 1, 6, 17)
    order = np.argsort(numbers)
    distances = torch.cdist(positions[order], positions[order]).contiguous()
    distances = (0.5 * (distances + distances.T))[None, None]
    stiffness = torch.tensor(
        [[0.0, 0.21, 0.33, 0.15], [0.21, 0.0, 0.41, 0.27], [0.33, 0.41, 0.0, 0.52], [0.15, 0.27, 0.52, 0.0]],
        dtype=torch.float64,
    )[None, None]
    constant = torch.tensor([[-1.5]], dtype=torch.float64)
    return springs(positions, numbers, constant=constant, stiffness=stiffness, lengths=distances)


@pytest.fixture
def carbon_dioxide_like():
    """O-C-O kept straight by the repulsion of its ends."""
    positions = torch.tensor([[0.1, 0.0, -2.0], [0.0, 0.0, 0.0], [0.0, 0.1, 2.0]], dtype=torch.float64)
    stiffness = torch.tensor([[0.0, 0.9], [0.9, 0.05]], dtype=torch.float64)[None, None]
    lengths = torch.tensor([[0.0, 2.1], [2.1, 6.0]], dtype=torch.float64)[None, None]
    constant = torch.zeros(1, 1, dtype=torch.float64)
    return springs(positions, (8, 6, 8), constant=constant, stiffness=stiffness, lengths=lengths)
