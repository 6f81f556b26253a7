"""Derivatives of the matrix of numbered atoms that are written out, beside those of autograd."""

import pytest
import torch
from contracts.untrained import untrained
from training.second_order.test_second_order import agree, molecule, scaled

from nadyn.training.predictions import label_pairs
from nadyn.training.samples import samples_together

ETHYLENE = "1x0e[H1,H2][H3,H4] + 1x0e[C1,C2;H1,H3;H2,H4] + 1x0e"


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize(
    "basis, numbers", [(ETHYLENE, (6, 6, 1, 1, 1, 1)), ("1x0e[H1,H2] + 2x0e", (7, 1, 1, 9))]
)
def test_predictions_and_gradients_of_numbered_atoms_are_those_of_autograd(encoder, basis, numbers):
    model = untrained(encoder, basis, n_states=3, atomic_numbers=numbers, cutoff=9.0)
    potential = scaled(model.double().potential.requires_grad_(True))
    network = potential.numbered.network
    generator = torch.Generator().manual_seed(5)
    network.mean.copy_(torch.rand(network.mean.shape, generator=generator, dtype=torch.float64))
    network.inverse_spread.copy_(
        0.5 + torch.rand(network.mean.shape, generator=generator, dtype=torch.float64)
    )
    batch = samples_together((molecule(numbers, 5, 3),))
    assert agree(potential, batch, label_pairs(batch, 3)) > 15
    assert agree(potential, batch, ()) > 15
