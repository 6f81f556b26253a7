"""Do fractions of trajectories stay those of the amplitudes? Rates summed up without random numbers.

    python benchmarks/hopping_consistency.py

A Hamiltonian that is linear in time, H(t) = H_0 + t H_1, stands for a prescribed path, so that all
trajectories have the same amplitudes. The fractions p of trajectories then follow
p'_l = p_l (1 - Σ_k P_l→k) + Σ_k p_k P_k→l with the hopping probabilities of a rule, cut to a sum of 1 where
they exceed it; fewest switches should keep p = |c|^2. The largest difference on the way and at the end is
that of the rule alone: nothing is drawn.
"""

import torch

from nadyn.dynamics.electrons.local_diabatisation import local_diabatisation
from nadyn.dynamics.hops.probabilities import at_most_one, flow_probabilities, shared_loss_probabilities
from nadyn.dynamics.methods.gfsh import global_flux_probabilities
from nadyn.electronic.eigen import aligned_eigh
from nadyn.electronic.threads import threads

RULES = {
    "flow": flow_probabilities,
    "shared_loss": shared_loss_probabilities,
    "gfsh": global_flux_probabilities,
}
STEPS_AU = (40.0, 20.0, 5.0)
SEEDS = range(2, 12)


def crossing_lines(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, float, int]:
    """Return H_0 and H_1 of n lines that cross with couplings of some 0.1 eV, the time, the start."""
    generator = torch.Generator().manual_seed(seed)
    levels = 0.005 * torch.randn(n, dtype=torch.float64, generator=generator).sort()[0]
    slopes = 1e-4 * torch.randn(n, dtype=torch.float64, generator=generator)
    couplings = 0.006 * torch.randn(n, n, dtype=torch.float64, generator=generator)
    couplings = 0.5 * (couplings + couplings.T)
    couplings.fill_diagonal_(0.0)
    return torch.diag(levels) + couplings, torch.diag(slopes), 400.0, 1


def differences(rule: str, case: tuple, dt: float) -> tuple[float, float, float]:
    """Return the largest difference of p and |c|^2 on the way, that at the end, and cuts a trajectory."""
    constant, slope, time, start = case
    n = len(constant)

    def levels(moment: float) -> tuple[torch.Tensor, torch.Tensor]:
        return aligned_eigh((constant + (moment - 0.5 * time) * slope)[None])

    each = torch.arange(n)
    old = levels(0.0)
    c = torch.zeros(1, n, dtype=torch.complex128)
    c[0, start] = 1.0
    fractions = torch.nn.functional.one_hot(torch.tensor(start), n).double()
    worst = cuts = 0.0
    for step in range(round(time / dt)):
        new = levels((step + 1) * dt)
        made = local_diabatisation(c, old, new, dt=dt)
        arrays = (a.expand(n, *a.shape[1:]) for a in (c, made.coefficients, made.propagator))
        chances, cut = at_most_one(RULES[rule](*arrays, each))
        cuts += float((fractions * cut).sum())
        fractions = fractions * (1.0 - chances.sum(1)) + fractions @ chances
        old, c = new, made.coefficients
        worst = max(worst, float((fractions - c[0].abs() ** 2).abs().max()))
    return worst, float((fractions - c[0].abs() ** 2).abs().max()), cuts


def main() -> None:
    """Print the table."""
    cases = {f"{n} lines, ten draws": [crossing_lines(n, seed) for seed in SEEDS] for n in (2, 3, 4, 6)}
    print("| case | step (au) | " + " | ".join(f"`{rule}`: on the way | end | cuts" for rule in RULES) + " |")
    print("|---|---" + "|---|---|---" * len(RULES) + "|")
    with threads(1):
        for name, some in cases.items():
            for dt in STEPS_AU:
                cells = []
                for rule in RULES:
                    found = torch.tensor([differences(rule, case, dt) for case in some]).amax(0).tolist()
                    cells += [f"{found[0]:.4f}", f"{found[1]:.4f}", f"{found[2]:.2f}"]
                print(f"| {name} | {dt:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
