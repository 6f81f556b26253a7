"""What trajectories remember is fetched as it was put away, whoever else remembers something."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.state.batch import from_arrays, select, to_arrays
from nadyn.dynamics.state.memory import recall, remember, remembers
from nadyn.models.analytic.tully import tully


@dataclass(frozen=True)
class TwoArrays:
    """A memory of a real and a complex array."""

    real: Tensor
    both: Tensor


@dataclass(frozen=True)
class Other:
    """A memory with a field of the same name."""

    real: Tensor


def test_a_memory_goes_through_batches_and_checkpoints_bit_for_bit_beside_another_one():
    model = tully(1)
    positions = torch.linspace(-3.0, 3.0, 7, dtype=torch.float64)[:, None, None]
    state = start_in_state(model, positions, positions, masses=model.masses, active_state=0)
    kept = TwoArrays(torch.randn(7, 4), torch.randn(7, 2, dtype=torch.complex128))
    assert not remembers(state, TwoArrays)
    with pytest.raises(KeyError):
        recall(state, TwoArrays)
    state = remember(remember(state, kept), Other(torch.arange(7)))
    rows = torch.tensor([5, 0])
    found = recall(select(from_arrays(to_arrays(state), 3), rows), TwoArrays)
    assert torch.equal(found.real, kept.real[rows]) and torch.equal(found.both, kept.both[rows])
    changed = remember(state, Other(torch.arange(7) + 1))
    assert recall(changed, Other).real.tolist() == list(range(1, 8))
    assert torch.equal(recall(changed, TwoArrays).real, kept.real)
    assert sorted(state.extra) == ["other.real", "two_arrays.both", "two_arrays.real"]
