"""MASH on Tully's three models by an independent program, qclab; its numbers lie in mash_reference.json.

    python -m pip install qclab==1.3.0        # in an environment of its own; nadyn is not needed
    python benchmarks/mash_reference.py [--trajectories 2000] [--dt 4] [--output mash_reference.json]

qclab moves the trajectories, as it is; the initial coefficients are drawn here, through the ingredient that
it offers for that purpose. Focused ones of multi-state MASH have populations 3/4 and 1/4 of the *adiabatic*
states (qclab's own have them of the diabatic ones, which differ a little at the start in the third model, and
change its branching by 0.01). MASH of two states is the same motion from other initial spins, and is read off
the active surface: S_z = ±√u in the hemisphere of the initial adiabatic state.

All trajectories start on the lower adiabatic state at x = -10 with momentum k, mass 2000. In the table: the
fractions transmitted (x > 0) and reflected on each adiabatic state, with standard errors.

Program: https://github.com/tempelaar-team/qclab (Apache-2.0).
"""

import argparse
import importlib.metadata
import json
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import qclab
from qclab import functions
from qclab.algorithms import MultiStateMappingApproachToSurfaceHopping
from qclab.dynamics import serial_driver
from qclab.models import TullyProblemOne, TullyProblemThree, TullyProblemTwo

MODELS = {1: TullyProblemOne, 2: TullyProblemTwo, 3: TullyProblemThree}
MOMENTA = {1: (10, 20, 30), 2: (16, 30), 3: (10, 20, 30)}
START = -10.0


def keep_positions(sim: object, state: dict, parameters: dict) -> tuple[dict, dict]:
    """Put what the table is made from into the output of qclab."""
    constants = sim.model.constants
    mass, weight = constants.classical_coordinate_mass, constants.classical_coordinate_weight
    adiabatic = functions.transform_vec(state["wf_db"], state["eigvecs"])
    state["output_dict"]["x"] = functions.z_to_q(state["z"], mass[None], weight[None])[:, 0].real
    state["output_dict"]["active"] = state["act_surf_ind"].astype(float)
    state["output_dict"]["upper"] = np.abs(adiabatic[:, 1]) ** 2
    return state, parameters


class Recorded(MultiStateMappingApproachToSurfaceHopping):
    """Multi-state MASH of qclab, with other output."""

    collect_recipe: ClassVar[list] = [
        *MultiStateMappingApproachToSurfaceHopping.collect_recipe,
        keep_positions,
    ]


def lower_state(model: object) -> np.ndarray:
    """Return the lower eigenvector of the model at the start."""
    mass = model.constants.classical_coordinate_mass
    weight = model.constants.classical_coordinate_weight
    z = functions.qp_to_z(np.array([[START]]), np.array([[0.0]]), mass[None], weight[None])
    return np.linalg.eigh(model.h_qc({}, z=z)[0])[1]


