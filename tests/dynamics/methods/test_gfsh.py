"""Global flux worked out by hand where more than one state loses population."""

import torch

from nadyn.dynamics.methods.gfsh import global_flux_probabilities

BEFORE, AFTER = [0.5, 0.3, 0.15, 0.05], [0.4, 0.25, 0.24, 0.11]


def probabilities(active):
    before, after = (
        torch.sqrt(torch.tensor(squares, dtype=torch.float64)).to(torch.complex128)[None] * 1j
        for squares in (BEFORE, AFTER)
    )
    propagator = torch.eye(4, dtype=torch.complex128)[None]
    return global_flux_probabilities(before, after, propagator, torch.tensor([active]))[0]


def test_states_that_lose_share_what_the_others_gain():
    # 0 loses 0.1 and 1 loses 0.05, 2 gains 0.09 and 3 gains 0.06: two thirds of every gain came from 0.
    expected = torch.tensor([0.0, 0.0, 0.09 * 2 / 3 / 0.5, 0.06 * 2 / 3 / 0.5], dtype=torch.float64)
    torch.testing.assert_close(probabilities(0), expected, rtol=1e-12, atol=1e-15)
    expected = torch.tensor([0.0, 0.0, 0.09 / 3 / 0.3, 0.06 / 3 / 0.3], dtype=torch.float64)
    torch.testing.assert_close(probabilities(1), expected, rtol=1e-12, atol=1e-15)


def test_what_leaves_a_state_is_what_it_loses_and_a_state_that_gains_is_not_left():
    for active, lost in ((0, 0.1 / 0.5), (1, 0.05 / 0.3), (2, 0.0), (3, 0.0)):
        assert abs(float(probabilities(active).sum()) - lost) < 1e-14
