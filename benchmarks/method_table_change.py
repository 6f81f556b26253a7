"""Whether two versions of the method table agree within chance.

    git show OLD:benchmarks/reference/method_table.json > old.json
    python benchmarks/method_table_change.py old.json [new.json]

Of every cell (a method on a model) the outcomes, or the populations at a tenth, two tenths, … of the time,
are compared in standard errors of the difference. Printed: those beyond 3.5, and χ² over the table of one
number a cell, the first outcome or the first population at the end, which are independent of each other. A
method that did not change has the same random numbers and differs by nothing; such cells are counted apart.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import chi2

NEW = Path(__file__).parent / "reference" / "method_table.json"
_FAR = 3.5


def deviations(old: dict[str, object], new: dict[str, object]) -> np.ndarray:
    """Return the differences of a cell in standard errors, one row a time, one column a state or outcome."""
    if "branching" in old:
        arrays = [[list(cell[key].values()) for key in ("branching", "error")] for cell in (old, new)]
        (mean, error), (new_mean, new_error) = np.array(arrays, dtype=float)[:, :, None]
    else:
        frames = np.linspace(0, len(old["time_fs"]) - 1, 11).round().astype(int)[1:]
        mean, error = (np.array(old[key], dtype=float)[frames] for key in ("populations", "error"))
        new_mean, new_error = (np.array(new[key], dtype=float)[frames] for key in ("populations", "error"))
    # Of a fraction that never varied nothing better is known than a trajectory in all of them.
    least = 1.0 / min(old["n"], new["n"])
    return (new_mean - mean) / np.sqrt(np.maximum(error, least) ** 2 + np.maximum(new_error, least) ** 2)


def main() -> None:
    """Print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path, nargs="?", default=NEW)
    options = parser.parse_args()
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (options.old, options.new))
    squares, same, compared = [], 0, 0
    for model, row in old.items():
        for method, cell in row.items():
            other = new.get(model, {}).get(method)
            if other is None or "refused" in cell or "refused" in other:
                if ("refused" in cell) != ("refused" in (other or {"refused": ""})):
                    print(f"{model:22s} {method:24s} refused in one of the two")
                continue
            z = deviations(cell, other)
            if not np.any(z):
                same += 1
                continue
            compared += z.size
            squares.append(float(z[-1, 0] ** 2))
            far = np.argwhere(np.abs(z) > _FAR)
            if len(far):
                worst = float(z.flat[np.abs(z).argmax()])
                print(f"{model:22s} {method:24s} {len(far)} of {z.size} beyond {_FAR}, worst {worst:+.1f}")
    if not squares:
        print(f"{same} cells, all the same")
        return
    total, n = sum(squares), len(squares)
    print(f"{same} cells the same, {n} differ, in {compared} numbers; χ² = {total:.1f} of {n}", end=", ")
    print(f"probability of more by chance {chi2.sf(total, n):.3f}")


if __name__ == "__main__":
    main()
