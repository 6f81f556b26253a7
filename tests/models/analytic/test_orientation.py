"""Geometries turned into the frame of a reference."""

import pytest
import torch

from nadyn.checks.errors import InputError
from nadyn.models.analytic.orientation import oriented

RANDOM = torch.Generator().manual_seed(4)
N_ATOMS = 5
REFERENCE = 2.0 * torch.randn(N_ATOMS, 3, generator=RANDOM, dtype=torch.float64)
MASSES = 1.0 + torch.rand(N_ATOMS, generator=RANDOM, dtype=torch.float64)


def _displaced(size):
    return REFERENCE + size * torch.randn(N_ATOMS, 3, generator=RANDOM, dtype=torch.float64)


def _turn():
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=RANDOM, dtype=torch.float64))
    return turn * torch.linalg.det(turn)


def test_the_conditions_of_eckart_hold():
    found = oriented(_displaced(0.4) @ _turn().T + 2.0, REFERENCE, MASSES)
    weights = MASSES / MASSES.sum()
    centre = weights @ REFERENCE
    assert torch.allclose(weights @ found.positions, centre)
    moments = (MASSES[:, None] * torch.linalg.cross(REFERENCE - centre, found.positions - centre)).sum(0)
    assert moments.abs().max() < 1e-12


def test_every_orientation_of_a_geometry_is_turned_into_the_same():
    geometry = _displaced(0.4)
    one = oriented(geometry, REFERENCE, MASSES)
    other = oriented(geometry @ _turn().T - 1.0, REFERENCE, MASSES)
    assert torch.allclose(one.positions, other.positions, atol=1e-13)


def test_a_mirror_image_stays_one():
    mirrored = REFERENCE * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    found = oriented(mirrored, REFERENCE, MASSES)
    assert torch.linalg.det(found.rotation) == pytest.approx(1.0)
    assert (found.positions - REFERENCE).abs().max() > 0.1


def test_a_gradient_holds_the_response_of_the_rotation():
    weights = torch.randn(N_ATOMS, 3, generator=RANDOM, dtype=torch.float64)
    geometry = _displaced(0.4) @ _turn().T

    def function(positions):
        return float((weights * oriented(positions, REFERENCE, MASSES).positions ** 2).sum())

    found = oriented(geometry, REFERENCE, MASSES)
    gradient = found.gradient(2 * weights * found.positions)
    step = 1e-5
    for atom in range(N_ATOMS):
        for axis in range(3):
            moved = torch.zeros_like(geometry)
            moved[atom, axis] = step
            slope = (function(geometry + moved) - function(geometry - moved)) / (2 * step)
            assert float(gradient[atom, axis]) == pytest.approx(slope, abs=1e-8)


def test_atoms_in_a_line_are_refused():
    line = torch.arange(N_ATOMS, dtype=torch.float64)[:, None] * torch.ones(3, dtype=torch.float64)
    with pytest.raises(InputError, match="must have one orientation"):
        oriented(line, REFERENCE, MASSES)
