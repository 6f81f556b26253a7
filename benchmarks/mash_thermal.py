"""Thermal populations of two states in a bath: MASH and fewest switches beside the exact Boltzmann ratio.

    python benchmarks/mash_thermal.py [--case bath] [--trajectories 1000] [--time-fs 1500] [--output folder]
    python benchmarks/mash_thermal.py --case coordinate --trajectories 3000 --time-fs 7000 --from-fs 2000

The bath is classical, so the exact populations are those of exp(-E_k / kT) over its positions, one integral.
All trajectories start on the lower adiabatic state, with the bath in equilibrium there. Populations are
averaged along each trajectory from `--from-fs` on, without it over the last half, and the errors are those of
independent trajectories. Written: a table as JSON and a figure.

Spin-boson models at kT = 300 K with ω_c = kT, in two cases:
bath: many modes of an Ohmic density at constant energy, 2 ε = 2 Δ = kT, λ = 2 kT; what the electrons take out
of a bath of 100 modes changes its temperature by half a percent.
coordinate: one mode with Langevin friction of 20 / ps, a larger bias and a weak coupling, 2 ε = 4 kT,
2 Δ = 0.6 kT, λ = 4 kT.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.analysis.plots_style import COLOURS, INK, new_figure
from nadyn.models.analytic import analytic_model
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions
from nadyn.units import HARTREE_PER_KELVIN

KT = 300.0 * HARTREE_PER_KELVIN


@dataclass(frozen=True)
class Case:
    """A spin-boson model at kT and how it is run.

    Attributes:
        bias: ε [hartree].
        coupling: Δ [hartree].
        reorganisation: λ [hartree].
        modes: Of the bath.
        keys: Further keys of the run file.
        dt_fs: Time step.
    """

    bias: float
    coupling: float
    reorganisation: float
    modes: int
    keys: dict[str, object] = field(default_factory=dict)
    dt_fs: float = 1.0


FRICTION = {"atoms": [0], "per_ps": 20, "temperature_kelvin": 300.0}
CASES = {
    "bath": Case(0.5 * KT, 0.5 * KT, 2.0 * KT, modes=100),
    "coordinate": Case(2.0 * KT, 0.3 * KT, 4.0 * KT, modes=1, keys={"friction": FRICTION}, dt_fs=2.0),
}
RUNS = {
    "MASH": {"method": "mash"},
    "fewest switches, keep": {"method": "fssh", "decoherence": "none", "frustrated": "keep"},
    "fewest switches, reverse": {"method": "fssh", "decoherence": "none", "frustrated": "reverse"},
}


def spin_boson(case: Case) -> dict[str, object]:
    """Return the model as a run file names it."""
    return {
        "name": "spin_boson",
        "density": "ohmic",
        "modes": case.modes,
        "bias_au": case.bias,
        "coupling_au": case.coupling,
        "reorganisation_au": case.reorganisation,
        "cutoff_au": KT,
    }


def solvent_grid(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the solvent coordinate X = Σ κ_j Q_j, its weight in the bath alone, and half the gap."""
    width = np.sqrt(0.5 * case.reorganisation * KT)
    x = np.linspace(-12.0, 12.0, 200_001) * width
    return x, np.exp(-0.5 * (x / width) ** 2), np.sqrt((case.bias + x) ** 2 + case.coupling**2)


def exact_upper_population(case: Case) -> float:
    """Return the Boltzmann population of the upper adiabatic state."""
    _, weight, half_gap = solvent_grid(case)
    upper, lower = (np.sum(weight * np.exp(sign * half_gap / KT)) for sign in (-1, 1))
    return float(upper / (upper + lower))


