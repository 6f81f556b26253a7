"""What a network keeps of its training set: scale of the descriptors, and how far they reach."""

import pytest
import torch
from contracts.encoders import ENCODERS
from contracts.untrained import untrained

from nadyn.models.nearest_neighbours import no_bound

GEOMETRY = torch.tensor(
    [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
)
# Every element of the network once, and hydrogen twice.
NUMBERS = (7, 1, 6, 9)


def _positions(n, spread, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return GEOMETRY + spread * torch.randn(n, 4, 3, generator=generator, dtype=torch.float64)


@pytest.fixture(params=ENCODERS)
def model(request):
    return untrained(request.param, "1x0e + 1x1o", atomic_numbers=NUMBERS)


def _descriptors(model, positions):
    """Descriptors of each atom, and the elements of the rows."""
    surroundings = model.surroundings(positions)
    features = model.potential.network.encoder(surroundings)
    return features.invariants, [
        element for element, part in surroundings.atoms for _ in range(*part.indices(4))
    ]


def test_standardised_descriptors_have_mean_zero_and_unit_spread_for_each_element(model):
    positions = _positions(40, 0.15)
    chunks = [model.surroundings(positions[:23]), model.surroundings(positions[23:])]
    model.potential.standardise(chunks)
    networks = model.potential.network.networks
    invariants, elements = _descriptors(model, positions)
    for row, element in enumerate(elements):
        index = networks.elements.index(element)
        scaled = ((invariants[row] - networks.mean[index]) * networks.inverse_spread[index]).double()
        assert float(scaled.mean(dim=0).abs().max()) < 1e-2
        spread, raw = scaled.std(dim=0, correction=0), invariants[row].double().std(dim=0, correction=0)
        # What hardly varies is not blown up to unit spread, all else is.
        varying = raw > 1.01e-3 * raw.max()
        assert int(varying.sum()) > 10
        torch.testing.assert_close(spread[varying], torch.ones_like(spread[varying]), rtol=0, atol=0.01)
        assert float(spread.max()) < 1.01


def test_novelty_is_zero_on_the_training_set_and_grows_away_from_it(model):
    positions = _positions(40, 0.15)
    model.potential.network.set_range([model.surroundings(positions)])
    fractions = [
        float(model.evaluate(frames).novelty.mean())
        for frames in (positions, _positions(20, 0.15, seed=3), _positions(20, 0.45), 2.0 * positions)
    ]
    assert fractions[0] == 0.0
    assert fractions[1] < 0.05
    assert fractions == sorted(fractions)
    assert fractions[3] > 0.1


def test_novelty_is_the_part_of_the_worst_atoms_descriptors_that_are_beyond_by_a_standard_deviation(model):
    positions = _positions(40, 0.15)
    model.potential.network.set_range([model.surroundings(positions)])
    model.potential.network.nearest.copy_(no_bound(4))
    invariants, _ = _descriptors(model, positions)
    outside = _positions(5, 0.3, seed=9)
    there, _ = _descriptors(model, outside)
    spread = invariants.double().std(dim=1, correction=0)
    low = invariants.amin(dim=1) - spread
    high = invariants.amax(dim=1) + spread
    counted = (there < low[:, None]) | (there > high[:, None])
    expected = counted.double().mean(dim=2).amax(dim=0)
    assert float(expected.max()) > 0.0
    # A descriptor within rounding of its bound may fall on either side.
    torch.testing.assert_close(model.evaluate(outside).novelty, expected, rtol=0, atol=2e-3)


def test_an_element_that_does_not_occur_is_scaled_by_nothing_and_all_new(model):
    ammonia = model.for_atoms((7, 1, 1))
    positions = _positions(20, 0.15)
    frames = [ammonia.surroundings(positions[:, :3])]
    model.potential.standardise(frames)
    model.potential.network.set_range(frames)
    networks = model.potential.network.networks
    # Carbon and fluorine.
    for absent in (1, 3):
        assert bool((networks.mean[absent] == 0.0).all())
        assert bool((networks.inverse_spread[absent] == 1.0).all())
    assert all(bool(torch.isfinite(value).all()) for value in model.potential.network.networks.buffers())
    for name in ("vector_scale", "tensor_scale"):
        scale = getattr(model.potential.matrix, name)
        assert bool((scale[[1, 3]] == 1.0).all())
        assert bool(((scale[[0, 2]] > 0.0) & torch.isfinite(scale[[0, 2]])).all())
    assert float(ammonia.evaluate(positions[:, :3]).novelty.max()) == 0.0
    evaluation = model.evaluate(positions)
    assert bool(torch.isfinite(evaluation.hamiltonian).all())
    assert float(evaluation.novelty.min()) == 1.0


def test_an_atom_that_has_lost_its_neighbours_is_novel():
    model = untrained("moments", "2x0e", atomic_numbers=(7, 1, 1, 9)).double()
    positions = torch.tensor(
        [[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.8, -1.9, -0.1]], dtype=torch.float64
    )
    frames = positions + 0.05 * torch.randn(40, 4, 3, generator=torch.Generator().manual_seed(2)).double()
    model.potential.network.set_nearest([model.surroundings(frames)])
    assert float(model.evaluate(frames).novelty.max()) == 0.0
    direction = frames[:, 1] - frames[:, 0]
    for stretch, expected in ((1.05, 0.0), (2.5, 1.0)):
        moved = frames.clone()
        moved[:, 1] = frames[:, 0] + stretch * direction
        assert model.evaluate(moved).novelty.tolist() == [expected] * len(frames)
