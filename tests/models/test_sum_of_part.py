"""Derivatives that are computed with the energy are those of the graph, of first and of second order."""

import pytest
import torch
from contracts.untrained import untrained

from nadyn.electronic.stress import strained_surface
from nadyn.models import potential as potentials
from nadyn.models.joined_structures import joined

CELL = torch.tensor([[6.1, 0.3, -0.2], [0.8, 5.7, 0.5], [-0.4, 0.6, 6.6]], dtype=torch.float64)
PLACES = torch.tensor(
    [[0.1, 0.2, -0.1], [3.0, 2.6, 0.4], [1.1, 0.9, 3.2], [4.4, 4.0, 4.1], [2.9, -0.2, 4.6]],
    dtype=torch.float64,
)
NUMBERS = (9, 1, 6, 1, 7)


def crystal(encoder):
    model = untrained(encoder, None, cutoff=5.0).double()
    return model.for_atoms(NUMBERS, cell=CELL, pbc=(True, True, True))


def derivatives(model):
    """Energy, force and stress, and products of both derivatives with numbers."""
    found = strained_surface(model, PLACES[None], torch.tensor([0]))
    inputs = PLACES[None].clone().requires_grad_(True)
    energy = 1.7 * model.evaluate(inputs).hamiltonian.sum()
    (slope,) = torch.autograd.grad(energy, inputs, create_graph=True)
    numbers = torch.linspace(-1, 1, slope.numel(), dtype=torch.float64).view_as(slope)
    (second,) = torch.autograd.grad((slope * numbers).sum(), inputs)
    return found.energies, found.force, found.stress, slope.detach(), second


@pytest.mark.parametrize("encoder", ["moments", "acsf"])
def test_parts_with_their_derivatives_give_what_the_whole_gives(encoder, monkeypatch):
    model = crystal(encoder)
    whole = derivatives(model)
    # Two atoms at a time.
    pairs = 2 * model.surroundings(PLACES[None]).distances.shape[2]
    monkeypatch.setattr(potentials, "_PAIRS_AT_ONCE", pairs)
    asked = []
    of_part = potentials.sum_of_part
    monkeypatch.setattr(
        potentials,
        "sum_of_part",
        lambda energy, part: asked.append(len(part.vectors)) or of_part(energy, part),
    )
    for found, expected in zip(derivatives(model), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    assert asked[:3] == [2, 2, 1]
    assert float(whole[-1].abs().max()) > 1e-4


def test_joined_structures_get_each_their_own_factor(monkeypatch):
    model = crystal("moments")
    other = model.for_atoms(NUMBERS[:3], cell=1.1 * CELL, pbc=(True, True, True))
    results = []
    for pairs in (10**9, 100):
        monkeypatch.setattr(potentials, "_PAIRS_AT_ONCE", pairs)
        inputs = PLACES[None].clone().requires_grad_(True)
        parts = [model.surroundings(inputs), other.surroundings(inputs[:, :3])]
        energies = model.potential.evaluate(joined(parts, 5.0)).hamiltonian[:, 0, 0]
        (slope,) = torch.autograd.grad(energies @ torch.tensor([2.0, -3.0], dtype=torch.float64), inputs)
        results.append((energies.detach(), slope))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def test_weights_that_are_trained_have_derivatives_too(monkeypatch):
    model = crystal("moments")
    monkeypatch.setattr(potentials, "_PAIRS_AT_ONCE", 100)
    model.potential.requires_grad_(True)
    model.evaluate(PLACES[None]).hamiltonian.sum().backward()
    assert float(model.potential.network.encoder.mixing.grad.abs().max()) > 0
