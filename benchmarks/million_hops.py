"""A million hops: what each keeps of the energy, with every rescaling option, for 1, 3 and more atoms.

    python benchmarks/million_hops.py [--hops 1000000] [--seed 1] [--output folder]

No dynamics: random geometries, momenta, gaps, forces and couplings are handed to the functions by which
every method hops, `direction_of_kick` and `settle_hops`. Gaps go from 1e-9 to 1 hartree either way, lengths
of couplings from 1e-12 to 1e3, total energies down to -2000 hartree; some couplings are zero or a rigid
motion, some momenta are zero, some hops are paid by a field. The energy before and after is summed here, in
extended precision, and so is what the batch stores of it. Compared besides: whether what is called
frustrated could not have been paid, and the momentum and angular momentum where the direction has no rigid
motion in it. Written: million_hops.json. A minute on one core.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.settle import Rescale, direction_of_kick, settle_hops
from nadyn.dynamics.state.batch import State
from nadyn.models.analytic import tully
from nadyn.models.model import CARTESIAN_LAWS

# Masses in electron masses of H, C, N, O, Br.
MASSES = np.array([1837.15, 21874.66, 25526.04, 29156.95, 143829.0])
# Atoms of each molecule, by the place of their masses; one generalised coordinate stands beside them.
MOLECULES = {
    "one coordinate": None,
    "one atom": (3,),
    "three atoms": (3, 0, 0),
    "three atoms in a row": (4, 1, 2),
    "twelve atoms": (1, 0, 2, 1, 0, 0, 4, 3, 1, 1, 0, 0),
}
N_STATES = 3
OPTIONS = tuple(product(get_args(Rescale), get_args(Frustrated)))
PROJECTED = ("nac", "gradient_difference")


class FreeMolecule:
    """As much of a model as the direction of a kick asks about."""

    coordinates = "cartesian"
    laws = CARTESIAN_LAWS


def random_hops(name: str, n: int, random: np.random.Generator) -> tuple[State, torch.Tensor, np.ndarray]:
    """Return a batch before its hops, where they go to, and the masses."""
    atoms = MOLECULES[name]
    masses = np.array([2000.0]) if atoms is None else MASSES[list(atoms)]
    shape = (n, len(masses), 1 if atoms is None else 3)
    positions = 3.0 * random.standard_normal(shape)
    if name.endswith("row"):
        along = random.standard_normal((n, 1, 3))
        positions = np.array([-3.5, 0.0, 2.2])[:, None] * along / np.linalg.norm(along, axis=2, keepdims=True)
    # Between 10 and 10,000 K.
    thermal = np.sqrt(masses[:, None] * 3e-5 * 10.0 ** random.uniform(0, 3, (n, 1, 1)))
    momenta = thermal * random.standard_normal(shape)
    momenta[random.random(n) < 0.01] = 0.0
    gaps = 10.0 ** random.uniform(-9, 0, (n, N_STATES))
    energies = np.cumsum(gaps, axis=1) - random.choice([0.0, 100.0, 2000.0], (n, 1))
    active = random.integers(0, N_STATES, n)
    target = (active + random.integers(1, N_STATES, n)) % N_STATES
    zero = torch.zeros(n, dtype=torch.float64)
    state = State(
        step=1,
        trajectory=torch.arange(n),
        positions=torch.from_numpy(positions),
        momenta=torch.from_numpy(momenta),
        force=torch.from_numpy(0.05 * random.standard_normal(shape)),
        energies=torch.from_numpy(energies),
        eigenvectors=torch.eye(N_STATES, dtype=torch.float64).expand(n, -1, -1),
        coefficients=torch.zeros(n, N_STATES, dtype=torch.complex128),
        active_state=torch.from_numpy(active),
        weight=zero + 1.0,
        total_energy=zero,
        reference_total_energy=zero,
        energy_error_max=zero,
        heat=zero,
        surplus_gap=zero + torch.inf,
        novelty=zero,
    )
    return state, torch.from_numpy(target), masses


def random_couplings(state: State, masses: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    """Return couplings of all lengths; one in fifty is zero, one in fifty moves all atoms alike."""
    shape = tuple(state.positions.shape)
    h = random.standard_normal(shape) * 10.0 ** random.uniform(-12, 3, (shape[0], 1, 1))
    kind = random.integers(0, 50, shape[0])
    h[kind == 0] = 0.0
    h[kind == 1] = masses[:, None] * random.standard_normal((int((kind == 1).sum()), 1, shape[2]))
    return torch.from_numpy(h)


def total_energy(state: State, masses: np.ndarray) -> np.ndarray:
    """Return kinetic and potential energy less heat in extended precision [hartree]."""
    p, energies = (array.numpy().astype(np.longdouble) for array in (state.momenta, state.energies))
    active = state.active_state.numpy()
    kinetic = (p * p / (2 * masses[:, None])).sum((1, 2))
    return kinetic + energies[np.arange(len(active)), active] - state.heat.numpy()


def both_momenta(state: State, masses: np.ndarray) -> np.ndarray:
    """Return the total momentum and, in units of hbar, the angular momentum about the centre of mass."""
    r, p = state.positions.numpy(), state.momenta.numpy()
    centre = (r * masses[:, None]).sum(1, keepdims=True) / masses.sum()
    return np.concatenate([p.sum(1), np.cross(r - centre, p).sum(1)], axis=1)


def could_have_paid(state: State, direction: np.ndarray, cost: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Tell where the kinetic energy along a direction is larger than the cost by more than rounding."""
    # Where there is no direction, that of the momenta.
    p, d = state.momenta.numpy(), direction / np.maximum(abs(direction).max((1, 2), keepdims=True), 1e-300)
    d = np.where((direction == 0).all((1, 2))[:, None, None], p, d)
    square = (d * d / masses[:, None]).sum((1, 2))
    along = (p * d / masses[:, None]).sum((1, 2)) ** 2 / np.where(square > 0, 2 * square, np.inf)
    return (square > 0) & (along > cost * (1 + 1e-9) + 1e-12)


