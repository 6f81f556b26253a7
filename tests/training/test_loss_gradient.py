"""The gradient of the whole loss in the weights, energies, forces and couplings together, at given gaps."""

from dataclasses import replace

import pytest
import torch
from contracts.untrained import untrained
from teacher import NUMBERS, geometries

import nadyn.training.predictions as predictions
from nadyn.electronic.eigen import eigh
from nadyn.training.losses import NoiseScales, residuals, surplus_penalty, total_loss
from nadyn.training.predictions import predict, predict_by_graph
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import Samples
from nadyn.units import HARTREE_PER_EV

PAIRS = ((0, 0), (1, 1), (0, 1))
# Five-point first derivative.
OFFSETS, FACTORS = (-2, -1, 1, 2), (1 / 12, -8 / 12, 8 / 12, -1 / 12)


def _frame():
    """One frame with labels that do not fit, so that every residual is large."""
    generator = torch.Generator().manual_seed(9)

    def random(*shape):
        return 0.02 * torch.randn(shape, generator=generator, dtype=torch.float64)

    order = [1, 2, 0, 3]
    return Samples(
        "toy",
        tuple(NUMBERS[i] for i in order),
        torch.tensor(order),
        geometries(1)[:, order],
        -160.0 + random(1, 2),
        random(1, 2, 4, 3),
        random(1, 1, 4, 3),
        None,
        (False, False, False),
    )


def _network(batch, gap_ev):
    """A network in double precision whose states have this gap at the frame and mix by an angle of 0.45."""
    network = untrained("moments", "2x0e").double().potential
    hamiltonian, _ = network(batch.surroundings(batch.positions, network.network.cutoff, torch.float64))
    gap = gap_ev * HARTREE_PER_EV
    angle = torch.tensor(0.9, dtype=torch.float64)
    # Outputs are W_00, W_01, W_11: the coupling is scaled, the difference set by an offset.
    factor = 0.5 * gap * torch.sin(angle) / hamiltonian[0, 0, 1]
    for layers in network.network.networks.networks:
        layers[-1].weight[1] *= factor
        layers[-1].bias[1] *= factor
    network.reference.offsets[1] += hamiltonian[0, 0, 0] + gap * torch.cos(angle) - hamiltonian[0, 1, 1]
    return network.requires_grad_(True)


def _loss(network, batch, *, outlier_sigmas=5.0, margin=None):
    scales = NoiseScales({"energy": 0.01, "force": 0.02, "coupling": 0.015})
    prediction = predict(network, batch, PAIRS)
    loss = total_loss(
        residuals((prediction,), (batch,)),
        scales,
        weights={"energy": 1.0, "force": 10.0, "coupling": 10.0},
        outlier_sigmas={one.name: outlier_sigmas for one in QUANTITIES},
    )
    return loss if margin is None else loss + surplus_penalty(prediction.surplus_gap, margin)


def _directions(network, n=3):
    generator = torch.Generator().manual_seed(4)
    for _ in range(n):
        yield [
            torch.randn(p.shape, generator=generator, dtype=torch.float64) * p.detach().abs().mean()
            for p in network.parameters()
        ]


def _gradients(network, loss):
    # The network of an element that the frame lacks takes no part.
    return torch.autograd.grad(loss, list(network.parameters()), allow_unused=True, materialize_grads=True)


def _along(network, loss, direction):
    gradients = _gradients(network, loss)
    return float(sum((g * d).sum() for g, d in zip(gradients, direction, strict=True)))


def _numeric(network, batch, direction, step, **options):
    start = [p.detach().clone() for p in network.parameters()]
    total = 0.0
    for factor, offset in zip(FACTORS, OFFSETS, strict=True):
        with torch.no_grad():
            for p, value, d in zip(network.parameters(), start, direction, strict=True):
                p.copy_(value + offset * step * d)
        total += factor * float(_loss(network, batch, **options).detach())
    with torch.no_grad():
        for p, value in zip(network.parameters(), start, strict=True):
            p.copy_(value)
    return total / step


def _without_response(monkeypatch):
    """Hold the eigenvectors of the graph fixed: what remains is the explicit dependence on the weights."""

    def frozen(matrix):
        energies, vectors = eigh(matrix)
        return energies, vectors.detach()

    monkeypatch.setattr(predictions, "eigh", frozen)
    monkeypatch.setattr(predictions, "fits", lambda potential: False)


