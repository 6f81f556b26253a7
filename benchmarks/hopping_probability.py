"""Step-size convergence of the two rules of hopping over random propagations of three to six states.

Energies and time-derivative couplings are constant and random, so that c(t) is known exactly at every time
and only the rule depends on the step. A trajectory stays on one state until it hops; compared are the
probabilities to have left for each of the others at the end, and to have stayed, with those of a very short
step. Half the sum of the absolute differences is the share of trajectories that are elsewhere.

    python benchmarks/hopping_probability.py [--propagations 500]
"""

import argparse

import torch

from nadyn.dynamics.electrons.interpolated import apply_propagator
from nadyn.dynamics.hops.probabilities import at_most_one, flow_probabilities, shared_loss_probabilities
from nadyn.electronic.threads import threads

RULES = {"flow": flow_probabilities, "shared_loss": shared_loss_probabilities}
# Time in units of a typical inverse coupling, and the numbers of steps that cover it.
TIME, STEPS, REFERENCE = 4.0, (16, 32, 64, 128, 256), 2048


def random_propagations(n: int, n_states: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return generators X in dc/dt = X c, anti-Hermitian, and coefficients to start with."""
    generator = torch.Generator().manual_seed(n_states)
    energies = 3.0 * torch.rand(n, n_states, dtype=torch.float64, generator=generator)
    coupling = torch.randn(n, n_states, n_states, dtype=torch.float64, generator=generator)
    coupling = 0.5 * (coupling - coupling.mT)
    c = torch.randn(n, n_states, dtype=torch.complex128, generator=generator)
    return torch.diag_embed(-1j * energies) - coupling, c / torch.linalg.norm(c, dim=1, keepdim=True)


def ends(
    rule: str, generators: torch.Tensor, c: torch.Tensor, n_steps: int
) -> tuple[torch.Tensor, float, float]:
    """Return where trajectories from state 0 are, the share of cut steps, the largest sum of P."""
    propagator = torch.matrix_exp(generators * (TIME / n_steps))
    active = torch.zeros(len(c), dtype=torch.int64)
    stays = torch.ones(len(c), dtype=torch.float64)
    left = torch.zeros(c.shape, dtype=torch.float64)
    cuts, largest = 0, 0.0
    for _ in range(n_steps):
        new = apply_propagator(propagator, c)
        raw = RULES[rule](c, new, propagator, active)
        probabilities, cut = at_most_one(raw)
        cuts, largest = cuts + int(cut.sum()), max(largest, float(raw.sum(1).max()))
        left = left + stays[:, None] * probabilities
        stays = stays * (1.0 - probabilities.sum(1)).clamp(min=0.0)
        c = new
    left[:, 0] = stays
    return left, cuts / (n_steps * len(c)), largest


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--propagations", type=int, default=500)
    n = parser.parse_args().propagations
    print("| states | steps | `flow`: error | cut | largest ΣP | `shared_loss`: error | cut | largest ΣP |")
    print("|---|---|---|---|---|---|---|---|")
    with threads(1):
        for n_states in (3, 4, 5, 6):
            generators, c = random_propagations(n, n_states)
            exact, _, _ = ends("flow", generators, c, REFERENCE)
            for n_steps in STEPS:
                cells = []
                for rule in RULES:
                    found, cut, largest = ends(rule, generators, c, n_steps)
                    error = 0.5 * (found - exact).abs().sum(1).mean()
                    cells.append(f"{100 * error:.2g} % | {100 * cut:.2g} % | {float(f'{largest:.2g}'):,g}")
                print(f"| {n_states} | {n_steps} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
