"""MASH on Tully's three models beside an independent program, whose numbers lie in mash_reference.json.

    python benchmarks/mash_tully.py [--trajectories 1500] [--dt-fs 0.25]

Prints a table in Markdown: fractions transmitted and reflected on each adiabatic state, nadyn first and the
other program second, and the largest deviation in standard errors of the difference.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import nadyn
from nadyn.analysis.scattering import branching
from nadyn.trajectory import open_run

OUTCOMES = ("T0", "T1", "R0", "R1")
METHODS = {
    "mash": {"method": "mash"},
    "multistate_mash_focused": {"method": "multistate_mash", "options": {"sampling": "focused"}},
}


def compared(name: str, row: dict[str, float], *, n: int, dt_fs: float, output: Path) -> str:
    """Run one case and return its line of the table."""
    nadyn.run(
        {
            "model": {"name": "tully", "variant": int(row["model"])},
            "initial": {"position_au": -10, "momentum_au": row["k"], "n": n, "state": 0},
            "dt_fs": dt_fs,
            "time_fs": 1000,
            "stop": {"beyond_au": 10},
            "seed": int(100 * row["model"] + row["k"]),
            "write_every": round(50 / dt_fs),
            "output": str(output),
            **METHODS[name],
        },
        overwrite=True,
        progress=False,
    )
    found = branching(open_run(output))
    cells, apart = [], []
    for outcome in OUTCOMES:
        mine, other = found.fraction[outcome], row[outcome]
        # Half a case is added to each side: nothing seen among n is no error of zero.
        error = np.hypot(
            np.hypot(found.error[outcome], 0.5 / n), np.hypot(row[f"{outcome}_error"], 0.5 / row["n"])
        )
        cells.append(f"{mine:.3f} {other:.3f}")
        apart.append(abs(mine - other) / error)
    return f"| {name} | {row['model']} | {row['k']} | {' | '.join(cells)} | {max(apart):.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=1500)
    parser.add_argument("--dt-fs", type=float, default=0.25)
    options = parser.parse_args()
    table = json.loads(Path(__file__).with_name("mash_reference.json").read_text(encoding="utf-8"))
    print(f"nadyn {options.trajectories} trajectories, dt = {options.dt_fs} fs; {table['program']}")
    print(f"| method | model | k | {' | '.join(OUTCOMES)} | apart (standard errors) |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in METHODS:
            for row in table[name]:
                line = compared(
                    name,
                    row,
                    n=options.trajectories,
                    dt_fs=options.dt_fs,
                    output=Path(folder) / "run.h5",
                )
                print(line, flush=True)


if __name__ == "__main__":
    main()
