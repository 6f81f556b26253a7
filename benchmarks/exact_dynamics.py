"""Exact quantum dynamics of every model that allows it: against references, and how far it is converged.

    python benchmarks/exact_dynamics.py [--only tully pyrazine …] [--output folder]

Each row is propagated twice, the second time with a smaller time step and more points or with a larger basis;
"change" is the largest difference between the two in any population at any time. Tully's models are
also compared with another program, pyrazine with MCTDH (tests/quantum/fixtures). Written to the output
folder: all populations as JSON, and a figure. About five minutes; `sulfur_dioxide` takes most of them.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nadyn.analysis.plots_style import COLOURS, INK, new_figure
from nadyn.models.analytic import (
    conical_intersection,
    jahn_teller_modes,
    morse,
    pyrazine,
    shin_metiu,
    spin_boson,
    sulfur_dioxide,
    tully,
)
from nadyn.models.analytic.vibronic import VibronicCoupling
from nadyn.models.model import Model
from nadyn.models.spin_states import spin_states
from nadyn.quantum import Grid, Packet, basis_propagation, scattering, split_operator
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

FIXTURES = Path(__file__).parents[1] / "tests" / "quantum" / "fixtures"


def of_tully() -> dict[str, object]:
    """Return the branching of Tully's models and its distance from another program."""
    rows = json.loads((FIXTURES / "tully_exact.json").read_text(encoding="utf-8"))["rows"]
    names, found, worst = ("T0", "T1", "R0", "R1"), [], 0.0
    print("Tully     k      T0      T1      R0      R1   from the other program   change with dt/2")
    for row in rows:
        packet = Packet((row["x0"],), (float(row["k"]),), (row["sigma"],), 0)
        coarse, fine = (scattering(tully(row["model"]), packet, dt=dt) for dt in (2.0, 1.0))
        distance = max(abs(fine.fraction[name] - row[name]) for name in names)
        change = max(abs(fine.fraction[name] - coarse.fraction[name]) for name in names)
        worst = max(worst, distance)
        values = " ".join(f"{fine.fraction[name]:7.4f}" for name in names)
        print(f"{row['model']:5d} {row['k']:5d} {values} {distance:24.5f} {change:18.6f}", flush=True)
        found.append({"model": row["model"], "k": row["k"], "change": change, **fine.fraction})
    print(f"largest distance {worst:.5f}\n")
    return {"branching": found, "largest_distance": worst}


def in_basis(
    model: VibronicCoupling, *, state: int, time_fs: float, limits_ev: tuple[float, float], step_fs: float
) -> dict[str, object]:
    """Return diabatic populations in two sizes of the basis."""
    runs = []
    for limit in limits_ev:
        start = time.process_time()
        run = basis_propagation(
            model,
            state=state,
            time=time_fs * AU_PER_FEMTOSECOND,
            write_interval=step_fs * AU_PER_FEMTOSECOND,
            energy_limit=limit * HARTREE_PER_EV,
        )
        runs.append((run, time.process_time() - start))
    (small, _), (large, seconds) = runs
    row = _row(
        f"{model.name}, {model.state_names[state]}",
        large,
        _of_rows(model, large.diabatic_populations),
        _of_rows(model, small.diabatic_populations),
        f"{large.wave.shape[1]} functions, {limits_ev[1]:g} eV",
        seconds,
    )
    return row | {"labels": model.state_names}


def _of_rows(model: VibronicCoupling, populations: np.ndarray) -> np.ndarray:
    """Add the populations of the components of each triplet."""
    if model.spin_orbit is None:
        return populations
    rows = spin_states(model.multiplicities).row.numpy()
    return np.stack([populations[:, rows == row].sum(1) for row in range(model.n_basis)], axis=1)


def on_grid(
    model: Model,
    grid: Grid,
    packet: Packet,
    *,
    time_fs: float,
    steps_per_fs: int,
    adiabatic: bool = False,
) -> dict[str, object]:
    """Return populations of two runs; the second has half the time step and half as many points more."""
    runs = []
    for factor in (1, 2):
        points = grid.points if factor == 1 else tuple(math.ceil(1.5 * n) for n in grid.points)
        start = time.process_time()
        run = split_operator(
            model,
            Grid(grid.lower, grid.upper, points),
            packet,
            dt=AU_PER_FEMTOSECOND / (factor * steps_per_fs),
            time=time_fs * AU_PER_FEMTOSECOND,
            write_every=factor * steps_per_fs,
        )
        runs.append((run, time.process_time() - start))
    (coarse, _), (fine, seconds) = runs
    values = [
        run.adiabatic_populations[:, :3] if adiabatic else run.diabatic_populations for run in (fine, coarse)
    ]
    points = " x ".join(map(str, fine.wave.shape[1:]))
    return _row(
        model.name, fine, values[0], values[1], f"{points} points, {2 * steps_per_fs} steps a fs", seconds
    )


def _row(name, run, populations, coarser, size, seconds):
    change = float(np.abs(populations - coarser).max())
    end = " ".join(f"{value:.4f}" for value in populations[-1])
    print(f"{name:28s} {size:30s} {seconds:7.1f} s CPU   change {change:.5f}   edge {run.edge_density:.0e}")
    print(f"{'':28s} populations after {run.times_fs[-1]:.0f} fs: {end}\n", flush=True)
    return {
        "name": name,
        "time_fs": run.times_fs.tolist(),
        "populations": populations.tolist(),
        "change": change,
        "edge_density": run.edge_density,
        "size": size,
        "cpu_seconds": seconds,
    }


