"""Descents of the gap: to the seam, no farther than the model is trusted, and never up."""

import torch

import nadyn
from nadyn.electronic.surfaces import surfaces
from nadyn.learning.gap_descent import descend
from nadyn.shipped import path
from nadyn.units import HARTREE_PER_EV

MODEL = nadyn.load_model(path("ammonia/ammonia.safetensors"))


def _starts() -> torch.Tensor:
    group = nadyn.load_dataset(path("ammonia/ammonia.h5")).groups[0]
    return torch.from_numpy(group.positions[:24]).clone()


def test_the_gap_is_driven_to_the_seam(unchecked_annotations):
    starts = _starts()
    lower = torch.zeros(len(starts), dtype=torch.int64)
    before = surfaces(MODEL, starts).energies
    found = descend(MODEL, starts, lower, lambda at: torch.ones(len(at), dtype=torch.bool))
    assert (found.gap < 0.1 * HARTREE_PER_EV).sum() >= 12
    assert (found.gap < before[:, 1] - before[:, 0]).all()
    after = surfaces(MODEL, found.positions).energies
    torch.testing.assert_close(found.gap, after[:, 1] - after[:, 0])
    assert not found.left_trust.any()


def test_a_descent_ends_at_the_first_geometry_that_is_not_trusted(unchecked_annotations):
    starts = _starts()[:8]
    moved = 0.2

    def trusted(at: torch.Tensor) -> torch.Tensor:
        return torch.stack([(at[:, None] - starts).flatten(2).norm(dim=2).amin(dim=1)])[0] < moved

    found = descend(MODEL, starts, torch.zeros(8, dtype=torch.int64), trusted)
    far = (found.positions - starts).flatten(1).norm(dim=1)
    assert found.left_trust.sum() >= 4
    assert (far[found.left_trust] >= moved).all() and (far < moved + 0.08).all()
