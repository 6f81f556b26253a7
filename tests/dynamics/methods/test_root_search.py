"""The search for sign changes, many at once."""

import torch

from nadyn.dynamics.methods.root_search import sign_changes


def searched(functions, end):
    calls = []

    def values(x, rows):
        calls.append(len(x))
        return torch.stack([functions[row](place) for row, place in zip(rows.tolist(), x, strict=True)])

    at_start = torch.stack([f(torch.zeros((), dtype=torch.float64)) for f in functions])
    at_end = torch.stack([f(place) for f, place in zip(functions, end, strict=True)])
    return sign_changes(values, end, at_start=at_start, at_end=at_end), calls


FUNCTIONS = [
    lambda x: 1.0 - x,
    lambda x: torch.cos(x),
    lambda x: 1e-8 * (torch.exp(-x) - 0.3),
    lambda x: torch.where(x < 0.7, 1.0, -2.0).double(),
    lambda x: (0.4 - x) ** 9,
]
EXACT = torch.tensor([1.0, torch.pi / 2, -torch.log(torch.tensor(0.3, dtype=torch.float64)), 0.7, 0.4])
ENDS = torch.tensor([3.0, 2.5, 2.0, 1.5, 1.0], dtype=torch.float64)


def test_zeros_and_jumps_are_found_to_the_last_digits():
    (before, behind), calls = searched(FUNCTIONS[:4], ENDS[:4])
    for found in (before, behind):
        torch.testing.assert_close(found, EXACT[:4].double(), rtol=0, atol=4e-15)
    for function, one, other in zip(FUNCTIONS, before, behind, strict=False):
        assert function(one) >= 0 >= function(other)
    # A zero of an ordinary function takes few values; only the jump is found by halving.
    assert calls.index(1) < 16 and len(calls) < 60
    # Where a function is flat its zero is known as well as its sign.
    (found, _), _ = searched(FUNCTIONS[4:], ENDS[4:])
    assert (0.4 - found.item()) ** 9 < 1e-30


def test_a_search_does_not_depend_on_the_others():
    together, _ = searched(FUNCTIONS, ENDS)
    for row in range(5):
        alone, _ = searched(FUNCTIONS[row : row + 1], ENDS[row : row + 1])
        assert alone[0][0] == together[0][row] and alone[1][0] == together[1][row]