def of_pyrazine() -> dict[str, object]:
    """Return pyrazine's populations and their distance from MCTDH."""
    mctdh = json.loads((FIXTURES / "pyrazine4_mctdh.json").read_text(encoding="utf-8"))
    row = in_basis(pyrazine(4), state=1, time_fs=120.0, limits_ev=(3.8, 4.2), step_fs=1.0)
    reference = np.interp(row["time_fs"], mctdh["time_fs"], mctdh["population_s2"])
    row["mctdh_population_s2"] = reference.tolist()
    row["distance_to_mctdh"] = float(np.abs(np.array(row["populations"])[:, 1] - reference).max())
    print(f"{'':28s} largest distance to MCTDH over 120 fs: {row['distance_to_mctdh']:.5f}\n", flush=True)
    return row


def _sulfur_dioxide(variant: str, state: int) -> dict[str, object]:
    return in_basis(sulfur_dioxide(variant), state=state, time_fs=100.0, limits_ev=(7.5, 8.5), step_fs=1.0)


def _morse(variant: int, place: float, time_fs: float) -> dict[str, object]:
    packet = Packet((place,), (0.0,), (0.1,), 0, "diabatic")
    return on_grid(morse(variant), Grid((1.0,), (25.0,), (480,)), packet, time_fs=time_fs, steps_per_fs=10)


def _jahn_teller() -> dict[str, object]:
    model = jahn_teller_modes(0.005, 0.008, 0.0005)
    return in_basis(model, state=0, time_fs=100.0, limits_ev=(3.5, 4.5), step_fs=0.5)


CASES: dict[str, Callable[[], dict[str, object]]] = {
    "tully": of_tully,
    "pyrazine": of_pyrazine,
    "sulfur_dioxide_singlets_S1": lambda: _sulfur_dioxide("singlets", 1),
    "sulfur_dioxide_singlets_S2": lambda: _sulfur_dioxide("singlets", 2),
    "sulfur_dioxide_triplets_S1": lambda: _sulfur_dioxide("triplets", 1),
    "sulfur_dioxide_triplets_S2": lambda: _sulfur_dioxide("triplets", 2),
    "conical_intersection": lambda: on_grid(
        conical_intersection(0.04),
        Grid((0.4, -1.8), (8.0, 1.8), (150, 80)),
        Packet((2.0, 0.0), (0.0, 0.0), (0.2236, 0.1968), 0, "diabatic"),
        time_fs=100.0,
        steps_per_fs=5,
    ),
    "jahn_teller_modes": _jahn_teller,
    "spin_boson": lambda: in_basis(
        spin_boson("ohmic", 4, 0.001, 0.002, 0.004, 0.004),
        state=0,
        time_fs=150.0,
        limits_ev=(0.9, 1.3),
        step_fs=1.0,
    ),
    "morse_1": lambda: _morse(1, 2.9, 250.0),
    "morse_2": lambda: _morse(2, 3.3, 250.0),
    "morse_3": lambda: _morse(3, 2.1, 200.0),
    "shin_metiu": lambda: on_grid(
        shin_metiu(),
        Grid((-8.5,), (8.5,), (170,)),
        Packet((-4.0,), (0.0,), (0.5924,), 1),
        time_fs=35.0,
        steps_per_fs=20,
        adiabatic=True,
    ),
}


def draw(results: dict[str, dict[str, object]], path: Path) -> None:
    """Draw the populations of all models but Tully's."""
    shown = [row for row in results.values() if "populations" in row]
    rows = [shown[start : start + 4] for start in range(0, len(shown), 4)]
    figures = []
    for index, part in enumerate(rows):
        figure, axes = new_figure(3.0, columns=len(part), widths=(1.0,) * len(part))
        for panel, row in zip(np.atleast_1d(axes), part, strict=True):
            populations = np.array(row["populations"])
            labels = row.get("labels", [str(state) for state in range(populations.shape[1])])
            for state in np.flatnonzero(populations.max(0) > 0.01):
                colour = COLOURS[state % len(COLOURS)]
                panel.plot(row["time_fs"], populations[:, state], color=colour, label=labels[state])
            if "mctdh_population_s2" in row:
                panel.plot(row["time_fs"], row["mctdh_population_s2"], ":", color=INK, label="MCTDH")
            panel.set_title(row["name"], fontsize=8)
            panel.set_xlabel("time (fs)")
            panel.set_ylim(0, 1.02)
            panel.legend(frameon=False, fontsize=7)
        np.atleast_1d(axes)[0].set_ylabel("population")
        target = path.with_name(f"{path.stem}_{index + 1}{path.suffix}")
        figure.savefig(target, dpi=130, facecolor="white")
        figures.append(str(target))
    print("Figures: " + ", ".join(figures))


def main() -> None:
    """Run the chosen cases, print the table, write JSON and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--output", type=Path, default=Path("exact_dynamics"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    results = {name: CASES[name]() for name in options.only}
    (options.output / "exact_dynamics.json").write_text(json.dumps(results), encoding="utf-8")
    draw(results, options.output / "exact_dynamics.png")


if __name__ == "__main__":
    main()
