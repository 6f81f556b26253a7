"""Pyrazine after excitation to S2: surface hopping with and without decoherence, beside MCTDH.

    python examples/02_pyrazine_populations.py [--trajectories 1000] [--output pyrazine]

The four-mode vibronic coupling model with bilinear terms of A. Raab, G. A. Worth, H.-D. Meyer and
L. S. Cederbaum, J. Chem. Phys. 110, 936 (1999). Trajectories start from the Wigner function of the
uncoupled oscillators in the diabatic state S2. The reference is a quantum wave packet; where its parts
interfere, trajectories cannot follow it.
"""

import argparse
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import nadyn

REFERENCE = Path(__file__).parent / "data" / "pyrazine4_mctdh.json"
S2 = 1
DECOHERENCE = {"no decoherence": "none", "EDC, populations": {"name": "edc", "damps": "populations"}}


def population_of_s2(
    decoherence: object, n: int, time_fs: float, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return times [fs] and the diabatic population of S2."""
    config = {
        "model": {"name": "pyrazine", "variant": 4},
        "initial": {"sample": "wigner", "n": n, "diabatic_state": S2},
        "method": "fssh",
        "decoherence": decoherence,
        "dt_fs": 0.1,
        "time_fs": time_fs,
        "write_every": 10,
        "seed": 1,
        "output": str(path),
    }
    result = nadyn.run(config, overwrite=True, progress=False)
    numbers = nadyn.analysis.analyse(result.path)
    return np.stack([numbers["time_fs"], np.array(numbers["diabatic_populations"])[:, S2]])


def main() -> None:
    """Run both, print the distance to MCTDH, and draw all three curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=1000)
    parser.add_argument("--time-fs", type=float, default=120.0)
    parser.add_argument("--output", type=Path, default=Path("pyrazine"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    reference = json.loads(REFERENCE.read_text())

    figure, axes = plt.subplots(figsize=(6.0, 3.8), layout="constrained")
    shown = np.array(reference["time_fs"]) <= options.time_fs
    axes.plot(
        np.array(reference["time_fs"])[shown], np.array(reference["population_s2"])[shown], "k", label="MCTDH"
    )
    for index, (label, decoherence) in enumerate(DECOHERENCE.items()):
        path = options.output / f"pyrazine_{index}.h5"
        times, population = population_of_s2(decoherence, options.trajectories, options.time_fs, path)
        exact = np.interp(times, reference["time_fs"], reference["population_s2"])
        early = times <= 60.0
        print(f"{label}: mean distance to MCTDH up to 60 fs {np.abs(population - exact)[early].mean():.3f}")
        axes.plot(times, population, label=f"fewest switches, {label}")
    axes.set(
        xlabel="time [fs]", ylabel="diabatic population of S2", ylim=(0, 1.02), xlim=(0, options.time_fs)
    )
    axes.legend(frameon=False)
    figure.savefig(options.output / "pyrazine_populations.png", dpi=150)
    print(f"Figure: {options.output / 'pyrazine_populations.png'}")


if __name__ == "__main__":
    main()
