"""What hops keep: total energy, total momentum and angular momentum, for every rescaling option.

    python benchmarks/hops_conserve.py [model.safetensors] [--hops 10000] [--output folder]

Surface hopping from Wigner samples on the highest state, batch after batch. Measured are the hops that fewest
switches asks for, and besides them one attempt of each trajectory every `--attempt-every` steps, which the
run itself does not make: plenty of hops that can be paid and of hops that cannot, at gaps from nearly zero to
some eV. At each, the state before the kick is made again by the same Verlet step, and then the hop with every
pair of `rescale` and `frustrated`, by the functions of the step itself; for the pair of the run the result
must be that of the step, bit for bit. Compared before and after: kinetic plus potential energy, sum of p, sum
of r x p about the centre of mass. All of it twice: with the molecule as it is, without net and angular
momentum, and with the same molecule moving and turning, which tells what is kept by construction from what
is kept because it was zero. Written: hops_conserve.json. Four minutes on a quiet core.
"""

import argparse
import json
import warnings
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

import nadyn
from nadyn import shipped
from nadyn.dynamics.electrons.gradients import forces_and_couplings
from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.settle import Rescale, direction_of_kick, settle_hops
from nadyn.dynamics.initial import InitialSection
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.dynamics.initial.sample import sample_oscillators
from nadyn.dynamics.initial.start import start_in_state
from nadyn.dynamics.methods.fssh import Fssh, fssh_step
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run.stopping import Limits, Status, statuses
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State, select
from nadyn.dynamics.state.energies import kinetic_energy, potential_energy
from nadyn.models.model import Model
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV

OPTIONS = tuple(product(get_args(Rescale), get_args(Frustrated)))
MOTIONS = ("at rest", "moving")
OF_THE_RUN = ("nac", "keep")
QUANTITIES = ("energy", "momentum", "angular", "kick")
UNITS = {"energy": "hartree", "momentum": "au", "angular": "hbar", "kick": "au"}

# Velocity and angular velocity of the moving molecule [au]; a hydrogen atom at 300 K has about 0.001.
_VELOCITY = torch.tensor([0.0006, -0.0004, 0.0005], dtype=torch.float64)
_TURNING = torch.tensor([0.0001, 0.0002, -0.0001], dtype=torch.float64)

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Attempts:
    """Attempted hops at the moment before the kick.

    Attributes:
        state: One row a hop; its active state is the one before.
        target: Where to.
        asked: Whether fewest switches asked for it.
    """

    state: State
    target: Tensor
    asked: Tensor


def angular_momentum(positions: Tensor, momenta: Tensor, masses: Tensor) -> Tensor:
    """Return the sum of r x p about the centre of mass."""
    return torch.linalg.cross(_about_centre(positions, masses), momenta).sum(1)


def moving(state: State, masses: Tensor) -> State:
    """Return the same molecules with a net momentum and an angular momentum."""
    r = _about_centre(state.positions, masses)
    velocity = _VELOCITY + torch.linalg.cross(_TURNING.expand_as(r), r)
    return replace(state, momenta=state.momenta + masses[:, None] * velocity)


def attempts_of_step(
    before: State, after: State, asked: Tensor, target: Tensor, extra: Tensor, model: Model, options: Fssh
) -> Attempts:
    """Return the hops that a step was asked for, and one of each row of `extra` to the state next to its own.

    Args:
        before: The batch before the step.
        after: The batch after it; only its positions are looked at.
        asked: Rows of the batch where fewest switches asked for a hop.
        target: Where to.
        extra: Rows where one is attempted besides.
        model: The model.
        options: Those of the step.
    """
    rows = torch.cat([asked, extra])
    made_again = verlet(select(before, rows), model, masses=options.masses, dt=options.dt)
    if not torch.equal(made_again.positions, after.positions[rows]):
        raise RuntimeError("the step made again must end at the same positions, bit for bit, but does not")
    active = before.active_state[extra]
    beside = torch.where(active > 0, active - 1, active + 1)
    was_asked = torch.arange(len(rows)) < len(asked)
    return Attempts(made_again, torch.cat([target, beside]), was_asked)