@pytest.mark.parametrize("gap_ev", [1.0, 0.1, 0.01])
def test_the_gradient_is_that_of_finite_differences_with_the_documented_damping(gap_ev, monkeypatch):
    """With the response of the eigenvectors multiplied by ΔE²/(ΔE² + δ²), δ = 10 meV.

    That factor is 0.9999 at 1 eV, 0.99 at 0.1 eV and 0.5 at 0.01 eV; all else is exact at any gap.
    """
    batch = _frame()
    network = _network(batch, gap_ev)
    energies = predict(network, batch, PAIRS).energies.detach()
    assert float(energies[0, 1] - energies[0, 0]) == pytest.approx(gap_ev * HARTREE_PER_EV, rel=1e-9)
    damping = gap_ev**2 / (gap_ev**2 + 0.010**2)
    directions = list(_directions(network))
    whole = [_along(network, _loss(network, batch), d) for d in directions]
    numeric = [_numeric(network, batch, d, step=2e-5 * gap_ev) for d in directions]
    _without_response(monkeypatch)
    explicit = [_along(network, _loss(network, batch), d) for d in directions]

    expected = [e + damping * (n - e) for n, e in zip(numeric, explicit, strict=True)]
    assert whole == pytest.approx(expected, rel=1e-5)
    if gap_ev == 1.0:
        assert whole == pytest.approx(numeric, rel=1e-3)
    # Dropping the response would be wrong by far.
    assert max(abs(n - e) / abs(n) for n, e in zip(numeric, explicit, strict=True)) > 0.1


def test_the_gradient_is_finite_at_a_gap_of_zero():
    batch = _frame()
    network = _network(batch, 0.0)
    energies = predict(network, batch, PAIRS).energies.detach()
    assert float(energies[0, 1] - energies[0, 0]) < 1e-12
    loss = _loss(network, batch)
    gradients = _gradients(network, loss)
    assert bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 0.0


def test_the_gradient_is_that_of_finite_differences_with_surplus_levels_and_outliers():
    batch = _frame()
    model = untrained("moments", "2x0e + 1x1o", offsets=(0.0, 0.1, 0.25)).double()
    network = model.potential.requires_grad_(True)
    prediction = predict(network, batch, PAIRS)
    gaps = prediction.energies.detach().diff(dim=1), prediction.surplus_gap.detach()
    # So wide that the bound on the response of the eigenvectors, 10 meV, changes less than 1e-4 of it.
    assert min(float(gap) for gap in gaps) > 1.0 * HARTREE_PER_EV
    # The surplus levels lie within the margin, and the energies are beyond two σ, the forces beyond one.
    options = {"outlier_sigmas": 2.0, "margin": 1.3 * float(gaps[1])}
    assert float(surplus_penalty(gaps[1], options["margin"])) > 0.5
    values = residuals((prediction,), (batch,))
    assert float(values["energy"].detach()) > 2.0**2 * 0.01**2
    assert float(values["force"].detach()) > 0.02**2
    for direction in _directions(network):
        whole = _along(network, _loss(network, batch, **options), direction)
        numeric = _numeric(network, batch, direction, step=2e-5, **options)
        assert whole == pytest.approx(numeric, rel=1e-3)
        # Neither part of the loss is small beside the rest.
        without = _along(network, _loss(network, batch, outlier_sigmas=2.0), direction)
        assert whole != pytest.approx(without, rel=1e-2)


@pytest.mark.parametrize("basis", ["2x0e", "2x0e + 1x1o + 1x1e"])
def test_copies_of_a_batch_give_what_one_product_a_pair_gives(basis, monkeypatch):
    batch = _frame()
    batch = replace(
        batch,
        positions=geometries(5)[:, [1, 2, 0, 3]],
        energies=batch.energies.repeat(5, 1),
        forces=batch.forces.repeat(5, 1, 1, 1),
        couplings=batch.couplings.repeat(5, 1, 1, 1),
    )
    network = untrained("moments", basis).double().potential.requires_grad_(True)
    weights = [p for p in network.parameters() if p.requires_grad]
    found = []
    for few in (0, 10**6):
        monkeypatch.setattr(predictions, "_FEW_ROWS", few)
        (prediction,) = predict_by_graph(network, (batch,), PAIRS)
        loss = (prediction.gradients.square() * (1.0 + torch.arange(3)[:, None, None])).sum()
        slopes = torch.autograd.grad(loss + prediction.energies.sum(), weights, allow_unused=True)
        found.append((prediction, [slope for slope in slopes if slope is not None]))
    (apart, slopes), (together, others) = found
    assert together.gradients.shape == (5, 3, 4, 3)
    torch.testing.assert_close(together.gradients, apart.gradients, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(together.energies, apart.energies, rtol=1e-12, atol=0.0)
    torch.testing.assert_close(together.surplus_gap, apart.surplus_gap)
    assert len(slopes) == len(others) > 3
    for one, other in zip(slopes, others, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-10)
