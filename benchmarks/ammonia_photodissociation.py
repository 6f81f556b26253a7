"""Photodissociation of ammonia on learned surfaces, beside the analytic surfaces that made their data.

    python benchmarks/ammonia_photodissociation.py --model equivariant=FILE --model invariant=FILE
    python benchmarks/ammonia_photodissociation.py --model analytic      # makes the stored reference again

1,000 trajectories from a Wigner sample of the ground state at 0 K, lifted to the first excited state; fewest
switches with the defaults, 0.1 fs a step. All models get the same initial conditions and random numbers: the
sample is drawn from the normal modes of the analytic ground state, which the reference holds. Fates are
counted where an N-H distance passes 2.6 angstrom outward (`ammonia_fates.py`), the end of the training data;
other radii stand below. After its fate a trajectory counts no more there, so one that is stopped later is
none of those "stopped before a fate". Beside that stands what a user's commands say of the same run, `nadyn
analyse`: how many trajectories have an end that is a result, which were stopped and why, and the populations
of all, stopped ones held at their last state. Printed: populations, fates, the ratio of excited to
ground-state NH2, and how far each lies from the analytic surfaces in combined standard errors. Written to
`--output`: JSON, figure and the trajectories. Only `analytic` needs the package of `ammonia_surfaces.py`.
Three to eight minutes a model.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from ammonia_fates import (
    FATES,
    Outcome,
    apart,
    excited_share,
    fate_fraction,
    outcome,
    paired_difference,
    population,
    product_ratio,
    same_fate,
)
from ammonia_photodissociation_figure import draw
from ammonia_surfaces import SURFACE, AmmoniaSurfaces

import nadyn
from nadyn.analysis.summary import summarise
from nadyn.dynamics.initial import InitialSection, sample_oscillators
from nadyn.dynamics.initial.normal_modes import NormalModes
from nadyn.dynamics.initial.oscillators import Oscillators, oscillators
from nadyn.models.model import Model
from nadyn.trajectory import Run, open_run
from nadyn.trajectory.initial_conditions import write_initial_conditions

REFERENCE = Path(__file__).parent / "reference" / "ammonia_photodissociation.json"
RADIUS = 2.6
RADII = (2.2, 2.4, 2.6, 2.8)
TIMES = (10, 15, 20, 25, 30, 40, 60, 100)
SECTION = InitialSection(sample="wigner", n=1000, temperature_kelvin=0, state=1)
SEED = 1
RUN = {"method": "fssh", "dt_fs": 0.1, "time_fs": 100, "write_every": 5, "seed": SEED}


def start_file(model: Model, modes: NormalModes, path: Path) -> None:
    """Write the initial conditions; they depend on the modes alone."""
    found = Oscillators(modes, "the minimum of the analytic ground state", ())
    write_initial_conditions(path, sample_oscillators(model, found, SECTION, seed=SEED))


def follow(model: Model, label: str, modes: NormalModes, folder: Path) -> dict[str, object]:
    """Run one model and return its outcomes by radius, with what happened on the way."""
    start, path = folder / "initial.h5", folder / f"{label}.h5"
    start_file(model, modes, start)
    config = {**RUN, "initial": {"file": str(start)}, "output": str(path)}
    result = nadyn.run(config, model=model, overwrite=True, progress=False)
    run = open_run(path)
    return {
        "outcomes": {radius: outcome(run, radius_angstrom=radius) for radius in RADII},
        "hops": result.n_hops,
        "refused": result.n_refused,
        "energy_error_max_ev": result.energy_error_max_ev,
        "as_analyse_counts": as_analyse_counts(run),
        "seconds": result.seconds,
    }


def as_analyse_counts(run: Run) -> dict[str, object]:
    """Return what `nadyn analyse` says of a run: endings, stops, and the excited population of all."""
    numbers = summarise(run)
    time, held = np.array(numbers["time_fs"]), np.array(numbers["populations_held"])
    return {
        **{key: numbers[key] for key in ("n_trajectories", "n_finished", "endings", "n_stopped")},
        "excited_held": {at: round(float(held[np.abs(time - at).argmin(), 1]), 4) for at in TIMES},
    }


def reference_of(found: dict[str, object], modes: NormalModes) -> dict[str, object]:
    """Return the stored reference as JSON can hold it."""
    outcomes: dict[float, Outcome] = found["outcomes"]
    every = slice(None, None, 2)
    return {
        "surfaces": f"{SURFACE} of chempotpy 1.0.7 (Apache-2.0); Z. H. Li, R. Valero and D. G. Truhlar, "
        "Theor. Chem. Acc. 118, 9 (2007)",
        "made_by": "python benchmarks/ammonia_photodissociation.py --model analytic",
        "run": RUN,
        "initial": {"seed": SEED, **SECTION.model_dump(exclude_unset=True)},
        "modes": {
            "centre": modes.centre.tolist(),
            "masses": modes.masses.tolist(),
            "frequencies": modes.frequencies.tolist(),
            "vectors": modes.vectors.tolist(),
        },
        "time_fs": np.round(outcomes[RADIUS].time_fs[every], 6).tolist(),
        "excited": {radius: np.round(one.excited[every], 4).tolist() for radius, one in outcomes.items()},
        "n_known": {radius: one.n_known[every].tolist() for radius, one in outcomes.items()},
        "fates": {radius: one.fate for radius, one in outcomes.items()},
        "as_analyse_counts": found["as_analyse_counts"],
        "hops": found["hops"],
        "refused": found["refused"],
        "energy_error_max_ev": found["energy_error_max_ev"],
    }


def read_reference() -> tuple[dict[float, Outcome], NormalModes]:
    """Return the outcomes of the analytic surfaces and the modes of their ground state."""
    stored = json.loads(REFERENCE.read_text(encoding="utf-8"))
    time = np.array(stored["time_fs"])
    outcomes = {
        radius: Outcome(
            stored["fates"][str(radius)],
            time,
            np.array(stored["excited"][str(radius)]),
            np.array(stored["n_known"][str(radius)]),
        )
        for radius in RADII
    }
    return outcomes, NormalModes(**{name: np.array(value) for name, value in stored["modes"].items()})


def table(outcomes: dict[str, dict[float, Outcome]]) -> dict[str, object]:
    """Print what the models say beside the analytic surfaces, and return it for JSON."""
    labels = list(outcomes)
    analytic = {label: outcomes[label][RADIUS] for label in labels}
    summary: dict[str, object] = {label: {} for label in labels}
    rows = [
        (f"S1 at {time} fs", {label: population(one, time) for label, one in analytic.items()})
        for time in TIMES
    ]
    rows += [
        (f"fate {letter}", {label: fate_fraction(one, letter) for label, one in analytic.items()})
        for letter in FATES
    ]
    for radius in RADII:
        at = f"at {radius} angstrom"
        rows.append((f"A / (A + X) {at}", {k: excited_share(one[radius]) for k, one in outcomes.items()}))
        rows.append((f"A / X {at}", {k: product_ratio(one[radius]) for k, one in outcomes.items()}))
    print(f"\n{'':30s}" + "".join(f"{label:>38s}" for label in labels))
    for name, values in rows:
        cells = []
        for label, one in values.items():
            deviation = apart(one, values["analytic"]) if one.error > 0 and label != "analytic" else None
            distance = "          " if deviation is None else f"{deviation:+6.1f} SE "
            cells.append(f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f}){distance}")
            summary[label][name] = {**asdict(one), "combined_standard_errors": deviation}
        print(f"{name:30s}" + "".join(f"{cell:>38s}" for cell in cells))
    for label in labels[1:]:
        paired = {x: paired_difference(analytic[label], analytic["analytic"], x) for x in "AXI"}
        summary[label]["paired_difference"] = {x: asdict(one) for x, one in paired.items()}
        summary[label]["same_fate"] = same_fate(analytic[label], analytic["analytic"])
        cells = ", ".join(f"{x} {one.value:+.3f} ± {one.error:.3f}" for x, one in paired.items())
        print(f"{label}: pair by pair minus analytic: {cells}; same fate {summary[label]['same_fate']:.3f}")
    return summary


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the models, print the table, write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        help="LABEL=FILE, or `analytic`; may be given several times",
    )
    parser.add_argument("--output", type=Path, default=Path("ammonia_photodissociation"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    details = {}
    if "analytic" in options.model:
        surfaces = AmmoniaSurfaces()
        modes = oscillators(surfaces, SECTION).modes
        details["analytic"] = follow(surfaces, "analytic", modes, options.output)
        REFERENCE.parent.mkdir(exist_ok=True)
        text = json.dumps(reference_of(details["analytic"], modes), separators=(",", ":"))
        REFERENCE.write_text(text + "\n", encoding="utf-8")
        print(f"Written: {REFERENCE}")
    reference, modes = read_reference()
    outcomes = {"analytic": reference}
    for named in options.model:
        if named == "analytic":
            continue
        label, _, file = named.rpartition("=")
        label = label or Path(file).stem
        details[label] = follow(nadyn.load_model(file), label, modes, options.output)
        outcomes[label] = details[label]["outcomes"]
    for label, one in details.items():
        counts = one["as_analyse_counts"]
        print(
            f"{label}, as `nadyn analyse` counts: {counts['n_finished']} of {counts['n_trajectories']} "
            f"results {counts['endings']}, stopped {counts['n_stopped']}, "
            f"excited of all {counts['excited_held']}"
        )
        rest = {key: value for key, value in one.items() if key not in ("outcomes", "as_analyse_counts")}
        print(f"{label}: " + ", ".join(f"{key} {value}" for key, value in rest.items()))
    summary = table(outcomes)
    for label, one in details.items():
        summary[label].update({key: value for key, value in one.items() if key != "outcomes"})
    target = options.output / "ammonia_photodissociation"
    target.with_suffix(".json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    draw({label: one[RADIUS] for label, one in outcomes.items()}, target.with_suffix(".png"))
    print(f"Written: {target}.json and .png")


if __name__ == "__main__":
    main()
