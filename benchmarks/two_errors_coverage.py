"""How often the interval with both errors holds the truth, with members that are drawn at random.

    python benchmarks/two_errors_coverage.py [--repetitions 2000] [--seed 0]

Each repetition draws the populations of M members and of the truth, which is one more of them, from a normal
distribution on the logistic scale whose width gives the standard deviation of the table, and n trajectories
on each member. Of pairs the trajectory with the same number has a part of its fate in common on all members
(a normal copula with a correlation of 0.8). Printed are the parts of the repetitions in which the interval
holds the truth, and in which it holds the centre of the distribution; the first with the interval from the
trajectories alone; and the median half widths. Half a minute.
"""

import argparse

import numpy as np
from scipy.special import expit, logit, ndtri

from nadyn.analysis.member_fractions import Share, fractions

_CORRELATION = 0.8
_CASES = [
    (n_members, n, population, spread)
    for n_members, n in ((2, 100), (3, 100), (4, 100), (4, 400), (8, 100))
    for population, spread in ((0.4, 0.0), (0.4, 0.02), (0.4, 0.05), (0.4, 0.1), (0.05, 0.02))
]


def draw(
    rng: np.random.Generator,
    repetitions: int,
    n_members: int,
    n: int,
    populations: np.ndarray,
    *,
    paired: bool,
) -> list[Share]:
    """Return trajectories on each member; a frame is a repetition."""
    common = rng.standard_normal((repetitions, n)) if paired else 0.0
    part = _CORRELATION if paired else 0.0
    weight = np.ones((repetitions, n))
    shares = []
    for member in range(n_members):
        latent = np.sqrt(part) * common + np.sqrt(1 - part) * rng.standard_normal((repetitions, n))
        value = (latent < ndtri(populations[:, member])[:, None]).astype(float)[..., None]
        shares.append(Share(value, weight, value, value, weight))
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    heads = (
        "members, trajectories each, population, spread, pairs, truth, centre, trajectories alone, ±, ± alone"
    )
    print(f"| {heads.replace(', ', ' | ')} |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for n_members, n, population, spread in _CASES:
        width = spread / (population * (1 - population))
        for paired in (False, True):
            latent = logit(population) + width * rng.standard_normal((arguments.repetitions, n_members + 1))
            populations = expit(latent)
            pairs = np.full((n_members, n_members), paired) | np.eye(n_members, dtype=bool)
            shares = draw(rng, arguments.repetitions, n_members, n, populations, paired=paired)
            found = fractions(shares, pairs)
            truth = populations[:, -1:]
            centre = expit(logit(population) + width * ndtri((np.arange(1000) + 0.5) / 1000)).mean()
            parts = [
                ((low <= value) & (value <= high)).mean()
                for low, high, value in (
                    (found.low, found.high, truth),
                    (found.low, found.high, centre),
                    (found.sampling_low, found.sampling_high, truth),
                )
            ]
            halves = [
                0.5 * np.median(found.high - found.low),
                0.5 * np.median(found.sampling_high - found.sampling_low),
            ]
            cells = [n_members, n, population, spread, "yes" if paired else "no"]
            cells += [f"{100 * part:.1f} %" for part in parts] + [f"{half:.3f}" for half in halves]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
