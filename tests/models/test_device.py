"""Everything is computed where the positions are."""

import pytest
import torch
from contracts.encoders import every_encoder
from contracts.untrained import CUTOFF, untrained

from nadyn.models.joined_structures import joined
from nadyn.models.surroundings import all_pairs

NUMBERS = (1, 1, 6, 7, 9)


@every_encoder
@pytest.mark.parametrize("basis", [None, "1x0e + 1x1o + 1x1e"])
def test_positions_on_another_device_give_w_and_its_gradient_there(encoder, basis):
    # The meta device computes shapes only, and refuses tensors of the processor as any other does.
    potential = untrained(encoder, basis, repulsion=CUTOFF).potential.to("meta")
    positions = torch.empty(3, 5, 3, dtype=torch.float64, device="meta", requires_grad=True)
    alone = all_pairs(positions, NUMBERS, CUTOFF, torch.float32)
    for surroundings in (alone, joined([alone, alone], CUTOFF)):
        found = potential.evaluate(surroundings)
        hamiltonian, novelty = found.hamiltonian, found.novelty
        assert hamiltonian.device.type == novelty.device.type == "meta"
        assert len(hamiltonian) == surroundings.n_structures
        (gradient,) = torch.autograd.grad(hamiltonian.sum(), positions, retain_graph=True)
        assert gradient.device.type == "meta" and gradient.shape == positions.shape
