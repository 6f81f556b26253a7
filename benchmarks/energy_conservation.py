"""Energy conservation of a learned model: drift on S0, order in the time step on S1, steps through the cone.

    python benchmarks/energy_conservation.py [model.safetensors] [--output folder] [--parts drift order cone]
        [--trajectories 100] [--time-fs 1000] [--cone-time-fs 100] [--double]

drift   Constant-energy dynamics on S0 from a Wigner sample, dt = 0.25 fs: slope of a straight line through
        the total energy of each trajectory, goals 1e-4 eV/ps (median) and 1e-3 (worst). Velocity Verlet keeps
        not the energy H but, to second order, H + dt^2 [v.V''.v / 12 - F.F/M / 24], and H swings about that;
        the slope of this modified energy is printed too: it tells a drift from a swing.
order   The same on S1 for 50 fs, at 0.5, 0.25 and 0.125 fs: root-mean-square energy error of the trajectories
        whose gap stayed over 0.5 eV and that were not stopped; it falls by 4 +- 0.5 when dt is halved.
cone    Surface hopping from S1 at the same three steps: change of the total energy from one step to the next,
        where the gap is under 0.3 eV and elsewhere.

The default model is the shipped one; `--double` uses its float64 twin. Written: energy_conservation.json and
energy_conservation.png. Without options about 15 minutes on one quiet core; for a first look use
--trajectories 10 --time-fs 100.

Modified energy: E. Hairer, C. Lubich and G. Wanner, Acta Numerica 12, 399 (2003).
"""

import argparse
import json
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from energy_conservation_figure import EDGES, draw

import nadyn
from nadyn import shipped
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.electronic.surfaces import active_surface
from nadyn.models.model import Model
from nadyn.trajectory import Run, open_run
from nadyn.trajectory.initial_conditions import write_initial_conditions
from nadyn.units import AU_PER_FEMTOSECOND, ELECTRONVOLT_PER_HARTREE

MEDIAN_GOAL, WORST_GOAL = 1e-4, 1e-3
DRIFT_DT_FS = 0.25
STEPS_FS = (0.5, 0.25, 0.125)
ORDER_TIME_FS, ORDER_GAP_EV = 50.0, 0.5
NEAR_GAP_EV = 0.3
# Frames of the drift run in which the modified energy is evaluated: every so many of its frames, 1 fs apart.
MODIFIED_EVERY = 5


def go(model: Model, folder: Path, name: str, **config: object) -> tuple[Run, dict[str, int], float]:
    """Run from the stored Wigner sample; return the run, the stopped trajectories by reason, and seconds."""
    path = folder / f"{name}.h5"
    result = nadyn.run({"output": str(path), **config}, model=model, overwrite=True, progress=False)
    return open_run(path), result.n_stopped, result.seconds