def bath_of_lower_state(case: Case, n: int, seed: int) -> InitialConditions:
    """Draw the bath from exp(-E_0 / kT): first the solvent coordinate, then all modes given it."""
    model, modes = analytic_model(spin_boson(case)), case.modes
    frequencies = 1.0 / model.masses.numpy()
    origin = torch.zeros(1, modes, 1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(model.evaluate(origin).hamiltonian[0, 0, 0], origin)
    kappa = slope.numpy()[0, :, 0]
    generator = np.random.default_rng(seed)
    x, weight, half_gap = solvent_grid(case)
    cumulative = np.cumsum(weight * np.exp((half_gap - half_gap.max()) / KT))
    solvent = np.interp(generator.uniform(size=n), cumulative / cumulative[-1], x)
    q = generator.normal(size=(n, modes)) * np.sqrt(KT / frequencies)
    share = kappa / frequencies / np.sum(kappa**2 / frequencies)
    q += np.outer(solvent - q @ kappa, share)
    p = generator.normal(size=(n, modes)) * np.sqrt(KT / frequencies)
    return InitialConditions(
        positions=q[:, :, None],
        momenta=p[:, :, None],
        weight=np.ones(n),
        masses=model.masses.numpy(),
        atomic_numbers=None,
        state=0,
        diabatic_state=None,
        origin="bath in equilibrium with the lower adiabatic state",
        temperature_kelvin=300.0,
    )


def relax(
    keys: dict[str, object], *, case: Case, n: int, time_fs: float, seed: int, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of the frames [fs] and each trajectory's contribution to the upper population."""
    write_initial_conditions(folder / "bath.h5", bath_of_lower_state(case, n, seed))
    result = nadyn.run(
        {
            "model": spin_boson(case),
            "initial": {"file": str(folder / "bath.h5")},
            "dt_fs": case.dt_fs,
            "time_fs": time_fs,
            "write_every": round(10.0 * max(1.0, time_fs / 2000.0) / case.dt_fs),
            "seed": seed,
            "output": str(folder / "run.h5"),
            **case.keys,
            **keys,
        },
        overwrite=True,
        progress=False,
    )
    run = open_run(result.path)
    if run.populations_adiabatic is None:
        return run.time_fs, (np.asarray(run.active_state) == 1).astype(float)
    return run.time_fs, np.asarray(run.populations_adiabatic)[..., 1]


def late_mean(upper: np.ndarray, *, start: float = 0.5) -> tuple[float, float]:
    """Return the mean from a fraction of the run on, and its standard error over trajectories."""
    of_each = upper[round(start * len(upper)) :].mean(axis=0)
    return float(of_each.mean()), float(of_each.std(ddof=1) / np.sqrt(len(of_each)))


def draw(
    curves: dict[str, tuple[np.ndarray, np.ndarray]],
    rows: list[dict[str, object]],
    path: Path,
    *,
    exact: float,
) -> None:
    """Draw the upper population over time and, beside it, its late mean."""
    figure, (left, right) = new_figure(3.6, columns=2, widths=(2.0, 1.0))
    for axes in (left, right):
        axes.axhline(exact, color=INK, linewidth=1.2, label="exact" if axes is left else None)
    for (name, (times, upper)), colour in zip(curves.items(), COLOURS, strict=False):
        left.plot(times, upper.mean(axis=1), color=colour, linewidth=1.4, label=name)
    left.set_xlabel("time (fs)")
    left.set_ylabel("population of the upper state")
    left.set_ylim(0, 1.6 * max(exact, *(float(row["upper"]) for row in rows)))
    left.legend(frameon=False, fontsize=9, loc="lower right")
    for place, (row, colour) in enumerate(zip(rows, COLOURS, strict=False)):
        right.errorbar(place, row["upper"], 3 * row["error"], color=colour, fmt="o", capsize=3)
    labels = [str(row["method"]).replace("fewest switches, ", "FSSH\n") for row in rows]
    right.set_xticks(range(len(rows)), labels, fontsize=9)
    right.set_xlim(-0.6, len(rows) - 0.4)
    right.set_title("late mean, 3 standard errors", fontsize=9)
    figure.savefig(path, dpi=160, facecolor="white")


def main() -> None:
    """Run the three methods, print the table, write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, default="bath")
    parser.add_argument("--trajectories", type=int, default=1000)
    parser.add_argument("--modes", type=int, help="of case bath; 100 without")
    parser.add_argument("--time-fs", type=float, default=1500.0)
    parser.add_argument("--from-fs", type=float, help="where averages begin; half of the run without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("mash_thermal"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    case = CASES[options.case]
    case = case if options.modes is None else replace(case, modes=options.modes)
    start = 0.5 if options.from_fs is None else options.from_fs / options.time_fs
    exact = exact_upper_population(case)
    print(f"exact population of the upper state {exact:.4f}, ratio {exact / (1 - exact):.4f}")
    print("method                       upper   error   from exact     time")
    rows, curves = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, keys in RUNS.items():
            started = time.monotonic()
            curves[name] = relax(
                keys,
                case=case,
                n=options.trajectories,
                time_fs=options.time_fs,
                seed=options.seed,
                folder=Path(folder),
            )
            upper, error = late_mean(curves[name][1], start=start)
            row = {"method": name, "upper": upper, "error": error, "exact": exact}
            row["errors_from_exact"] = (upper - exact) / error if error else float("nan")
            row["seconds"] = time.monotonic() - started
            rows.append(row)
            print(
                f"{name:26s} {upper:7.4f} {error:7.4f} {row['errors_from_exact']:+8.2f} SE "
                f"{row['seconds']:6.0f} s",
                flush=True,
            )
    (options.output / "mash_thermal.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    draw(curves, rows, options.output / "mash_thermal.png", exact=exact)
    print(f"Written: {options.output}/mash_thermal.json and .png")


if __name__ == "__main__":
    main()
