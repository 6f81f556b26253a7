"""What accepted hops keep: total energy, total momentum and angular momentum, with a learned model.

    python benchmarks/hops_conserve.py [model.safetensors] [--hops 1000] [--rescale nac] [--output folder]

Surface hopping from Wigner samples on the highest state, batch after batch, until this many hops were
accepted. At each, the momenta before the kick are made again by the same Verlet step, and compared with those
after it: kinetic plus potential energy, sum of p, sum of r x p about the centre of mass. With
--rescale nac_unprojected the kick follows the coupling as it is, which need not keep the angular momentum: a
check that this benchmark would see a fault. Written: hops_conserve.json and hops_conserve.png. Two or three
minutes on one quiet core.
"""

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import nadyn
from nadyn import shipped
from nadyn.analysis.plots_style import COLOURS, new_figure
from nadyn.dynamics.configuration import RunConfiguration
from nadyn.dynamics.fssh import Fssh, fssh_step
from nadyn.dynamics.initial import InitialSection
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.dynamics.initial.sample import sample_oscillators
from nadyn.dynamics.start import start_in_state
from nadyn.dynamics.state import State, select
from nadyn.dynamics.stopping import Limits, Status, statuses
from nadyn.dynamics.verlet import verlet
from nadyn.models.model import Model
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_EV


@dataclass(frozen=True)
class Changes:
    """What accepted hops changed, each number once a hop, in atomic units.

    Attributes:
        energy: Total energy.
        momentum: Norm of the change of the total momentum.
        angular: Norm of the change of the angular momentum.
        kick: Norm of the change of all momenta; a hop that changes nothing proves nothing.
        gap: What the hop cost.
    """

    energy: np.ndarray
    momentum: np.ndarray
    angular: np.ndarray
    kick: np.ndarray
    gap: np.ndarray


def angular_momentum(positions: Tensor, momenta: Tensor, masses: Tensor) -> Tensor:
    """Return the sum of r x p about the centre of mass."""
    centre = (positions * masses[:, None]).sum(1, keepdim=True) / masses.sum()
    return torch.linalg.cross(positions - centre, momenta).sum(1)


def changes_of_step(before: State, after: State, rows: Tensor, model: Model, options: Fssh) -> Changes:
    """Compare the momenta after hops with those that the same Verlet step gives without them."""
    old, new = verlet(select(before, rows), model, masses=options.masses, dt=options.dt), select(after, rows)
    if not torch.equal(old.positions, new.positions):
        raise RuntimeError("the step made again must end at the same positions, bit for bit, but does not")

    def energy(state: State) -> tuple[Tensor, Tensor]:
        kinetic = (state.momenta**2 / (2 * options.masses[:, None])).sum((1, 2))
        return kinetic, state.energies.gather(1, state.active_state[:, None])[:, 0]

    (kinetic_old, potential_old), (kinetic_new, potential_new) = energy(old), energy(new)
    turned = angular_momentum(new.positions, new.momenta, options.masses) - angular_momentum(
        old.positions, old.momenta, options.masses
    )
    return Changes(
        (kinetic_new - kinetic_old + (potential_new - potential_old)).numpy(),
        (new.momenta - old.momenta).sum(1).norm(dim=1).numpy(),
        turned.norm(dim=1).numpy(),
        (new.momenta - old.momenta).flatten(1).norm(dim=1).numpy(),
        (potential_new - potential_old).abs().numpy(),
    )


