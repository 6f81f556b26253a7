"""Processor time of one trajectory-step of surface hopping, beside a plain NumPy program in the same run.

Tully's first model, 10,000 trajectories at once, one thread. The comparison, in this file, is the usual
batched NumPy code: adiabatic energies and eigenvectors by numpy.linalg.eigh, forces and couplings from them,
amplitudes in the diabatic basis by the exponential of the mean Hamiltonian, fewest switches, energy-based
decoherence.

    python benchmarks/propagator_cost.py [--trajectories 10000] [--steps 100]
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.electronic.threads import threads
from nadyn.models.analytic import tully

MASS, DT, START, MOMENTUM = 2000.0, 20.0, -4.0, 20.0


def seconds(step: Callable[[], None], n_steps: int) -> float:
    """Return the processor time of `n_steps` calls [s]."""
    before = time.process_time()
    for _ in range(n_steps):
        step()
    return time.process_time() - before


def nadyn_step(n_traj: int) -> Callable[[], None]:
    """Return a function that advances nadyn's batch by a step."""
    model = tully(1)
    positions = torch.full((n_traj, 1, 1), START, dtype=torch.float64)
    momenta = torch.full_like(positions, MOMENTUM)
    state = start_in_state(model, positions, momenta, masses=model.masses, active_state=0)
    options = Fssh(dt=DT, seed=1, masses=model.masses)

    def step() -> None:
        nonlocal state
        state = fssh_step(state, model, options).state

    return step


def numpy_step(n_traj: int) -> Callable[[], None]:
    """Return a function that advances the NumPy batch by a step."""
    rng = np.random.default_rng(1)
    x, p = np.full(n_traj, START), np.full(n_traj, MOMENTUM)
    active = np.zeros(n_traj, dtype=int)
    rows = np.arange(n_traj)

    def hamiltonian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        decay = np.exp(-1.6 * np.abs(x))
        diagonal, slope = np.sign(x) * 0.01 * (1 - decay), 0.016 * decay
        coupling = 0.005 * np.exp(-x * x)
        w = np.stack([diagonal, coupling, coupling, -diagonal], axis=-1).reshape(-1, 2, 2)
        bend = -2 * x * coupling
        return w, np.stack([slope, bend, bend, -slope], axis=-1).reshape(-1, 2, 2)

    def surfaces(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        w, gradient = hamiltonian(x)
        energies, vectors = np.linalg.eigh(w)
        return w, energies, vectors, vectors.transpose(0, 2, 1) @ gradient @ vectors

    w, energies, vectors, h = surfaces(x)
    c = np.zeros((n_traj, 2), dtype=complex)
    c[:, 0] = 1.0

    def step() -> None:
        nonlocal x, p, active, w, energies, vectors, h, c
        p = p - 0.5 * DT * h[rows, active, active]
        x = x + DT * p / MASS
        new_w, new_energies, new_vectors, h = surfaces(x)
        p = p - 0.5 * DT * h[rows, active, active]
        values, frame = np.linalg.eigh(0.5 * (w + new_w))
        amplitudes = (vectors @ c[:, :, None])[:, :, 0]
        turned = np.exp(-1j * DT * values) * (frame.transpose(0, 2, 1) @ amplitudes[:, :, None])[:, :, 0]
        new_c = (new_vectors.transpose(0, 2, 1) @ (frame @ turned[:, :, None]))[:, :, 0]
        before, after = np.abs(c[rows, active]) ** 2, np.abs(new_c[rows, active]) ** 2
        probability = np.maximum(before - after, 0.0) / before
        target = 1 - active
        cost = new_energies[rows, target] - new_energies[rows, active]
        hop = (rng.random(n_traj) < probability) & (p * p / (2 * MASS) >= cost)
        p = np.where(hop, np.sign(p) * np.sqrt(np.maximum(p * p - 2 * MASS * cost, 0.0)), p)
        active = np.where(hop, target, active)
        kinetic = p * p / (2 * MASS)
        rate = (new_energies[:, 1] - new_energies[:, 0]) * kinetic / (kinetic + 0.1)
        new_c[rows, 1 - active] *= np.exp(-0.5 * DT * rate)
        other = np.abs(new_c[rows, 1 - active]) ** 2
        new_c[rows, active] *= np.sqrt(1 - other) / np.abs(new_c[rows, active])
        w, energies, vectors, c = new_w, new_energies, new_vectors, new_c

    return step


def main() -> None:
    """Measure both and print microseconds a trajectory-step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    n = options.trajectories
    with threads(1):
        for name, step in (("nadyn", nadyn_step(n)), ("NumPy, in this file", numpy_step(n))):
            seconds(step, 3)
            best = min(seconds(step, options.steps // 4) for _ in range(4)) / (options.steps // 4)
            print(f"{name:22s} {1e6 * best / n:6.2f} microseconds of processor time a trajectory-step")


if __name__ == "__main__":
    main()