def start(model: Model, folder: Path, n: int, seed: int) -> Path:
    """Write a Wigner sample of the ground state at 0 K."""
    path = folder / "initial.h5"
    section = InitialSection(sample="wigner", n=n, temperature_kelvin=0, state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        write_initial_conditions(path, sample(model, section, seed=seed))
    for warning in caught:
        print(f"Note: {warning.message}")
    return path


def error_ev(run: Run) -> np.ndarray:
    """Return the error of the total energy [eV] by frame and trajectory, NaN after the end of each."""
    return np.where(run.alive(), np.asarray(run.total_energy_error), np.nan) * ELECTRONVOLT_PER_HARTREE


def gap_ev(run: Run) -> np.ndarray:
    """Return the gap between the two lowest states [eV] by frame and trajectory."""
    energies = np.asarray(run.energies)
    return (energies[..., 1] - energies[..., 0]) * ELECTRONVOLT_PER_HARTREE


def slopes(time_fs: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Return the slope of a least-squares line of each column [per ps]."""
    return np.polyfit(time_fs / 1000, energies, 1)[0] if energies.shape[1] else np.zeros(0)


def modified_error_ev(model: Model, run: Run, frames: np.ndarray, rows: np.ndarray, dt: float) -> np.ndarray:
    """Return the error of the energy that velocity Verlet keeps to second order in dt [eV]."""
    precise = model.double() if hasattr(model, "double") else model
    masses = torch.from_numpy(np.array(run.masses))[:, None]
    result = []
    for frame in frames:
        x, p = (torch.from_numpy(np.array(array[frame])[rows]) for array in (run.positions, run.momenta))
        state = torch.from_numpy(np.array(run.active_state[frame])[rows].astype(np.int64))
        velocity = p / masses
        length = 1e-3 / velocity.abs().amax(dim=(1, 2), keepdim=True)
        force, ahead, behind = (
            active_surface(precise, x + shift * length * velocity, state).force for shift in (0, 1, -1)
        )
        curvature = -((ahead - behind) * velocity / (2 * length)).sum((1, 2))
        correction = curvature / 12 - (force * force / masses).sum((1, 2)) / 24
        result.append(correction.numpy() * dt**2 * ELECTRONVOLT_PER_HARTREE)
    corrections = np.array(result)
    return error_ev(run)[frames][:, rows] + corrections - corrections[0]


def drift(model: Model, folder: Path, initial: Path, time_fs: float) -> dict[str, object]:
    """Measure the slopes on S0 and print them."""
    run, stopped, seconds = go(
        model,
        folder,
        "drift",
        initial={"file": str(initial), "state": 0},
        method="nve",
        dt_fs=DRIFT_DT_FS,
        time_fs=time_fs,
        write_every=round(1 / DRIFT_DT_FS),
    )
    whole = finished(run)
    times, errors = np.asarray(run.time_fs), error_ev(run)
    found = slopes(times, errors[:, whole])
    frames = np.arange(0, len(times), MODIFIED_EVERY)
    dt = DRIFT_DT_FS * AU_PER_FEMTOSECOND
    modified = modified_error_ev(model, run, frames, whole, dt) if len(whole) else np.zeros((len(frames), 0))
    found_modified = slopes(times[frames], modified)
    print(
        f"\ndrift: S0, {run.n_trajectories} trajectories, {time_fs:g} fs, dt = {DRIFT_DT_FS} fs "
        f"({seconds:.0f} s)"
    )
    print(f"  finished {len(whole)}, stopped {stopped or 'none'}")
    table = {}
    for name, values in (("total energy", found), ("modified energy", found_modified)):
        if len(values):
            size = np.abs(values)
            table[name] = {
                "median": float(np.median(size)),
                "worst": float(size.max()),
                "mean": float(values.mean()),
            }
            print(
                f"  |slope| of the {name:15s}  median {np.median(size):.1e}  worst {size.max():.1e}  "
                f"mean slope {values.mean():+.1e} eV/ps"
            )
    if len(found):
        swing = float(np.median(errors[:, whole].std(axis=0)))
        total = table["total energy"]
        print(
            f"  goals: median under {MEDIAN_GOAL:g} {verdict(total['median'] < MEDIAN_GOAL)}, "
            f"worst under {WORST_GOAL:g} {verdict(total['worst'] < WORST_GOAL)}; "
            f"the energy swings by {1e3 * swing:.2f} meV (standard deviation)"
        )
        table["swing_ev"] = swing
    return {
        "time_fs": time_fs,
        "dt_fs": DRIFT_DT_FS,
        "n": run.n_trajectories,
        "stopped": stopped,
        "slopes_ev_per_ps": found.tolist(),
        "modified_slopes_ev_per_ps": found_modified.tolist(),
        "summary": table,
        "goals_ev_per_ps": {"median": MEDIAN_GOAL, "worst": WORST_GOAL},
    }


def verdict(reached: bool) -> str:
    """Say whether a goal was reached."""
    return "met" if reached else "MISSED"


def finished(run: Run) -> np.ndarray:
    """Return the trajectories that ran to the end."""
    return np.nonzero([run.status_names[int(code)] == "finished" for code in run.status])[0]


def order(model: Model, folder: Path, initial: Path) -> dict[str, object]:
    """Measure how the error on S1 falls with the step and print it."""
    errors, kept, stopped_by_step = {}, None, {}
    print(f"\norder: S1, {ORDER_TIME_FS:g} fs, trajectories with a gap over {ORDER_GAP_EV} eV throughout")
    for dt_fs in STEPS_FS:
        run, stopped, _ = go(
            model,
            folder,
            "order",
            initial={"file": str(initial), "state": 1},
            method="nve",
            dt_fs=dt_fs,
            time_fs=ORDER_TIME_FS,
            write_every=round(STEPS_FS[0] / dt_fs),
        )
        good = np.zeros(run.n_trajectories, dtype=bool)
        good[finished(run)] = True
        good &= gap_ev(run).min(axis=0) > ORDER_GAP_EV
        kept = good if kept is None else kept & good
        errors[dt_fs], stopped_by_step[dt_fs] = error_ev(run), stopped
    n, n_kept = len(kept), int(kept.sum())
    print(f"  {n_kept} of {n} trajectories kept; stopped: {stopped_by_step}")
    each = {dt: np.sqrt((values[:, kept] ** 2).mean(axis=0)) for dt, values in errors.items()}
    rms = {dt: float(np.sqrt((values**2).mean())) if n_kept else None for dt, values in each.items()}
    ratios = []
    for longer, shorter in pairwise(STEPS_FS):
        if not n_kept:
            break
        single = each[longer] / each[shorter]
        low, middle, high = np.percentile(single, [5, 50, 95])
        ratio = rms[longer] / rms[shorter]
        ratios.append(
            {"from_fs": longer, "to_fs": shorter, "ratio": ratio, "median": middle, "low": low, "high": high}
        )
        print(
            f"  {longer} -> {shorter} fs: rms {1e3 * rms[longer]:.3f} -> {1e3 * rms[shorter]:.3f} meV, "
            f"ratio {ratio:.2f}, 4 +- 0.5 {verdict(abs(ratio - 4) <= 0.5)}; "
            f"single trajectories median {middle:.2f}, 5 to 95 % {low:.2f} to {high:.2f}"
        )
    return {
        "time_fs": ORDER_TIME_FS,
        "gap_over_ev": ORDER_GAP_EV,
        "n": n,
        "n_kept": n_kept,
        "stopped": {str(dt): value for dt, value in stopped_by_step.items()},
        "rms_ev": {str(dt): value for dt, value in rms.items()},
        "rms_of_each_ev": {str(dt): value.tolist() for dt, value in each.items()},
        "ratios": ratios,
    }


def cone(model: Model, folder: Path, initial: Path, time_fs: float) -> dict[str, object]:
    """Collect the energy steps of surface hopping near the cone and elsewhere and print their sizes."""
    print(f"\ncone: surface hopping from S1, {time_fs:g} fs; size of energy steps [meV]")
    print("     dt        steps   median      99 %    99.9 %   largest")
    result: dict[str, object] = {"time_fs": time_fs, "near_gap_ev": NEAR_GAP_EV, "steps": {}}
    for dt_fs in STEPS_FS:
        run, stopped, seconds = go(
            model,
            folder,
            "cone",
            initial={"file": str(initial), "state": 1},
            method="fssh",
            dt_fs=dt_fs,
            time_fs=time_fs,
            write_every=1,
        )
        change = 1e3 * np.abs(np.diff(error_ev(run), axis=0))
        gap = gap_ev(run)
        near = np.minimum(gap[1:], gap[:-1]) < NEAR_GAP_EV
        valid = np.isfinite(change)
        groups = {"near": change[near & valid], "elsewhere": change[~near & valid]}
        hops = int(np.sum(run.hops["accepted"] == 1))
        row: dict[str, object] = {"n": run.n_trajectories, "stopped": stopped, "hops": hops}
        for name, values in groups.items():
            if not len(values):
                continue
            numbers = [*np.percentile(values, [50, 99, 99.9]).tolist(), float(values.max())]
            keys = ("median_mev", "percentile_99_mev", "percentile_99.9_mev", "largest_mev")
            row[name] = {
                "n": len(values),
                **dict(zip(keys, numbers, strict=True)),
                "sizes_mev": histogram(values),
            }
            print(
                f"  {dt_fs:5.3f}  {len(values):10d} " + " ".join(f"{v:9.4f}" for v in numbers) + f"  {name}"
            )
        print(f"         {hops} hops, stopped {stopped or 'none'}, {seconds:.0f} s")
        result["steps"][str(dt_fs)] = row
    return result


def histogram(values: np.ndarray) -> list[int]:
    """Return counts between EDGES; what lies outside goes to the outermost bins."""
    return np.histogram(np.clip(values, EDGES[0], EDGES[-1] * 0.999), EDGES)[0].tolist()


def main() -> None:
    """Measure what was asked for, print, write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="model file; the shipped hexafluorobutene without one")
    parser.add_argument("--output", type=Path, default=Path("energy_conservation"))
    parser.add_argument(
        "--parts", nargs="+", choices=("drift", "order", "cone"), default=("drift", "order", "cone")
    )
    parser.add_argument("--trajectories", type=int, default=100)
    parser.add_argument("--time-fs", type=float, default=1000.0, help="length of the drift run")
    parser.add_argument("--cone-time-fs", type=float, default=100.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--double", action="store_true", help="networks in float64")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    model = nadyn.load_model(options.model or shipped.path("hexafluorobutene/hexafluorobutene.safetensors"))
    model = model.double() if options.double else model
    began = time.monotonic()
    result: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        initial = start(model, folder, options.trajectories, options.seed)
        if "drift" in options.parts:
            result["drift"] = drift(model, folder, initial, options.time_fs)
        if "order" in options.parts:
            result["order"] = order(model, folder, initial)
        if "cone" in options.parts:
            result["cone"] = cone(model, folder, initial, options.cone_time_fs)
    target = options.output / "energy_conservation"
    target.with_suffix(".json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    draw(result, target.with_suffix(".png"))
    print(f"\nWritten: {target}.json and .png after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
