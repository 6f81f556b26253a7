"""What adds when two fragments are far apart, and what does not."""

import torch
from contracts.encoders import every_encoder
from contracts.untrained import untrained

from nadyn.electronic.surfaces import energies_and_eigenvectors

FIRST_NUMBERS, SECOND_NUMBERS = (7, 1, 1), (9, 9)
FIRST = torch.tensor([[[0.1, 0.0, 0.7], [0.9, 1.5, 0.0], [-1.7, 0.2, 0.1]]], dtype=torch.float64)
SECOND = torch.tensor([[[0.0, 0.0, 0.0], [0.3, 2.5, 0.2]]], dtype=torch.float64)
FAR = torch.tensor([40.0, -11.0, 7.0], dtype=torch.float64)


def _model(encoder, basis, **options):
    """A model whose offsets, which belong to a molecule and not to its atoms, are zero."""
    model = untrained(encoder, basis, **options).double()
    model.potential.reference.offsets.zero_()
    return model


def _three(model):
    """The model for both fragments together and for each alone."""
    numbers = (FIRST_NUMBERS + SECOND_NUMBERS, FIRST_NUMBERS, SECOND_NUMBERS)
    return tuple(model.for_atoms(atoms) for atoms in numbers)


def _together(shift):
    return torch.cat([FIRST, SECOND + shift], dim=1)


@every_encoder
def test_energies_of_an_atomic_sum_add_for_far_fragments(encoder):
    both, one, other = _three(_model(encoder, None, repulsion=4.0))
    expected = one.evaluate(FIRST).hamiltonian + other.evaluate(SECOND).hamiltonian
    torch.testing.assert_close(both.evaluate(_together(FAR)).hamiltonian, expected, rtol=0, atol=1e-11)
    # Near each other they do interact, or the test above would prove nothing.
    assert float((both.evaluate(_together(0.1 * FAR)).hamiltonian - expected).abs()) > 1e-3


@every_encoder
def test_elements_of_the_diabatic_matrix_add_for_far_fragments(encoder):
    both, one, other = _three(_model(encoder, "2x0e + 1x0o + 1x1o + 1x1e"))
    expected = one.evaluate(FIRST).hamiltonian + other.evaluate(SECOND).hamiltonian
    torch.testing.assert_close(both.evaluate(_together(FAR)).hamiltonian, expected, rtol=0, atol=1e-11)


@every_encoder
def test_energies_of_two_far_chromophores_do_not_add(encoder):
    both, one, other = _three(_model(encoder, "2x0e"))
    sum_of_parts = energies_and_eigenvectors(one, FIRST)[0] + energies_and_eigenvectors(other, SECOND)[0]
    together, _ = energies_and_eigenvectors(both, _together(FAR))
    # The traces agree, the energies of single states do not: two chromophores are outside the model.
    torch.testing.assert_close(together.sum(), sum_of_parts.sum(), rtol=0, atol=1e-11)
    assert float((together - sum_of_parts).abs().max()) > 1e-4


@every_encoder
def test_energies_add_where_one_fragment_contributes_a_multiple_of_the_unit_matrix(encoder):
    model = _model(encoder, "2x0e")
    # Let fluorine give the same number to both states and nothing to the coupling: 00, 01, 11.
    networks = model.potential.network.networks
    last = networks.networks[networks.elements.index(9)][-1]
    last.weight[2] = last.weight[0]
    last.bias[2] = last.bias[0]
    last.weight[1] = 0.0
    last.bias[1] = 0.0
    both, one, other = _three(model)
    spectator = other.evaluate(SECOND).hamiltonian[0]
    torch.testing.assert_close(spectator, spectator[0, 0] * torch.eye(2, dtype=torch.float64))
    together, _ = energies_and_eigenvectors(both, _together(FAR))
    alone, _ = energies_and_eigenvectors(one, FIRST)
    torch.testing.assert_close(together, alone + spectator[0, 0], rtol=0, atol=1e-11)
