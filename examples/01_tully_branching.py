"""Tully's first model: how many trajectories cross the avoided crossing on the upper state?

    python examples/01_tully_branching.py [--trajectories 2000] [--momenta 10 15 20 30] [--output tully]

The exact answer comes from a wave packet, and fewest switches should be close to it in this model. Sources:
J. C. Tully, J. Chem. Phys. 93, 1061 (1990); exact numbers from a split-operator propagation on a grid
(Gaussian packet of width 20/k), good to about 1e-3.
"""

import argparse
from pathlib import Path

import nadyn

EXACT_UPPER_TRANSMISSION = {10: 0.1553, 15: 0.3230, 20: 0.4928, 30: 0.7149}


def upper_transmission(momentum: float, n: int, path: Path) -> tuple[float, float]:
    """Return the fraction that leaves to the right on the upper state, and its standard error."""
    crossing_time_fs = 40 * 2000 / momentum * nadyn.units.FEMTOSECOND_PER_AU
    config = {
        "model": {"name": "tully", "variant": 1},
        "initial": {"position_au": -10, "momentum_au": momentum, "n": n, "state": 0},
        "method": "fssh",
        "decoherence": "none",
        "dt_fs": 5.0 / momentum,  # a tenth of a bohr a step
        "time_fs": crossing_time_fs,
        "stop": {"beyond_au": 10},
        "seed": 1,
        "output": str(path),
    }
    result = nadyn.run(config, overwrite=True, progress=False)
    numbers = nadyn.analysis.analyse(result.path)
    return numbers["branching"]["T1"], numbers["branching_error"]["T1"]


def main() -> None:
    """Run the four momenta of the table and print them beside the exact numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=2000)
    parser.add_argument("--momenta", type=int, nargs="+", default=sorted(EXACT_UPPER_TRANSMISSION))
    parser.add_argument("--output", type=Path, default=Path("tully"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    print("   k   fewest switches      exact")
    for momentum in options.momenta:
        exact = EXACT_UPPER_TRANSMISSION[momentum]
        path = options.output / f"tully1_k{momentum}.h5"
        fraction, error = upper_transmission(momentum, options.trajectories, path)
        print(f"{momentum:4d}   {fraction:.3f} ± {error:.3f}      {exact:.3f}")


if __name__ == "__main__":
    main()
