"""The kernels say what the networks of torch say: in float64 to rounding, in float32 as near to float64."""

from dataclasses import replace

import pytest
import torch
from contracts.untrained import untrained

import nadyn
from nadyn import shipped
from nadyn.models.encoders.density_moments import MomentsSettings
from nadyn.models.potential import Potential

NUMBERS = (7, 1, 9, 1, 6)
BASES = [None, "2x0e + 1x0o", "1x0e + 1x1o + 1x1e", "1x0o + 2x1o", "2x1e"]


def positions_of(n_rows, *, seed=2):
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(torch.arange(3.0), torch.arange(2.0), torch.arange(2.0)).double()[:5]
    return 2.1 * grid + 0.3 * torch.randn(n_rows, 5, 3, dtype=torch.float64, generator=generator)


def both(model, positions):
    """W, novelty and a derivative: of the fast path, and of the networks of torch."""
    cotangent = torch.randn(model.n_basis, model.n_basis, generator=torch.Generator().manual_seed(1)).double()
    found = []
    for evaluate in (model.evaluate, lambda leaf: nadyn.models.model.Evaluation(*model._reference(leaf))):
        leaf = positions.clone().requires_grad_(True)
        evaluation = evaluate(leaf)
        weights = cotangent.expand_as(evaluation.hamiltonian)
        (gradient,) = torch.autograd.grad(evaluation.hamiltonian, leaf, weights)
        found.append((evaluation.hamiltonian.detach(), evaluation.novelty, gradient))
    return found


def is_fast(model):
    return model.rows_at_once is not None


