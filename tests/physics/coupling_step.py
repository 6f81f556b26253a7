"""Two flat states whose coupling switches on once: a transfer that only grows, with an answer of its own."""

import numpy as np
import torch
from contracts.by_hand import model_by_hand
from scipy.integrate import solve_ivp

from nadyn.models.model import Evaluation

GAP, COUPLING, WIDTH, SPEED = 0.0005, 0.0002, 0.5, 0.006
# Heavy enough that neither forces nor hops change the speed by more than 0.1 %.
MASS = 2e6
ENDS = (-3.0, 3.0)


def coupling_step():
    def evaluate(positions):
        x = positions[:, 0, 0]
        coupling = 0.5 * COUPLING * (1.0 + torch.tanh(x / WIDTH))
        elements = torch.stack([0.0 * x, coupling, coupling, GAP + 0.0 * x], dim=-1)
        return Evaluation(elements.reshape(-1, 2, 2), torch.zeros_like(x))

    return model_by_hand(evaluate, torch.tensor([MASS], dtype=torch.float64), 2)


def matrix(x):
    off = 0.5 * COUPLING * (1.0 + np.tanh(x / WIDTH))
    return np.array([[0.0, off], [off, GAP]])


def exact_upper_population():
    """Schroedinger's equation at constant speed, by another integrator, from the lower adiabatic state."""
    first, last = ENDS
    start = np.linalg.eigh(matrix(first))[1][:, 0]
    solved = solve_ivp(
        lambda t, a: -1j * matrix(first + SPEED * t) @ a,
        (0.0, (last - first) / SPEED),
        start.astype(complex),
        rtol=1e-9,
        atol=1e-11,
    )
    return float(abs(np.linalg.eigh(matrix(last))[1][:, 1] @ solved.y[:, -1]) ** 2)
