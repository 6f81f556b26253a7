"""The algebra of a step gives the same bits with arrays of numpy and of torch, in parts and at once."""

import numpy as np
import pytest
import torch

from nadyn.dynamics.decoherence.energy_based import _damp
from nadyn.dynamics.electrons.local_diabatisation import _propagate
from nadyn.dynamics.hops.probabilities import _flow, _shared_loss
from nadyn.electronic.small_arrays import as_tensor, in_parts, rearranged, small, trajectories_first

N_TRAJ = 53


def states(n_basis, n_states):
    generator = torch.Generator().manual_seed(n_basis)

    def random(*shape):
        return torch.randn(N_TRAJ, *shape, dtype=torch.float64, generator=generator)

    before = torch.linalg.qr(random(n_basis, n_basis))[0]
    after = torch.linalg.qr(before + 0.1 * random(n_basis, n_basis))[0]
    c = random(n_states, 2)
    c = c / c.square().sum((1, 2), keepdim=True).sqrt()
    energies = 0.1 * random(n_states).sort(1)[0]
    vectors = (one[:, :, :n_states].contiguous() for one in (before, after))
    return c, energies, next(vectors), energies + 0.01 * random(n_states), next(vectors)


def assert_same_bits(function, *arrays):
    by_torch = function(*arrays)
    by_numpy = function(*(small(array) for array in arrays))
    for one, two in zip(by_torch, by_numpy, strict=True):
        assert isinstance(two, np.ndarray) and torch.equal(one, as_tensor(two))


@pytest.mark.parametrize(("n_basis", "n_states"), [(2, 2), (4, 2), (3, 3), (6, 4)])
def test_a_step_of_the_coefficients_has_the_same_bits(n_basis, n_states):
    arrays = states(n_basis, n_states)
    assert_same_bits(lambda *arrays: _propagate(*arrays, dt=0.7), *arrays)
    new, propagator, _ = _propagate(*arrays, dt=0.7)
    active = torch.arange(N_TRAJ) % n_states
    is_active = torch.arange(n_states)[:, None] == active
    last = (rearranged(arrays[0], 2, 1, 0), rearranged(new, 2, 1, 0), rearranged(propagator, 3, 1, 2, 0))
    for rule in (_flow, _shared_loss):
        assert_same_bits(lambda *arrays, rule=rule: (rule(*arrays),), *last, is_active)
    kinetic = torch.rand(N_TRAJ, dtype=torch.float64)
    assert_same_bits(lambda *arrays: (_damp(*arrays, 20.0, 0.1),), new, arrays[1], active, kinetic)


def test_parts_are_joined_in_their_order():
    rows, more = torch.arange(35.0).reshape(7, 5), torch.arange(7.0)

    def function(rows, more):
        assert len(rows) <= 3
        return trajectories_first(rearranged(rows, 1, 0)) * 2.0, rows[:, 1] + more

    twice, sums = in_parts(3, function, rows, more)
    assert torch.equal(twice, 2.0 * rows) and torch.equal(sums, rows[:, 1] + more)
