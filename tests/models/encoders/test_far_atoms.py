"""Atoms in places where an empty slot of the layout once stood."""

import pytest
import torch

from nadyn.data.neighbors import listed_neighbors
from nadyn.models.encoders.table import ENCODERS, build_encoder, choose_settings
from nadyn.models.surroundings import all_pairs, listed_pairs

NUMBERS = (1, 1, 6)
CUTOFF = 6.0


def surroundings(layout, positions):
    if layout == "dense":
        return all_pairs(positions, NUMBERS, CUTOFF, torch.float64)
    cell = None if layout == "listed" else 40.0 * torch.eye(3, dtype=torch.float64)[None]
    pbc = (False,) * 3 if cell is None else (True,) * 3
    neighbors = listed_neighbors(torch.tensor(NUMBERS), positions.detach(), cutoff=CUTOFF, cell=cell, pbc=pbc)
    return listed_pairs(positions, cell, neighbors, NUMBERS, CUTOFF, torch.float64)


@pytest.mark.parametrize("layout", ["dense", "listed", "periodic"])
@pytest.mark.parametrize("far", [2.0 * CUTOFF, 3.0 * CUTOFF, 4.0 * CUTOFF])
@pytest.mark.parametrize("name", ENCODERS)
def test_an_atom_at_a_multiple_of_the_cutoff_along_x_leaves_gradients_finite(name, far, layout):
    """An atom beyond the cutoff changes nothing, wherever it stands: also not where a slot is empty."""
    settings = choose_settings(ENCODERS[name].section(), (1, 6), CUTOFF, 1.0)
    torch.manual_seed(0)
    encoder = build_encoder(settings).double()
    gradients = []
    for place in ([far, 0.0, 0.0], [0.0, far + 1.0, 0.3]):
        # The far hydrogen is seen from the near one and from the carbon, which share its place in x.
        positions = torch.tensor([[[0.0, 0, 0], place, [0.0, 1.9, 0.4]]], dtype=torch.float64)
        positions.requires_grad_(True)
        features = encoder(surroundings(layout, positions))
        total = features.invariants.sum() + (features.vectors**2).sum() + (features.tensors**2).sum()
        (gradient,) = torch.autograd.grad(total, positions)
        assert torch.isfinite(gradient).all()
        gradients.append(gradient[0, [0, 2]])
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().max() > 1e-3