def measure(attempts: Attempts, model: Model, after: Tensor) -> dict[Key, dict[str, np.ndarray]]:
    """Make every hop in every way and return what changed, one number a hop in atomic units.

    Args:
        attempts: The hops.
        model: The model.
        after: Momenta after the hops that fewest switches asked for, as the run made them.
    """
    masses, target = model.masses, attempts.target
    rows = torch.arange(len(target))
    force, coupling = forces_and_couplings(attempts.state, model, rows, target)
    results: dict[Key, dict[str, np.ndarray]] = {}
    for motion, (rescale, frustrated) in product(MOTIONS, OPTIONS):
        old = attempts.state if motion == "at rest" else moving(attempts.state, masses)
        direction = direction_of_kick(
            old, model, masses, rows, target_force=force, coupling=coupling, rescale=rescale
        )
        new, hops = settle_hops(
            old,
            masses,
            rows,
            target,
            direction=direction,
            target_force=force,
            frustrated=frustrated,
            zeta=torch.zeros_like(old.weight),
            probability=torch.ones_like(old.weight),
        )
        if motion == "at rest" and (rescale, frustrated) == OF_THE_RUN:
            if not torch.equal(new.momenta[attempts.asked], after):
                raise RuntimeError("the hop made again must give the same momenta, bit for bit, but does not")
        results[rescale, frustrated, motion] = {
            "accepted": hops.accepted.numpy(),
            **{name: value.numpy() for name, value in _changes(old, new, masses).items()},
        }
    return results


