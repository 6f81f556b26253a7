"""Elements as learned vectors, and one network for all: what it means, and that nothing grows with pairs."""

import pytest
import torch
from contracts.untrained import untrained

from nadyn.electronic.surfaces import surfaces
from nadyn.models.encoders.density_moments import DensityMoments
from nadyn.models.encoders.equivariant import EquivariantMessages
from nadyn.models.encoders.table import ENCODERS, build_encoder, choose_settings
from nadyn.models.kernels import applies
from nadyn.models.model_file import load_model, save_model
from nadyn.models.shared_network import SharedNetwork
from nadyn.models.surroundings import all_pairs
from nadyn.training.second_order.evaluation import fits

NUMBERS = (1, 1, 7, 9)
POSITIONS = torch.tensor(
    [[0.9, 1.5, 0.0], [-1.7, 0.2, 0.1], [0.1, 0.0, 0.7], [0.8, -1.4, -0.1]], dtype=torch.float64
) + 0.2 * torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def _encoder(name):
    return untrained(name, None).double().potential.network.encoder


def _of_all_pairs(weights, vectors):
    """Weights of each pair of elements from those of channels, written out."""
    return torch.einsum("ip,jq,pqrw->ijrw", vectors, vectors, weights).flatten(0, 1)


def test_mixed_moments_are_the_plain_ones_with_the_mixing_of_each_pair_of_elements():
    mixed = _encoder("moments mixed")
    plain = DensityMoments(_encoder("moments").settings).double()
    q, n, c = 2, mixed.settings.n_radial, mixed.settings.n_channels
    vectors = mixed.channels.embedding
    weights = mixed.mixing.reshape(q, 3, q, n, c).permute(0, 2, 3, 1, 4).flatten(3)
    of_pairs = _of_all_pairs(weights, vectors).unflatten(0, (4, 4)).unflatten(-1, (3, c))
    plain.mixing.data = of_pairs.permute(0, 3, 1, 2, 4).reshape(4, 3, 4 * n, c)
    surroundings = all_pairs(POSITIONS, NUMBERS, plain.cutoff, torch.float64)
    few, many = mixed(surroundings), plain(surroundings)
    torch.testing.assert_close(few.vectors, many.vectors)
    torch.testing.assert_close(few.tensors, many.tensors)
    torch.testing.assert_close(few.invariants[..., q * n :], many.invariants[..., 4 * n :])
    sums = torch.einsum("atek,eq->atqk", many.invariants[..., : 4 * n].unflatten(-1, (4, n)), vectors)
    torch.testing.assert_close(few.invariants[..., : q * n], sums.flatten(-2))
    assert float(few.vectors.abs().max()) > 1e-2


@pytest.mark.parametrize("name", ["moments mixed", "equivariant mixed", "moments"])
def test_one_structure_has_the_features_that_it_has_among_others(name):
    encoder = _encoder(name)
    many = encoder(all_pairs(POSITIONS, NUMBERS, encoder.cutoff, torch.float64))
    one = encoder(all_pairs(POSITIONS[1:2], NUMBERS, encoder.cutoff, torch.float64))
    torch.testing.assert_close(one.invariants, many.invariants[:, 1:2])
    torch.testing.assert_close(one.vectors, many.vectors[:, 1:2])


def test_mixed_messages_are_the_plain_ones_with_the_weights_of_each_pair_of_elements():
    mixed = _encoder("equivariant mixed")
    plain = EquivariantMessages(_encoder("equivariant").settings).double()
    for ours, theirs in zip(plain.paths.parameters(), mixed.paths.parameters(), strict=True):
        ours.data = theirs
    plain.radial.data = _of_all_pairs(mixed.radial, mixed.moments.channels.embedding)
    surroundings = all_pairs(POSITIONS, NUMBERS, plain.cutoff, torch.float64)
    told = torch.randn(4, 3, 9 * mixed.settings.n_channels, dtype=torch.float64)
    found, expected = mixed._hear(told, surroundings), plain._hear(told, surroundings)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["moments", "equivariant", "soap"])
def test_invariants_of_mixed_elements_do_not_grow_with_their_number(name):
    section = ENCODERS[name].section(element_channels=3)
    sizes = set()
    for n_elements in (2, 11):
        encoder = build_encoder(choose_settings(section, tuple(range(1, n_elements + 1)), 9.0, 1.5))
        pairs = [p for key, p in encoder.named_parameters() if "radial" in key or "mixing" in key]
        sizes.add((encoder.n_invariants, encoder.n_vectors, sum(p.numel() for p in pairs)))
    assert len(sizes) == 1


def test_the_shared_network_reads_standardised_descriptors_and_the_vector_of_the_element():
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = SharedNetwork((1, 7, 9), 5, (7,), 2, "silu")
        network.mean.normal_()
        network.inverse_spread.uniform_(0.5, 2.0)
        inputs = torch.randn(4, 3, 5)
    found = network(inputs, ((1, slice(0, 2)), (7, slice(2, 3)), (9, slice(3, 4))))
    first, _, last = network.network
    for row, index in enumerate((0, 0, 1, 2)):
        scaled = (inputs[row] - network.mean[index]) * network.inverse_spread[index]
        hidden = scaled @ first.weight[:, :5].T + network.embedding[index] @ first.weight[:, 5:].T
        expected = torch.nn.functional.silu(hidden + first.bias) @ last.weight.T + last.bias
        torch.testing.assert_close(found[row], expected)
    sizes = [sum(p.numel() for p in SharedNetwork(range(n), 5, (7,), 2, "silu").parameters()) for n in (3, 9)]
    assert sizes[1] - sizes[0] == 6 * network.embedding.shape[1]


def test_a_model_file_keeps_both_and_training_by_written_out_derivatives_leaves_them_alone(tmp_path):
    model = untrained("moments mixed", "1x0e + 1x1o", networks="shared")
    save_model(model, tmp_path / "mixed.safetensors")
    loaded = load_model(tmp_path / "mixed.safetensors")
    settings = loaded.potential.settings.network
    assert settings.networks == "shared" and settings.encoder.element_channels == 2
    here, there = (surfaces(one, POSITIONS) for one in (model, loaded))
    assert torch.equal(here.forces, there.forces)
    assert fits(untrained("moments", "2x0e").potential)
    assert not fits(untrained("moments mixed", "2x0e").potential)
    assert not fits(untrained("moments", "2x0e", networks="shared").potential)


def test_compiled_kernels_leave_them_alone_too():
    def reason(name, **options):
        return applies._unknown_part(untrained(name, "2x0e", **options).potential)

    assert reason("moments mixed") == "the kernels know no mixtures of elements"
    assert reason("moments", networks="shared") == "the kernels know no SharedNetwork"
    assert reason("moments") is None