def collect(model: Model, n_hops: int, *, rescale: str, dt_fs: float, time_fs: float, batch: int) -> Changes:
    """Run batches until there are enough hops; trajectories that a run would stop are left out."""
    limits = Limits(
        max_energy_step=RunConfiguration.model_fields["max_energy_step_ev"].default * HARTREE_PER_EV
    )
    section = InitialSection(sample="wigner", n=batch, temperature_kelvin=0, state=model.n_states - 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = oscillators(model, section)
        print(*(f"Note: {text}" for text in (*(str(w.message) for w in caught), *found.warnings)), sep="\n")
    parts: list[Changes] = []
    total, seed = 0, 0
    while total < n_hops:
        seed += 1
        initial = sample_oscillators(model, found, section, seed=seed)
        positions, momenta = torch.from_numpy(initial.positions), torch.from_numpy(initial.momenta)
        state = start_in_state(
            model, positions, momenta, masses=model.masses, active_state=model.n_states - 1
        )
        options = Fssh(dt=dt_fs * AU_PER_FEMTOSECOND, seed=seed, masses=model.masses, rescale=rescale)
        for _ in range(round(time_fs / dt_fs)):
            step = fssh_step(state, model, options)
            going = statuses(state, step, model, limits) == Status.RUNNING
            rows = step.hops.row[step.hops.accepted & going[step.hops.row]]
            if len(rows):
                parts.append(changes_of_step(state, step.state, rows, model, options))
                total += len(rows)
            if total >= n_hops or not going.any():
                break
            state = select(step.state, going)
        print(f"batch {seed}: {total} accepted hops, {len(state.trajectory)} of {batch} running", flush=True)
    return Changes(
        *(np.concatenate([getattr(p, name) for p in parts])[:n_hops] for name in Changes.__annotations__)
    )


def draw(changes: Changes, path: Path) -> None:
    """Draw the sizes of all deviations."""
    figure, axes = new_figure(2.8, columns=3, widths=(1.0, 1.0, 1.0))
    panels = (
        ("total energy", "hartree", changes.energy),
        ("momentum", "a.u.", changes.momentum),
        ("angular momentum", "ħ", changes.angular),
    )
    edges = np.logspace(-18, -6, 37)
    for one, colour, (name, unit, values) in zip(axes, COLOURS, panels, strict=False):
        # What did not change at all is counted at the left end, what changed by far at the right one.
        one.hist(np.clip(np.abs(values), edges[0], 0.99 * edges[-1]), edges, color=colour)
        one.set_xscale("log")
        one.set_title(name, fontsize=10)
        one.set_xlabel(f"|change| ({unit})")
    axes[0].set_ylabel("accepted hops")
    figure.savefig(path, dpi=160, facecolor="white")


def main() -> None:
    """Collect hops, print the largest changes, write JSON and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="model file; the shipped hexafluorobutene without one")
    parser.add_argument("--hops", type=int, default=1000)
    parser.add_argument(
        "--rescale", choices=("nac", "nac_unprojected", "gradient_difference", "isotropic"), default="nac"
    )
    parser.add_argument("--dt-fs", type=float, default=0.25)
    parser.add_argument("--time-fs", type=float, default=100.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--output", type=Path, default=Path("hops_conserve"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    model = nadyn.load_model(options.model or shipped.path("hexafluorobutene/hexafluorobutene.safetensors"))
    changes = collect(
        model,
        options.hops,
        rescale=options.rescale,
        dt_fs=options.dt_fs,
        time_fs=options.time_fs,
        batch=options.batch,
    )
    sizes = {name: np.abs(values) for name, values in vars(changes).items()}
    units = {"energy": "hartree", "momentum": "a.u.", "angular": "ħ", "kick": "a.u.", "gap": "hartree"}
    print(f"\n{len(changes.energy)} accepted hops, rescale: {options.rescale}")
    print("             median    largest")
    for name, values in sizes.items():
        print(f"{name:10s} {np.median(values):9.1e}  {values.max():9.1e}  {units[name]}")
    summary = {
        "rescale": options.rescale,
        "n": len(changes.energy),
        "units": units,
        "median": {name: float(np.median(values)) for name, values in sizes.items()},
        "largest": {name: float(values.max()) for name, values in sizes.items()},
    }
    target = options.output / "hops_conserve"
    target.with_suffix(".json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    draw(changes, target.with_suffix(".png"))
    print(f"Written: {target}.json and .png")


if __name__ == "__main__":
    main()
