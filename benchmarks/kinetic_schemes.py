"""How often intervals of kinetic schemes hold the truth, and how often wrong schemes are refused.

    python benchmarks/kinetic_schemes.py [--swarms 1000] [--trajectories 200] [--seed 0] [--stopped-fs 500]

Each swarm of each of four schemes draws its own time constants: the fastest from 12 to 24 fs, a ratio q from
3 to 6. Its trajectories jump at random and are seen every 5 fs for 300 fs. Printed are, of each scheme, the
part of the swarms in which the 95 % interval of each step holds its time constant, in which the right scheme
is refused (about 5 % is what the test allows), and in which each wrong one is. A scheme that contains the
right one is not wrong and not tried. A sixth of a second a swarm. With `--stopped-fs` trajectories are
stopped at random, after so long in the mean, and not seen any more.
"""

import argparse

import numpy as np

from nadyn.analysis.at_risk import with_ends
from nadyn.analysis.scheme_draws import drawn_members
from nadyn.analysis.scheme_fits import fit_scheme, resampled
from nadyn.analysis.schemes import Scheme, read_scheme
from nadyn.analysis.species import Moves

_TIME = np.arange(0.0, 301.0, 5.0)
_THREE, _FOUR = ("2", "1", "0"), ("2", "1", "0 (A)", "0 (B)")
# name -> species, steps, time constants in units of the fastest for a ratio q, schemes that are tried
_CASES = {
    "sequential": (_THREE, "2>1, 1>0", lambda q: [1, q], ("parallel", "2>0, 0>1")),
    "parallel": (_THREE, "2>1, 2>0", lambda q: [1, q], ("sequential", "reversible")),
    "reversible": (_THREE, "2<>1, 1>0", lambda q: [1, q, q], ("sequential", "parallel")),
    "to products": (
        _FOUR,
        "2>1, 1>0 (A), 1>0 (B)",
        lambda q: [1, q, 3 * q],
        ("parallel", "2>1, 1>0 (A), 0 (A)>0 (B)"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--swarms", type=int, default=1000)
    parser.add_argument("--trajectories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stopped-fs", type=float, default=None)
    arguments = parser.parse_args()
    n, swarms = arguments.trajectories, arguments.swarms
    start = np.zeros(n, int)
    print("| scheme | interval holds the truth, by step | right one refused | wrong ones refused |")
    print("|---|---|---|---|", flush=True)
    for number, (name, (species, steps, constants, wrong)) in enumerate(_CASES.items()):
        products = [k for k, one in enumerate(species) if one.startswith("0")]
        right, *others = (read_scheme(text, species, start=0, products=products) for text in (steps, *wrong))
        held, refused = np.zeros(len(right.arrows)), np.zeros(1 + len(others))
        for swarm in range(swarms):
            rng = np.random.default_rng([arguments.seed, number, swarm])
            tau = rng.uniform(12, 24) * np.array(constants(rng.uniform(3, 6)), float)
            if arguments.stopped_fs is None:
                member, part = drawn_members(right, 1 / tau, _TIME, start=start, rng=rng), np.ones(n)
            else:
                member, part = _stopped(right, tau, start, arguments.stopped_fs, rng)
            data = resampled(Moves(_TIME, member, part, species), np.ones(n), seed=swarm)
            fits = [fit_scheme(scheme, data) for scheme in (right, *others)]
            refused += [bool(fit.reason) for fit in fits]
            held += _held(fits[0].steps, tau)
        words = ", ".join(f"{right.step(k)} {100 * held[k] / swarms:.1f} %" for k in range(len(held)))
        tried = "; ".join(
            f"{_name(one)} {100 * x:.1f} %" for one, x in zip(others, refused[1:] / swarms, strict=True)
        )
        print(f"| {name} | {words} | {100 * refused[0] / swarms:.1f} % | {tried} |", flush=True)


def _stopped(
    scheme: Scheme, tau: np.ndarray, start: np.ndarray, mean_fs: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return species at the frames, the last one of each trajectory behind its end, see `with_ends`."""
    fine = np.linspace(0.0, _TIME[-1], 10 * (len(_TIME) - 1) + 1)
    whole = drawn_members(scheme, 1 / tau, fine, start=start, rng=rng)
    step = np.minimum((rng.exponential(mean_fs, len(start)) / fine[1]).astype(int), len(fine) - 1)
    known = np.where(np.arange(len(fine))[:, None] <= step, whole, -1)[::10]
    return with_ends(_TIME, known, fine[step], whole[step, np.arange(len(start))])


def _held(steps: tuple, tau: np.ndarray) -> list[bool]:
    return [
        one.low <= true <= (np.inf if one.high is None else one.high)
        for one, true in zip(steps, tau, strict=True)
    ]


def _name(scheme: Scheme) -> str:
    return scheme.name if scheme.name in ("sequential", "parallel", "reversible") else scheme.words


if __name__ == "__main__":
    main()
