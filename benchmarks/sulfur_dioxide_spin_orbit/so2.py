"""Spin-orbit coupling of SO2 learned from its template: labels, errors on unseen geometries, populations.

    python so2.py label so2.h5 --n 400 --seed 1
    nadyn train so2.h5 --multiplicity 1 --config singlets.yaml --output singlets.safetensors
    nadyn train so2.h5 --multiplicity 3 --config triplets.yaml --output triplets.safetensors
    nadyn couple singlets.safetensors triplets.safetensors --data so2.h5 --output both.safetensors
    python so2.py label unseen.h5 --n 100 --seed 2
    python so2.py check both.safetensors unseen.h5
    python so2.py run both.safetensors --trajectories 100 --time-fs 50

The template is a vibronic coupling model in normal coordinates whose spin-orbit matrix is constant in the
diabatic basis and in the frame of its reference geometry. A geometry is turned into that frame by the
conditions of Eckart, and vectors are turned back; labels are given for molecules turned at random. The matrix
is between real spin functions in place of M_S: see `template_vectors`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from nadyn.data import Dataset, group_from_arrays, load_dataset, state_pairs, write_dataset
from nadyn.dynamics.initial.sample import sample
from nadyn.dynamics.run.loop import run as run_dynamics
from nadyn.dynamics.run_file import InitialSection, RunConfiguration
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.interfaces.model_source import model_source
from nadyn.models import load_model
from nadyn.models.analytic import sulfur_dioxide
from nadyn.models.analytic.orientation import oriented
from nadyn.models.spin_states import spin_states
from nadyn.models.spin_vectors import matrix_of_vectors
from nadyn.training.evaluation import compare, metrics
from nadyn.training.spin_orbit import spin_orbit_errors
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import InitialConditions, write_initial_conditions

# The spin function in the place of M_S = -1, 0, 1: S1 (B1) couples with T2 (B2) along z of A2, and so on.
AXES = (2, 1, 0)
# Width of the dimensionless coordinates; 0.71 is that of the ground state.
SPREAD = 1.5


def template_vectors() -> torch.Tensor:
    """Return v_kl [hartree] between the diabatic states in the frame of the template.

    Its matrix is real and, between triplets, couples different columns of M_S = -1, 0, 1 only: they are T_z,
    T_y and T_x, with <S|H|T_x> = v_x and <T_k,x|H|T_l,y> = ε_xyz v_kl,z. S0 (A1) couples with T1, T2 and T3
    along y, x (the normal of the plane) and z: rotations about these axes are B1, B2 and A2, as the triplets.
    """
    model = sulfur_dioxide("triplets")
    matrix = model.spin_orbit
    if float(matrix.imag.abs().max()) > 0.0:
        raise SystemExit("the template is expected to be real")
    spins, h = spin_states(model.multiplicities), matrix.real
    place = {(int(r), int(m)): i for i, (r, m) in enumerate(zip(spins.row, spins.projection, strict=True))}
    n = len(model.multiplicities)
    v = torch.zeros(n, n, 3, dtype=torch.float64)
    sign = torch.zeros(3, 3, 3, dtype=torch.float64)
    for x, y, z in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        sign[x, y, z], sign[y, x, z] = 1.0, -1.0
    for k in range(n):
        for l in range(n):
            own = model.multiplicities[k], model.multiplicities[l]
            for c, first in zip((-1, 0, 1), AXES, strict=True):
                if own == (1, 3):
                    v[k, l, first] = h[place[k, 0], place[l, c]]
                    v[l, k, first] = -v[k, l, first]
                for d, second in zip((-1, 0, 1), AXES, strict=True):
                    if own == (3, 3):
                        v[k, l] += 0.5 * sign[first, second] * h[place[k, c], place[l, d]]
    # The same levels as the template's own matrix, at a geometry off the minimum.
    q = torch.tensor([[[0.7], [-1.1], [0.4]]], dtype=torch.float64)
    free = spins.expand(model.evaluate(q).hamiltonian)[0]
    made = torch.linalg.eigvalsh(free + matrix_of_vectors(v, model.multiplicities))
    if float((made - torch.linalg.eigvalsh(free + matrix)).abs().max()) > 1e-6:
        raise SystemExit("the vectors are expected to have the levels of the template, but have others")
    return v


def label(path: Path, n: int, seed: int) -> None:
    """Write geometries turned at random with energies, forces, h and spin-orbit matrices."""
    model, random = sulfur_dioxide("triplets"), np.random.default_rng(seed)
    source, v = model_source(model), template_vectors()
    spins = model.multiplicities
    rows: dict[str, list[np.ndarray]] = {}
    for _ in range(n):
        q = torch.from_numpy(SPREAD * random.standard_normal((1, 3, 1)))
        turn = np.linalg.qr(random.standard_normal((3, 3)))[0]
        turn = turn * np.linalg.det(turn)
        positions = model.frame.positions(q)[0].numpy() @ turn.T
        found = source.label(positions)
        states = torch.from_numpy(found.memory["eigenvectors"])
        frame = oriented(torch.from_numpy(positions), model.frame.reference, model.frame.masses)
        turned = frame.turned_back(torch.einsum("ak,abx,bl->klx", states, v, states))
        couplings = found.interstate_couplings.copy()
        for number, (k, l) in enumerate(state_pairs(len(spins))):
            if spins[k] != spins[l]:
                couplings[number] = np.nan
        for key, array in (
            ("positions", positions),
            ("energies", found.energies),
            ("forces", found.forces),
            ("interstate_couplings", couplings),
            ("spin_orbit", torch.view_as_real(matrix_of_vectors(turned, spins)).numpy()),
        ):
            rows.setdefault(key, []).append(array)
    group = group_from_arrays(
        "so2",
        atomic_numbers=source.atomic_numbers,
        multiplicities=spins,
        charge=0,
        theory=source.theory,
        **{key: np.stack(arrays) for key, arrays in rows.items()},
    )
    write_dataset(path, Dataset((group,)), overwrite=True)


def check(path: Path, data: Path) -> None:
    """Print errors on geometries that the model has not seen."""
    model, group = load_model(path), load_dataset(data).groups[0]
    errors = metrics(compare(model, group))
    for key in ("energy_mae_ev", "force_mae_ev_per_angstrom", "coupling_relative_error"):
        print(key, errors[key])
    found = spin_orbit_errors(model, group)
    print(
        f"spin-orbit: {found.mae_cm1:.3f} cm-1 (predicting nothing {found.zero_mae_cm1:.2f}), "
        f"relative {found.relative_error:.4f}, {found.n_frames} frames"
    )


def run(path: Path, trajectories: int, time_fs: float) -> None:
    """Print triplet populations of fewest switches on the template and on the model, from the same starts."""
    template, learned = sulfur_dioxide("triplets"), load_model(path)
    start = sample(template, InitialSection(sample="wigner", n=trajectories, temperature_kelvin=0), seed=5)
    q, p = torch.from_numpy(start.positions), torch.from_numpy(start.momenta)
    frame = template.frame
    singlets = template.evaluate(q).hamiltonian[:, :3, :3]
    energies, _ = energies_and_eigenvectors(template, q)
    wanted = torch.linalg.eigvalsh(singlets)[:, 1]
    first = (energies - wanted[:, None]).abs().argmin(dim=1)
    # Momenta of the atoms: P = √M L p √ω, the inverse of `NormalCoordinates.momenta`.
    scaled = p[:, :, 0] * frame.frequencies.sqrt()
    atoms = torch.einsum("tm,mnx->tnx", scaled, frame.vectors) * frame.masses.sqrt()[:, None]
    # The modes of the template have four digits.
    assert float((frame.momenta(atoms) - p).abs().max()) < 1e-4 * float(p.abs().max())
    starts = {
        "template": (template, q, p, template.masses, None, first),
        "learned": (learned, frame.positions(q), atoms, frame.masses, frame.atomic_numbers, None),
    }
    found = {}
    for name, (model, positions, momenta, masses, numbers, states) in starts.items():
        file = Path(f"{name}_initial.h5")
        file.unlink(missing_ok=True)
        initial = InitialConditions(
            positions=positions.numpy(),
            momenta=momenta.numpy(),
            weight=np.ones(trajectories),
            masses=masses.numpy(),
            atomic_numbers=None if numbers is None else np.array(numbers),
            state=1 if states is None else None,
            diabatic_state=None,
            origin="Wigner sample of the template, on the adiabatic S1",
            temperature_kelvin=0.0,
            states=None if states is None else states.numpy(),
        )
        write_initial_conditions(file, initial)
        config = RunConfiguration(
            initial={"file": str(file)},
            method="fssh",
            dt_fs=0.5,
            time_fs=time_fs,
            seed=3,
            output=f"{name}.h5",
        )
        Path(config.output).unlink(missing_ok=True)
        run_dynamics(config, model=model, progress=False)
        populations = np.asarray(open_run(config.output).diabatic_populations)
        triplet = populations[:, :, 3:].sum(axis=2) if populations.shape[2] == 6 else populations[:, :, 1]
        alive = ~np.isnan(triplet)
        count = alive.sum(axis=1)
        mean = np.nansum(triplet, axis=1) / count
        error = np.nanstd(triplet, axis=1, ddof=1) / np.sqrt(count)
        found[name] = mean, error, count
    print("   fs    template              learned               difference / standard error")
    for step in np.linspace(0, len(found["template"][0]) - 1, 6).round().astype(int):
        (a, ea, na), (b, eb, nb) = ((m[step], e[step], c[step]) for m, e, c in found.values())
        apart = (b - a) / max(np.hypot(ea, eb), 1e-12)
        time = step * time_fs / (len(found["template"][0]) - 1)
        print(f"{time:6.1f}  {a:.4f} ± {ea:.4f} ({na})  {b:.4f} ± {eb:.4f} ({nb})  {apart:+.2f}")


def main() -> None:
    """Run the command that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("label")
    one.add_argument("output", type=Path)
    one.add_argument("--n", type=int, default=400)
    one.add_argument("--seed", type=int, default=1)
    two = commands.add_parser("check")
    two.add_argument("model", type=Path)
    two.add_argument("data", type=Path)
    three = commands.add_parser("run")
    three.add_argument("model", type=Path)
    three.add_argument("--trajectories", type=int, default=100)
    three.add_argument("--time-fs", type=float, default=50.0)
    given = parser.parse_args()
    if given.command == "label":
        label(given.output, given.n, given.seed)
    elif given.command == "check":
        check(given.model, given.data)
    else:
        run(given.model, given.trajectories, given.time_fs)


if __name__ == "__main__":
    main()
