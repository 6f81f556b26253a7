"""Every method on every model, beside the exact answer: docs/methods/comparison_tables.md.

    python benchmarks/method_table.py [--models pyrazine …] [--methods fssh …] [--again] [--only-write]

Trajectories start from the Wigner function of the packet that the exact answer starts from. Exact answers and
results are kept in benchmarks/reference, so that a second call goes on where the first one ended; `--again`
makes the chosen results anew, `--only-write` makes none. The table and the figures are written at the end.
About fifteen minutes of processor time in all.

"Deviation" is half of the sum over the states (or outcomes) of |P - P_exact|, averaged over time: the share
of the population that is in the wrong place. "Error" is the same sum of standard errors; an exact method
would deviate by about 0.8 of it. "Cost" is the processor time of the whole run, divided by the steps of all
trajectories.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from method_table_figures import draw_all
from method_table_models import CASES, Case, drawn
from method_table_page import write_page

import nadyn
from nadyn.analysis.occupations import occupations
from nadyn.analysis.populations import populations
from nadyn.analysis.scattering import branching
from nadyn.checks.errors import InputError
from nadyn.models.analytic import analytic_model
from nadyn.trajectory import Run, open_run
from nadyn.trajectory.initial_conditions import write_initial_conditions

REFERENCE = Path(__file__).parent / "reference"

# What a run file says for each row of the table; `width` stands for the width of the packet of the model.
METHODS: dict[str, dict[str, object]] = {
    "fssh, no decoherence": {"method": "fssh", "decoherence": "none"},
    "fssh, edc": {"method": "fssh", "decoherence": {"name": "edc"}},
    "fssh, sdm": {"method": "fssh", "decoherence": {"name": "sdm"}},
    "fssh, collapse at hops": {"method": "fssh", "decoherence": {"name": "instantaneous"}},
    "fssh, afssh": {"method": "fssh", "decoherence": {"name": "afssh"}},
    "fssh, shxf": {"method": "fssh", "decoherence": {"name": "shxf", "width_bohr": "width"}},
    "fssh, edc, curvature": {"method": "fssh", "decoherence": {"name": "edc"}, "propagation": "curvature"},
    "gfsh, edc": {"method": "gfsh", "decoherence": {"name": "edc"}},
    "landau_zener": {"method": "landau_zener"},
    "zhu_nakamura": {"method": "zhu_nakamura"},
    "mash": {"method": "mash"},
    "multistate_mash": {"method": "multistate_mash"},
    "ehrenfest": {"method": "ehrenfest"},
    "csdm": {"method": "csdm"},
    "spin_lsc": {"method": "spin_lsc"},
    "sqc": {"method": "sqc"},
}


def run_file(case: Case, keys: dict[str, object], folder: Path) -> dict[str, object]:
    """Return the run file of a method on a model."""
    keys = json.loads(json.dumps(keys).replace('"width"', repr(case.deviation)))
    stop = {"stop": {"beyond_au": 10}} if case.quantity == "branching" else {}
    return {
        "model": case.model,
        "initial": {"file": str(folder / "initial.h5")},
        "dt_fs": case.dt_fs,
        "time_fs": case.time_fs,
        "write_every": round(case.frame_fs / case.dt_fs),
        "seed": 1,
        "output": str(folder / "run.h5"),
        **stop,
        **keys,
    }


def measured(case: Case, keys: dict[str, object]) -> dict[str, object]:
    """Run a method on a model and return what the table needs, or why it was `refused`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_initial_conditions(
            folder / "initial.h5", drawn(case, seed=1, only_diabatic=keys["method"] == "sqc")
        )
        before = time.process_time()
        try:
            result = nadyn.run(run_file(case, keys, folder), progress=False)
        except InputError as error:
            return {"refused": str(error)}
        seconds = time.process_time() - before
        run = open_run(result.path)
        found = of_branching(run) if case.quantity == "branching" else of_populations(run, case)
        return found | {
            "n": case.n,
            "dt_fs": case.dt_fs,
            "stopped": result.n_stopped,
            "energy_error_max_ev": round(result.energy_error_max_ev, 5),
            "microseconds_a_step": round(1e6 * seconds / float(run.last_step.sum()), 2),
            "cpu_seconds": round(seconds, 1),
        }


def of_branching(run: Run) -> dict[str, object]:
    """Return the fractions of outcomes."""
    found = branching(run)
    return {
        "branching": {name: round(value, 5) for name, value in found.fraction.items()},
        "error": {name: round(value, 5) for name, value in found.error.items()},
        "undecided": found.n_undecided,
    }


def of_populations(run: Run, case: Case) -> dict[str, object]:
    """Return populations over time with their standard errors."""
    found = populations(run)
    if case.quantity == "diabatic":
        mean, error = found.diabatic, found.diabatic_error
    else:
        mean = found.mean
        spread = occupations(run) - mean[:, None]
        error = np.sqrt((spread**2).mean(1) / (run.n_trajectories - 1))
    return {
        "time_fs": [round(t, 4) for t in run.time_fs.tolist()],
        "populations": np.round(mean, 4).tolist(),
        "error": np.round(error, 4).tolist(),
    }


def rounded(exact: dict[str, object]) -> dict[str, object]:
    """Return an exact answer with five decimals."""
    if "branching" in exact:
        return {"branching": {name: round(value, 5) for name, value in exact["branching"].items()}}
    return {
        "time_fs": np.round(exact["time_fs"], 4).tolist(),
        "populations": np.round(exact["populations"], 5).tolist(),
    }


def kept(path: Path) -> dict[str, dict]:
    """Return what a file holds, nothing where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def keep(path: Path, content: dict[str, dict]) -> None:
    """Write a file, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(
        json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    os.replace(partial, path)


def as_asked(case: Case, found: dict[str, object]) -> bool:
    """Tell whether a kept result was made with the number of trajectories and the time step of the case."""
    return "refused" in found or (found["n"] == case.n and found["dt_fs"] == case.dt_fs)


def two_states(case: Case) -> bool:
    """Tell whether a model has two states."""
    return analytic_model(case.model).n_states == 2


def main() -> None:
    """Make what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--again", action="store_true", help="make the chosen results anew")
    parser.add_argument("--only-write", action="store_true", help="only write table and figures")
    options = parser.parse_args()
    exact_path, path = REFERENCE / "method_table_exact.json", REFERENCE / "method_table.json"
    exact, table = kept(exact_path), kept(path)
    for name in [] if options.only_write else options.models:
        case = CASES[name]
        if name not in exact:
            exact[name] = rounded(case.exact(case))
            keep(exact_path, exact)
        row = table.setdefault(name, {})
        for method in options.methods:
            if method in row and not options.again and as_asked(case, row[method]):
                continue
            if method == "gfsh, edc" and two_states(case):
                # Global flux and fewest switches are one rule there.
                continue
            row[method] = measured(case, METHODS[method])
            keep(path, table)
            note = row[method].get("refused") or f"{row[method]['cpu_seconds']} s, {row[method]['stopped']}"
            print(f"{name:22s} {method:24s} {note}", flush=True)
    there = {name: case for name, case in CASES.items() if name in exact and table.get(name)}
    write_page(there, list(METHODS), exact, table)
    if len(there) == len(CASES):
        draw_all(there, list(METHODS), exact, table)


if __name__ == "__main__":
    main()