def collect(
    model: Model, n_hops: int, *, attempt_every: int, dt_fs: float, time_fs: float, batch: int
) -> tuple[dict[Key, dict[str, np.ndarray]], int, np.ndarray]:
    """Run batches until there are enough hops; trajectories that a run would stop are left out.

    Returns what `measure` gives for all hops, how many fewest switches asked for, and their gaps [hartree].
    """
    limits = Limits(
        max_energy_step=RunConfiguration.model_fields["max_energy_step_ev"].default * HARTREE_PER_EV
    )
    section = InitialSection(sample="wigner", n=batch, temperature_kelvin=0, state=model.n_states - 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = oscillators(model, section)
        print(*(f"Note: {text}" for text in (*(str(w.message) for w in caught), *found.warnings)), sep="\n")
    parts: list[dict[Key, dict[str, np.ndarray]]] = []
    gaps: list[np.ndarray] = []
    total, asked, seed = 0, 0, 0
    while total < n_hops:
        seed += 1
        initial = sample_oscillators(model, found, section, seed=seed)
        positions, momenta = torch.from_numpy(initial.positions), torch.from_numpy(initial.momenta)
        state = start_in_state(
            model, positions, momenta, masses=model.masses, active_state=model.n_states - 1
        )
        options = Fssh(
            dt=dt_fs * AU_PER_FEMTOSECOND,
            seed=seed,
            masses=model.masses,
            rescale=OF_THE_RUN[0],
            frustrated=OF_THE_RUN[1],
        )
        for number in range(1, round(time_fs / dt_fs) + 1):
            step = fssh_step(state, model, options)
            going = statuses(state, step, model, limits) == Status.RUNNING
            counted = going[step.hops.row]
            rows, target = step.hops.row[counted], step.hops.to_state[counted]
            quiet = going.clone()
            quiet[step.hops.row] = False
            extra = torch.nonzero(quiet)[:, 0] if number % attempt_every == 0 else rows[:0]
            if len(rows) + len(extra):
                attempts = attempts_of_step(state, step.state, rows, target, extra, model, options)
                parts.append(measure(attempts, model, step.state.momenta[rows]))
                gaps.append(_gap(attempts))
                total, asked = total + len(attempts.target), asked + len(rows)
            if total >= n_hops or not going.any():
                break
            state = select(step.state, going)
        print(f"batch {seed}: {total} hops, {asked} of them of fewest switches", flush=True)
    joined = {
        key: {name: np.concatenate([part[key][name] for part in parts]) for name in parts[0][key]}
        for key in parts[0]
    }
    return joined, asked, np.concatenate(gaps)


def print_table(results: dict[Key, dict[str, np.ndarray]]) -> list[dict[str, object]]:
    """Print the largest change of each option and return it, with medians."""
    print("largest change at one hop: energy (hartree), momentum and angular momentum (atomic units)")
    columns = f"{'energy':>9s}{'momentum':>9s}{'angular':>9s}"
    print(f"{'':51s}  {'molecule at rest':>27s}  {'moving and turning':>27s}")
    print(f"{'rescale':20s}{'frustrated':15s}{'accepted':>8s}{'refused':>8s}  {columns}  {columns}")
    rows = []
    for option in OPTIONS:
        row: dict[str, object] = {"rescale": option[0], "frustrated": option[1]}
        accepted = results[*option, "at rest"]["accepted"]
        line = f"{option[0]:20s}{option[1]:15s}{accepted.sum():8d}{(~accepted).sum():8d}"
        for motion in MOTIONS:
            found = results[*option, motion]
            row[motion] = {
                "accepted": int(found["accepted"].sum()),
                "refused": int((~found["accepted"]).sum()),
                **{f"largest_{name}": float(found[name].max()) for name in QUANTITIES},
                **{f"median_{name}": float(np.median(found[name])) for name in QUANTITIES},
            }
            line += "  " + "".join(f"{found[name].max():9.0e}" for name in QUANTITIES[:3])
        rows.append(row)
        print(line)
    return rows


def main() -> None:
    """Collect hops, print the largest changes, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="model file; the shipped hexafluorobutene without one")
    parser.add_argument("--hops", type=int, default=10_000)
    parser.add_argument("--attempt-every", type=int, default=20)
    parser.add_argument("--dt-fs", type=float, default=0.25)
    parser.add_argument("--time-fs", type=float, default=100.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--output", type=Path, default=Path("hops_conserve"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    model = nadyn.load_model(options.model or shipped.path("hexafluorobutene/hexafluorobutene.safetensors"))
    results, asked, gaps = collect(
        model,
        options.hops,
        attempt_every=options.attempt_every,
        dt_fs=options.dt_fs,
        time_fs=options.time_fs,
        batch=options.batch,
    )
    spread = np.quantile(gaps, [0.0, 0.5, 1.0]) / HARTREE_PER_EV
    print(f"\n{len(gaps)} hops, {asked} of them of fewest switches; masses {model.masses.unique().tolist()}")
    print(f"gaps (eV): smallest {spread[0]:.1e}, median {spread[1]:.2f}, largest {spread[2]:.2f}")
    rows = print_table(results)
    summary = {"n": len(gaps), "asked_by_fewest_switches": asked, "units": UNITS, "rows": rows}
    target = options.output / "hops_conserve.json"
    target.write_text(json.dumps(summary, indent=1), encoding="utf-8")
    print(f"Written: {target}")


def _about_centre(positions: Tensor, masses: Tensor) -> Tensor:
    return positions - (positions * masses[:, None]).sum(1, keepdim=True) / masses.sum()


def _gap(attempts: Attempts) -> np.ndarray:
    energies, active = attempts.state.energies, attempts.state.active_state
    return (potential_energy(energies, attempts.target) - potential_energy(energies, active)).abs().numpy()


def _changes(old: State, new: State, masses: Tensor) -> dict[str, Tensor]:
    potential = potential_energy(new.energies, new.active_state) - potential_energy(
        old.energies, old.active_state
    )
    kinetic = kinetic_energy(new.momenta, masses) - kinetic_energy(old.momenta, masses)
    change = new.momenta - old.momenta
    turned = angular_momentum(new.positions, new.momenta, masses) - angular_momentum(
        old.positions, old.momenta, masses
    )
    return {
        "energy": (kinetic + potential).abs(),
        "momentum": change.sum(1).norm(dim=1),
        "angular": turned.norm(dim=1),
        "kick": change.flatten(1).norm(dim=1),
    }


if __name__ == "__main__":
    main()
