"""A neighbour that leaves the cutoff takes nothing with it at once."""

import pytest
import torch
from contracts.encoders import few_encoders
from contracts.untrained import untrained

CUTOFF = 5.0
# N, H, H stay; F moves away from N along a line on which it passes the cutoff of each of them.
FIXED = torch.tensor([[0.0, 0.0, 0.0], [1.6, 0.7, -0.3], [-0.9, 1.5, 0.6]], dtype=torch.float64)
LINE = torch.tensor([0.48, -0.60, 0.64], dtype=torch.float64)
STEP = 1e-7


def _derivatives(model, length):
    """Value, slope and curvature of every element of W along the line, each (element,)."""
    along = torch.tensor(length, dtype=torch.float64, requires_grad=True)
    positions = torch.cat([FIXED, (along * LINE)[None]])[None]
    elements = model.evaluate(positions).hamiltonian[0].flatten()
    slopes, curvatures = [], []
    for element in elements:
        (slope,) = torch.autograd.grad(element, along, create_graph=True)
        (curvature,) = torch.autograd.grad(slope, along, retain_graph=True)
        slopes.append(slope.detach())
        curvatures.append(curvature)
    return elements.detach(), torch.stack(slopes), torch.stack(curvatures)


def _crossing(atom):
    """Distance along the line at which F is one cutoff away from an atom."""
    along = float(FIXED[atom] @ LINE)
    across = float((FIXED[atom] ** 2).sum()) - along**2
    return along + (CUTOFF**2 - across) ** 0.5


def _jumps(encoder, cutoff_function, atom):
    model = untrained(encoder, "1x0e + 1x1o", cutoff=CUTOFF, cutoff_function=cutoff_function).double()
    length = _crossing(atom)
    inside, outside = _derivatives(model, length - STEP), _derivatives(model, length + STEP)
    return [float((a - b).abs().max()) for a, b in zip(inside, outside, strict=True)]


@pytest.mark.parametrize("atom", range(3))
@few_encoders
def test_value_slope_and_curvature_are_continuous_with_the_polynomial_cutoff(encoder, atom):
    value, slope, curvature = _jumps(encoder, "polynomial", atom)
    assert value < 3e-8
    assert slope < 1e-7
    assert curvature < 1e-6


@few_encoders
def test_the_cosine_cutoff_is_smooth_in_value_and_slope_while_its_curvature_jumps(encoder):
    value, slope, curvature = _jumps(encoder, "cosine", 0)
    assert value < 1e-8
    assert slope < 1e-7
    assert curvature > 1e-5


@few_encoders
def test_beyond_the_cutoff_of_all_atoms_nothing_depends_on_the_distance(encoder):
    model = untrained(encoder, "1x0e + 1x1o", cutoff=CUTOFF).double()
    furthest = max(_crossing(atom) for atom in range(3))
    near, far = (_derivatives(model, furthest + extra) for extra in (1e-3, 20.0))
    torch.testing.assert_close(near[0], far[0], rtol=0, atol=1e-14)
    assert float(far[1].abs().max()) == 0.0
    assert float(far[2].abs().max()) == 0.0
