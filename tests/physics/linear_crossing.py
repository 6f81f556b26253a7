"""Two diabatic straight lines with a constant coupling: the model that Landau and Zener solved."""

import math

import torch
from contracts.by_hand import model_by_hand

from nadyn.models.model import Evaluation

COUPLING, SLOPE, SPEED = 0.002, 0.005, 0.006
# Heavy enough that neither forces nor hops change the speed by more than 0.1 %.
MASS = 2e6
EXACT = math.exp(-2 * math.pi * COUPLING**2 / (SPEED * 2 * SLOPE))


def linear_crossing():
    def evaluate(positions):
        x = positions[:, 0, 0]
        coupling = torch.full_like(x, COUPLING)
        elements = torch.stack([SLOPE * x, coupling, coupling, -SLOPE * x], dim=-1)
        return Evaluation(elements.reshape(-1, 2, 2), torch.zeros_like(x))

    return model_by_hand(evaluate, torch.tensor([MASS], dtype=torch.float64), 2)