def measured(name: str, rescale: str, frustrated: str, n: int, random: np.random.Generator) -> dict:
    """Hop, and return what was kept."""
    old, target, masses = random_hops(name, n, random)
    coupling = random_couplings(old, masses, random)
    target_force = torch.from_numpy(0.05 * random.standard_normal(tuple(old.force.shape)))
    rows, m = torch.arange(n), torch.from_numpy(masses)
    model = tully(1) if MOLECULES[name] is None else FreeMolecule()
    direction = direction_of_kick(
        old, model, m, rows, target_force=target_force, coupling=coupling, rescale=rescale
    )
    field = torch.from_numpy(random.random(n) < 0.05)
    new, hops = settle_hops(
        old,
        m,
        rows,
        target,
        direction=direction,
        target_force=target_force,
        frustrated=frustrated,
        zeta=old.heat,
        probability=old.weight,
        paid_by_field=field,
    )
    accepted = hops.accepted.numpy()
    error = np.abs(total_energy(new, masses) - total_energy(old, masses))
    cost = (hops.energy_to - hops.energy_from).numpy()
    wrong = ~accepted & could_have_paid(old, direction.numpy(), cost, masses)
    astray = not np.array_equal(
        new.active_state.numpy(), np.where(accepted, target.numpy(), old.active_state.numpy())
    )
    row = {
        "molecule": name,
        "rescale": rescale,
        "frustrated": frustrated,
        "hops": n,
        "accepted": int(accepted.sum()),
        "paid_by_field": int(field.sum()),
        "worst_energy": float(error.max()),
        "worst_total_energy": float(np.abs(new.total_energy.numpy() - total_energy(new, masses)).max()),
        "wrongly_refused": int(wrong.sum()) + int(astray),
        "worst_momenta": 0.0,
    }
    # A direction that had nothing but rigid motion in it is replaced by the momenta.
    if rescale in PROJECTED and len(masses) > 1:
        change = np.abs(both_momenta(new, masses) - both_momenta(old, masses)).max(1)
        row["worst_momenta"] = float(change[(direction != 0).flatten(1).any(1).numpy()].max())
    return row


def main() -> None:
    """Hop a million times, print a table, write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hops", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("million_hops"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = [(name, *pair) for name in MOLECULES for pair in OPTIONS]
    each, random = -(-options.hops // len(cases)), np.random.default_rng(options.seed)
    print(
        "molecule              rescale              frustrated        hops  accepted  worst |dE|  |dP|, |dL|"
    )
    rows = []
    for case in cases:
        row = measured(*case, each, random)
        rows.append(row)
        print(
            f"{row['molecule']:20s}  {row['rescale']:19s}  {row['frustrated']:14s}  {row['hops']:6d}  "
            f"{row['accepted']:8d}  {row['worst_energy']:10.1e}  {row['worst_momenta']:10.1e}",
            flush=True,
        )
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "million_hops.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    total, accepted = (sum(row[key] for row in rows) for key in ("hops", "accepted"))
    wrong = sum(row["wrongly_refused"] for row in rows)
    worst, booked = (max(row[key] for row in rows) for key in ("worst_energy", "worst_total_energy"))
    print(
        f"{total} hops, {accepted} accepted, {wrong} wrongly refused. Largest change of energy {worst:.1e} "
        f"hartree; largest error of the total energy that is stored {booked:.1e} hartree."
    )
    raise SystemExit(1 if wrong or max(worst, booked) > 1e-10 else 0)


if __name__ == "__main__":
    main()
