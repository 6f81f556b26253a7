"""Zhu and Nakamura's probability between two straight lines, beside the formula with their forces put in."""

import math

import pytest
import torch
from contracts.by_hand import model_by_hand

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.gap_hops import GapHopping, gap_hopping_begin, gap_hopping_step
from nadyn.dynamics.methods.zhu_nakamura import zhu_nakamura_probabilities
from nadyn.models.model import Evaluation

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

MASS, COUPLING = 2000.0, 0.005
GAP = 2 * COUPLING
SAME_WAY, OPPOSED = (0.02, 0.05), (-0.02, 0.03)


def lines(forces):
    def evaluate(positions):
        x = positions[:, 0, 0]
        coupling = torch.full_like(x, COUPLING)
        rows = [torch.stack([-forces[0] * x, coupling], 1), torch.stack([coupling, -forces[1] * x], 1)]
        return Evaluation(torch.stack(rows, 1), torch.zeros_like(x))

    return model_by_hand(evaluate, torch.tensor([MASS], dtype=torch.float64), 2)


def probability_at_the_crossing(forces, active, excess, dt=1.0):
    """What the rule gives where a trajectory with E - E_X passes the smallest gap."""
    model, given = lines(forces), []
    sign = 1.0 if active == 1 else -1.0
    x = -dt * math.sqrt(2.0 * (excess - sign * COUPLING) / MASS)
    half_gap = math.hypot(0.5 * (forces[1] - forces[0]) * x, COUPLING)
    energy = -0.5 * (forces[0] + forces[1]) * x + sign * half_gap
    positions = torch.full((1, 1, 1), x, dtype=torch.float64)
    momenta = torch.full_like(positions, math.sqrt(2.0 * MASS * (excess - energy)))

    def recorded(old, new, minima, options):
        probabilities = zhu_nakamura_probabilities(old, new, minima, options)
        given.append(float(probabilities[0, 1 - active]))
        return probabilities

    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=active)
    state = gap_hopping_begin(state, model)
    options = GapHopping(dt=dt, seed=1, masses=model.masses, probabilities=recorded)
    for _ in range(2):
        state = gap_hopping_step(state, model, options).state
    (probability,) = given
    return probability


@pytest.mark.parametrize(
    ("forces", "active", "b2"),
    [
        (SAME_WAY, 0, 0.5),
        (SAME_WAY, 0, 1.0),
        (SAME_WAY, 0, 2.0),
        (SAME_WAY, 1, 0.7),
        (SAME_WAY, 1, 2.0),
        (OPPOSED, 0, 0.5),
        (OPPOSED, 0, 0.8),
        (OPPOSED, 0, 2.0),
        # A trajectory on the upper state has more than the barrier: b^2 > 1 where forces oppose each other.
        (OPPOSED, 1, 1.2),
        (OPPOSED, 1, 2.0),
    ],
)
def test_the_probability_is_that_of_the_formula_with_the_forces_of_the_lines(forces, active, b2):
    first, second = forces
    big_a, big_b = abs(second - first) / MASS**0.5, math.sqrt(abs(first * second) / MASS)
    a2, excess = big_a * big_b / (2 * GAP**3), b2 * big_b * GAP / big_a
    sign = 1 if forces is SAME_WAY else -1
    expected = math.exp(-math.pi / (4 * a2**0.5) * math.sqrt(2 / (b2 + math.sqrt(abs(b2**2 + sign)))))
    assert 0.05 < expected < 0.8
    assert probability_at_the_crossing(forces, active, excess) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("forces", [SAME_WAY, OPPOSED])
def test_nobody_goes_up_with_less_than_the_energy_of_the_crossing(forces):
    assert probability_at_the_crossing(forces, 0, -0.1 * GAP) == 0.0
    assert probability_at_the_crossing(forces, 0, 0.1 * GAP) > 0.0
