"""The order of spin states."""

import torch

from nadyn.models.spin_states import spin_states


def test_spin_states_stand_in_the_order_of_sharc():
    spins = spin_states((1, 1, 3, 3, 3))
    assert spins.row.tolist() == [0, 1, 2, 3, 4, 2, 3, 4, 2, 3, 4]
    assert spins.projection.tolist() == [0, 0, -1, -1, -1, 0, 0, 0, 1, 1, 1]


def test_doublets_have_half_integer_projections():
    assert spin_states((2, 4)).projection.tolist() == [-0.5, 0.5, -1.5, -0.5, 0.5, 1.5]


def test_a_spin_free_matrix_is_repeated_in_every_projection_and_never_between_them():
    matrix = torch.arange(9.0, dtype=torch.float64).reshape(1, 3, 3)
    expanded = spin_states((1, 3, 3)).expand(matrix)[0]
    expected = torch.zeros(7, 7, dtype=torch.float64)
    expected[0, 0] = 0.0
    for first in (1, 3, 5):
        expected[first : first + 2, first : first + 2] = matrix[0, 1:, 1:]
    # Singlet and triplet with M_S = 0 may only meet in W itself, which is zero there for real models.
    expected[0, 3:5], expected[3:5, 0] = matrix[0, 0, 1:], matrix[0, 1:, 0]
    torch.testing.assert_close(expanded, expected)
