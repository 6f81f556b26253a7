"""Populations of SO2 after excitation to S1: surface hopping beside the exact propagation of three modes.

    python benchmarks/sulfur_dioxide.py [--trajectories 500] [--output folder]

Three singlets (hopping among spin-free states), and three singlets and three triplets with spin-orbit
coupling (hopping among spin-adiabatic states), from the templates that come with nadyn; Wigner samples at
0 K on the diabatic state S1, 100 fs, steps of 0.5 fs. Printed: the mean and the largest deviation of the
diabatic populations from the exact ones, over all states and all femtoseconds, and the mean statistical
error. Written: so2.json, so2_exact.json (a fixture of the tests) and so2_populations.png. About three
minutes on one quiet core.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

import nadyn
from nadyn.analysis.plots_style import COLOURS, INK, new_figure
from nadyn.models.analytic import sulfur_dioxide
from nadyn.models.spin_states import spin_states
from nadyn.quantum import basis_propagation
from nadyn.trajectory import open_run
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

TIME_FS = 100
START = 1
LIMITS_EV = (6.5, 7.5)
METHODS = {
    "fssh, edc": {"method": "fssh"},
    "fssh, none": {"method": "fssh", "decoherence": "none"},
    "gfsh, edc": {"method": "gfsh"},
}


def exact(variant: str) -> dict[str, object]:
    """Return spin-free diabatic populations every femtosecond, and their change with the basis."""
    model, found = sulfur_dioxide(variant), []
    for limit in LIMITS_EV:
        run = basis_propagation(
            model,
            state=START,
            time=TIME_FS * AU_PER_FEMTOSECOND,
            write_interval=AU_PER_FEMTOSECOND,
            energy_limit=limit * HARTREE_PER_EV,
        )
        populations = run.diabatic_populations
        if model.spin_orbit is not None:
            rows = spin_states(model.multiplicities).row.numpy()
            populations = np.stack(
                [populations[:, rows == row].sum(1) for row in range(model.n_basis)], axis=1
            )
        found.append(populations)
    return {
        "labels": model.state_names,
        "populations": np.round(found[1], 6).tolist(),
        "change": float(np.abs(found[1] - found[0]).max()),
    }


def trajectories(variant: str, keys: dict[str, object], n: int) -> dict[str, object]:
    """Return mean diabatic populations every femtosecond and their standard errors."""
    with tempfile.TemporaryDirectory() as folder:
        config = {
            "model": {"name": "sulfur_dioxide", "variant": variant},
            "initial": {"sample": "wigner", "n": n, "temperature_kelvin": 0, "diabatic_state": START},
            "dt_fs": 0.5,
            "time_fs": TIME_FS,
            "write_every": 2,
            "output": str(Path(folder) / "run.h5"),
            **keys,
        }
        start = time.process_time()
        result = nadyn.run(config, progress=False)
        seconds = time.process_time() - start
        values = np.array(open_run(config["output"]).diabatic_populations)
    return {
        "populations": values.mean(1).tolist(),
        "standard_errors": (values.std(1, ddof=1) / np.sqrt(n)).tolist(),
        "finished": result.n_finished,
        "cpu_seconds": seconds,
    }


def compare(variant: str, n: int) -> dict[str, object]:
    """Print and return the deviations of every method."""
    reference = exact(variant)
    wanted, rows = np.array(reference["populations"]), {}
    print(f"{variant}: exact populations change by {reference['change']:.5f} with the basis", flush=True)
    for name, keys in METHODS.items():
        row = trajectories(variant, keys, n)
        off = np.abs(np.array(row["populations"]) - wanted)
        row |= {"mean_deviation": float(off.mean()), "largest_deviation": float(off.max())}
        row["mean_deviation_s1_s2"] = float(off[:, 1:3].mean())
        row["mean_standard_error"] = float(np.mean(row["standard_errors"]))
        print(
            f"  {name:12s} mean deviation {off.mean():.4f} (S1, S2 {row['mean_deviation_s1_s2']:.4f}), "
            f"largest {off.max():.4f}, standard error {row['mean_standard_error']:.4f}, "
            f"finished {row['finished']}, {row['cpu_seconds']:.0f} s CPU",
            flush=True,
        )
        rows[name] = row
    return {"exact": reference, "methods": rows}


def draw(found: dict[str, dict[str, object]], path: Path) -> None:
    """Draw exact populations as lines, those of trajectories as dashes and dots."""
    figure, row = new_figure(3.2, columns=3, widths=(1.0, 1.0, 1.0))
    femtoseconds = np.arange(TIME_FS + 1)
    panels = [("singlets", (1, 2)), ("triplets", (1, 2)), ("triplets", (3, 4, 5))]
    titles = ["three singlets", "with triplets: singlets", "with triplets: triplets"]
    styles = {"exact": "-", "fssh, edc": "--", "fssh, none": ":"}
    for axis, (variant, states), title in zip(row, panels, titles, strict=True):
        case = found[variant]
        for name, style in styles.items():
            source = case["exact"] if name == "exact" else case["methods"][name]
            for number, k in enumerate(states):
                curve = np.array(source["populations"])[:, k]
                label = case["exact"]["labels"][k] if style == "-" else None
                axis.plot(femtoseconds, curve, style, color=COLOURS[number], linewidth=1.2, label=label)
        axis.set_title(title, fontsize=10, color=INK)
        axis.set_xlabel("time (fs)")
        axis.set_xlim(0, TIME_FS)
        axis.legend(frameon=False, fontsize=8, loc="upper left" if len(states) == 3 else "center left")
    row[0].set_ylabel("population")
    lines = [Line2D([], [], linestyle=style, color=INK, label=name) for name, style in styles.items()]
    figure.legend(handles=lines, frameon=False, fontsize=9, ncols=3, loc="outside lower center")
    figure.savefig(path, dpi=150, facecolor="white")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=500)
    parser.add_argument("--output", type=Path, default=Path())
    arguments = parser.parse_args()
    found = {variant: compare(variant, arguments.trajectories) for variant in ("singlets", "triplets")}
    for name, content in (
        ("so2.json", found),
        ("so2_exact.json", {variant: case["exact"] for variant, case in found.items()}),
    ):
        (arguments.output / name).write_text(json.dumps(content) + "\n", encoding="utf-8")
    draw(found, arguments.output / "so2_populations.png")


if __name__ == "__main__":
    main()