@pytest.mark.parametrize("encoder", ["moments", "equivariant"])
@pytest.mark.parametrize("basis", BASES)
def test_w_its_derivative_and_the_novelty_are_those_of_torch_in_float64(basis, encoder):
    n_states = 1 if basis is None else 2
    model = untrained(encoder, basis, n_states=n_states, atomic_numbers=NUMBERS, repulsion=4.0)
    network = model.potential.network
    network.standardise([model.surroundings(positions_of(7, seed=5))])
    generator = torch.Generator().manual_seed(7)
    for name, own in network.encoder.named_buffers():
        if name in ("mean", "inverse_spread", "direction_scales"):
            # What is told need not be scaled as what the networks read.
            own.copy_(own * (0.6 + 0.8 * torch.rand(own.shape, generator=generator).to(own)) + 0.1)
    network.set_range([model.surroundings(positions_of(3, seed=4))])
    if model.potential.matrix.first_vectors:
        model.potential.matrix.in_plane.data.fill_(0.7)
    model = model.double()
    fast, torchs = both(model, positions_of(11))
    assert is_fast(model)
    assert len(set(torchs[1].tolist())) > 4
    assert torchs[2].abs().amax(dim=(0, 2)).min() > 1e-3
    torch.testing.assert_close(fast[0], torchs[0], rtol=2e-14, atol=2e-12)
    torch.testing.assert_close(fast[2], torchs[2], rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(fast[1], torchs[1], rtol=0, atol=1e-15)


def test_numbers_of_channels_and_layers_that_fit_no_register_are_filled_up():
    small = untrained("moments", "1x0e + 1x1o", atomic_numbers=NUMBERS)
    encoder = MomentsSettings((1, 6, 7, 9), 7.0, 1.5, 4, 3)
    settings = small.potential.settings
    with torch.random.fork_rng():
        torch.manual_seed(6)
        network = replace(settings.network, encoder=encoder, hidden=(19, 5, 7))
        potential = Potential(replace(settings, network=network))
        potential.requires_grad_(False)
    model = replace(small, potential=potential)
    fast, torchs = both(model, positions_of(13))
    assert is_fast(model) and torchs[2].abs().amax(dim=(0, 2)).min() > 1e-4
    for one, other in zip(fast, torchs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_atoms_without_neighbours_at_the_cutoff_and_more_than_are_in_the_networks_at_once():
    """Messages of nobody are zero; a neighbour at the very cutoff is none."""
    generator = torch.Generator().manual_seed(8)
    grid = 2.3 * torch.cartesian_prod(*[torch.arange(3.0)] * 3).double()[:19]
    many = grid + 0.2 * torch.randn(3, 19, 3, dtype=torch.float64, generator=generator)
    pair = torch.tensor([[[0.0, 0, 0], [7.0, 0, 0]], [[0, 0, 0], [6.9999, 0, 0]], [[0, 0, 0], [90, 0, 0]]])
    mixed = positions_of(9)
    mixed[0] *= 40
    mixed[3, 2] += 200
    frames = {(7,): mixed[:2, :1], (7, 1): pair.double(), NUMBERS: mixed, (1,) * 12 + (6,) * 7: many}
    for numbers, positions in frames.items():
        model = untrained("equivariant", "1x0e + 1x1o", atomic_numbers=numbers).double()
        fast, torchs = both(model, positions)
        assert is_fast(model)
        torch.testing.assert_close(fast[0], torchs[0], rtol=1e-13, atol=1e-12)
        torch.testing.assert_close(fast[2], torchs[2], rtol=1e-11, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n_channels", [2, 3, 5])
def test_messages_with_channels_that_fit_no_tile(n_channels):
    small = untrained("equivariant", "1x0e + 1x1o", atomic_numbers=NUMBERS)
    settings = small.potential.settings
    encoder = replace(settings.network.encoder, n_channels=n_channels)
    with torch.random.fork_rng():
        torch.manual_seed(6)
        potential = Potential(replace(settings, network=replace(settings.network, encoder=encoder)))
        potential.requires_grad_(False)
    model = replace(small, potential=potential).double()
    fast, torchs = both(model, positions_of(11))
    assert is_fast(model) and torchs[2].abs().amax(dim=(0, 2)).min() > 1e-5
    torch.testing.assert_close(fast[0], torchs[0], rtol=0, atol=2e-12)
    torch.testing.assert_close(fast[2], torchs[2], rtol=1e-11, atol=1e-12)


def test_repulsion_beyond_its_end_adds_nothing_and_below_it_what_torch_adds():
    model = untrained("moments", "2x0e", atomic_numbers=(9, 1, 7), repulsion=2.0).double()
    bare = untrained("moments", "2x0e", atomic_numbers=(9, 1, 7)).double()
    apart = torch.tensor([[[0.0, 0, 0], [2.5, 0, 0], [0.1, 3.0, 0]]], dtype=torch.float64)
    close = apart * torch.tensor([0.2, 1.0, 1.0], dtype=torch.float64)
    for rows in (apart, torch.cat([apart, close])):
        fast, torchs = both(model, rows)
        torch.testing.assert_close(fast[0], torchs[0], rtol=0, atol=1e-12)
        torch.testing.assert_close(fast[2], torchs[2], rtol=1e-11, atol=1e-12)
    two = torch.cat([apart, close])
    added = model.evaluate(two).hamiltonian - bare.evaluate(two).hamiltonian
    assert added[0].abs().max() == 0 and added[1, 0, 0] > 1.0


@pytest.mark.parametrize(
    "name",
    [
        "ammonia",
        "hexafluorobutene",
        pytest.param("ammonia_trajectories", marks=pytest.mark.slow),
    ],
)
def test_shipped_models_are_as_near_to_float64_as_the_networks_of_torch(name):
    model = nadyn.load_model(shipped.path(f"{name.partition('_')[0]}/{name}.safetensors"))
    generator = torch.Generator().manual_seed(3)
    geometry = model.starting_geometry
    positions = geometry + 0.1 * torch.randn(40, *geometry.shape, dtype=torch.float64, generator=generator)
    fast, torchs = both(model, positions)
    double = model.double()
    object.__setattr__(double, "fast_path", replace(double.fast_path, is_periodic=True))  # declines
    exact = both(double, positions)[1]
    assert is_fast(model)
    for k in (0, 2):
        one, other, right = fast[k], torchs[k], exact[k]
        assert 0 < (one - right).square().mean().sqrt() < 1.15 * (other - right).square().mean().sqrt()
    assert (fast[2] - torchs[2]).abs().max() < 3e-6 * torchs[2].abs().max()
    assert (fast[1] - torchs[1]).abs().max() < 0.01
