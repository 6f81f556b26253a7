"""Transmission to the upper state of Tully's first model, beside another program and exact quantum mechanics.

    python benchmarks/tully_transmission.py [--trajectories 10000] [--dt-fs 0.1] [--output folder]

All trajectories start at x = -10 on the lower state with exactly the momentum k; fewest switches without
decoherence. The run ends a trajectory when it leaves |x| < 10 outward. Written to the output folder: the
table as JSON and a figure. A minute or two for 10,000 trajectories at all five momenta.

Model: J. C. Tully, J. Chem. Phys. 93, 1061 (1990).
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

import nadyn
from nadyn.analysis.plots_style import COLOURS, INK, new_figure
from nadyn.analysis.scattering import branching
from nadyn.trajectory import open_run

# Fewest switches by an independent program: 10,000 trajectories of the same start; 0.004 to 0.005 each.
OTHER_PROGRAM = {10: 0.155, 15: 0.325, 20: 0.501, 25: 0.623, 30: 0.725}
OTHER_ERROR = 0.005
# A wave packet of width 20/k, by the split operator; accurate to about 0.001.
EXACT = {10: 0.15527, 15: 0.32302, 20: 0.49278, 30: 0.7149}


def transmission(momentum: int, n: int, *, dt_fs: float, seed: int, folder: Path) -> dict[str, object]:
    """Run one momentum and return its row of the table."""
    path = folder / f"tully_{momentum}.h5"
    start = time.monotonic()
    nadyn.run(
        {
            "model": {"name": "tully", "variant": 1},
            "initial": {"position_au": -10, "momentum_au": momentum, "n": n, "state": 0},
            "method": "fssh",
            "dt_fs": dt_fs,
            "time_fs": 1000,
            "stop": {"beyond_au": 10},
            "decoherence": "none",
            "seed": seed,
            "write_every": round(50 / dt_fs),
            "output": str(path),
        },
        overwrite=True,
        progress=False,
    )
    run = open_run(path)
    found = branching(run)
    fraction, error = found.fraction["T1"], found.error["T1"]
    combined = float(np.hypot(error, OTHER_ERROR))
    exact = EXACT.get(momentum)
    return {
        "k": momentum,
        "n": n,
        "branching": found.fraction,
        "T1": fraction,
        "error": error,
        "undecided": found.n_undecided,
        "other_program": OTHER_PROGRAM[momentum],
        "combined_errors_from_it": (fraction - OTHER_PROGRAM[momentum]) / combined,
        "exact": exact,
        "minus_exact": None if exact is None else fraction - exact,
        "energy_error_max_hartree": float(run.energy_error_max.max()),
        "seconds": time.monotonic() - start,
    }


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Draw the transmission, and below it what separates it from both references."""
    figure, (top, bottom) = new_figure(3.4, columns=2, widths=(1.0, 1.0))
    k = np.array([row["k"] for row in rows])
    mine, error = np.array([row["T1"] for row in rows]), np.array([row["error"] for row in rows])
    other = np.array([row["other_program"] for row in rows])
    with_exact = [row for row in rows if row["exact"] is not None]
    k_exact, exact = [row["k"] for row in with_exact], [row["exact"] for row in with_exact]
    style = {"fmt": "o", "capsize": 3, "markersize": 5}
    top.plot(k_exact, exact, "_", color=INK, markersize=16, label="exact")
    top.plot(k, other, "s", color=COLOURS[1], markersize=9, fillstyle="none", label="another program")
    top.errorbar(k, mine, error, color=COLOURS[0], label="nadyn", **style)
    top.set_ylabel("transmitted on the upper state")
    top.set_ylim(0, 1)
    top.legend(frameon=False, fontsize=9, loc="upper left")
    difference = np.array([row["minus_exact"] for row in with_exact])
    own = np.array([row["error"] for row in with_exact])
    bottom.errorbar(
        k - 0.25,
        mine - other,
        3 * np.hypot(error, OTHER_ERROR),
        color=COLOURS[1],
        label="to the other program (3 standard errors)",
        **style,
    )
    bottom.errorbar(
        np.array(k_exact) + 0.25, difference, own, color=INK, label="to exact (1 standard error)", **style
    )
    bottom.axhline(0, color=INK, linewidth=0.8)
    bottom.set_ylabel("difference of the transmission")
    reach = 1.6 * float(np.abs(bottom.get_ylim()).max())
    bottom.set_ylim(-reach, reach)
    bottom.legend(frameon=False, fontsize=9, loc="upper left")
    for axes in (top, bottom):
        axes.set_xlabel("momentum k (a.u.)")
        axes.set_xticks(k)
    figure.savefig(path, dpi=160, facecolor="white")


def main() -> None:
    """Run all momenta, print the table, write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=10_000)
    parser.add_argument("--dt-fs", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("tully_transmission"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"Tully 1, {options.trajectories} trajectories a momentum, dt = {options.dt_fs} fs")
    print("  k     nadyn  error   other   apart by   exact  minus exact  undecided  energy error    time")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for momentum in OTHER_PROGRAM:
            row = transmission(
                momentum,
                options.trajectories,
                dt_fs=options.dt_fs,
                seed=options.seed + momentum,
                folder=Path(folder),
            )
            rows.append(row)
            exact = "      -            -"
            if row["exact"] is not None:
                exact = f"{row['exact']:7.4f}  {row['minus_exact']:+11.4f}"
            print(
                f"{momentum:3d}  {row['T1']:8.4f} {row['error']:6.4f} {row['other_program']:7.3f} "
                f"{row['combined_errors_from_it']:+7.2f} SE {exact} {row['undecided']:10d} "
                f"{row['energy_error_max_hartree']:10.1e} Eh {row['seconds']:5.0f} s",
                flush=True,
            )
    (options.output / "tully_transmission.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    draw(rows, options.output / "tully_transmission.png")
    print(f"Written: {options.output}/tully_transmission.json and .png")


if __name__ == "__main__":
    main()