def two_state_spins(model: object, parameters: dict, *, wf_db: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Draw S_z = -√u (the lower state has the larger coefficient) and a uniform angle."""
    vectors = lower_state(model)
    drawn = np.empty((len(seeds), 2), dtype=complex)
    for row, seed in enumerate(seeds):
        u, v = np.random.default_rng(int(seed)).uniform(size=2)
        lower, upper = np.sqrt((1 + np.sqrt(u)) / 2), np.sqrt((1 - np.sqrt(u)) / 2)
        drawn[row] = lower * vectors[:, 0] + upper * np.exp(2j * np.pi * v) * vectors[:, 1]
    return drawn


def focused_spins(model: object, parameters: dict, *, wf_db: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Draw populations 3/4 and 1/4 of the lower and the upper state, and uniform angles."""
    vectors = lower_state(model)
    drawn = np.empty((len(seeds), 2), dtype=complex)
    for row, seed in enumerate(seeds):
        angle = 2 * np.pi * np.random.default_rng(int(seed)).uniform()
        drawn[row] = np.sqrt(0.75) * vectors[:, 0] + 0.5 * np.exp(1j * angle) * vectors[:, 1]
    return drawn


def run(
    variant: int, momentum: float, n: int, dt: float, *, two_states: bool, first_seed: int
) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Return the branching of one model at one momentum, with its own seeds, and each trajectory's fate."""
    sim = qclab.Simulation()
    # The slowest trajectories are those on the upper state, and those that turn round.
    duration = 2.0 * (2 * -START) * 2000.0 / momentum
    sim.settings.tmax, sim.settings.dt_update, sim.settings.dt_collect = duration, dt, duration
    sim.settings.num_trajs, sim.settings.batch_size, sim.settings.progress_bar = n, n, False
    sim.model = MODELS[variant]({"init_momentum": momentum, "init_position": START})
    sim.model.initialize_constants()
    spins = two_state_spins if two_states else focused_spins
    sim.model.ingredients = [*sim.model.ingredients, ("sample_wf_db_msmash", spins)]
    sim.algorithm = Recorded({"msmash_num_bisections": 20})
    sim.initial_state["wf_db"] = lower_state(sim.model)[:, 0].astype(complex)
    records: dict[str, np.ndarray] = {}

    def remember(sim: object, state: dict, parameters: dict) -> tuple[dict, dict]:
        records.setdefault("amplitudes", np.array(state["wf_db"]))
        records.update({name: np.array(state["output_dict"][name]) for name in ("x", "active", "upper")})
        return state, parameters

    sim.algorithm.collect_recipe = [*sim.algorithm.collect_recipe, remember]
    started = time.monotonic()
    serial_driver(sim, seeds=first_seed + np.arange(n))
    x, upper = records["x"], records["active"] if two_states else 2.0 * records["upper"] - 0.5
    values = np.stack([1.0 - upper, upper], axis=1)
    row: dict[str, object] = {"model": variant, "k": momentum, "n": n, "dt": dt}
    row["undecided"] = int(np.sum(np.abs(x) < 5.0))
    for letter, side in (("T", x > 0), ("R", x <= 0)):
        for state in (0, 1):
            part = np.where(side, values[:, state], 0.0)
            row[f"{letter}{state}"] = round(float(part.mean()), 5)
            row[f"{letter}{state}_error"] = round(float(part.std(ddof=1) / np.sqrt(n)), 5)
    row["seconds"] = round(time.monotonic() - started, 1)
    return row, records


def one_by_one(variant: int, momentum: float, n: int, dt: float, *, two_states: bool) -> dict[str, object]:
    """Return start and end of single trajectories: the motion is deterministic, so each can be compared."""
    _, records = run(variant, momentum, n, dt, two_states=two_states, first_seed=1_000_000)
    amplitudes = records["amplitudes"]
    return {
        "model": variant,
        "k": momentum,
        "dt": dt,
        "what": "diabatic amplitudes at the start (re, im of both); at the end active adiabatic state, x, "
        "and the population of the upper one",
        "amplitudes": np.stack([amplitudes.real, amplitudes.imag], axis=2).reshape(n, 4).tolist(),
        "active": records["active"].astype(int).tolist(),
        "x": np.round(records["x"], 4).tolist(),
        "upper": np.round(records["upper"], 5).tolist(),
    }


def main() -> None:
    """Run all models and momenta, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trajectories", type=int, default=2000)
    parser.add_argument("--dt", type=float, default=4.0, help="time step [au]")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("mash_reference.json"))
    options = parser.parse_args()
    tables: dict[str, list[dict[str, object]]] = {"mash": [], "multistate_mash_focused": []}
    for variant, momenta in MOMENTA.items():
        for momentum in momenta:
            for name, rows in tables.items():
                n_rows = sum(len(others) for others in tables.values())
                row, _ = run(
                    variant,
                    momentum,
                    options.trajectories,
                    options.dt,
                    two_states=name == "mash",
                    first_seed=n_rows * options.trajectories,
                )
                rows.append(row)
                print(name, row, flush=True)
    content = {
        "what": "transmission (T) and reflection (R) on the lower (0) and upper (1) adiabatic state",
        "program": f"qclab {importlib.metadata.version('qclab')}, Apache-2.0",
        "script": "benchmarks/mash_reference.py",
        **tables,
        "one_by_one": {
            "mash": one_by_one(1, 20, 100, 4.0, two_states=True),
            "multistate_mash_focused": one_by_one(3, 30, 100, 4.0, two_states=False),
        },
    }
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
