"""Trajectories as folders of SHARC, `TRAJ_00001` and so on, as its scripts and shnitsel-tools read them.

A folder has `input`, `geom`, `veloc`, `output.dat`, `output.lis` and `output.xyz`. Of `output.dat` there are
the Hamiltonian, which is diagonal, coefficients, kinetic energy, states, geometry and velocities; gradients,
couplings and dipoles are not in a run and not written. States are singlets without spin-orbit coupling, so
that the diagonal and the MCH representation are one. A frame of a run is a step. Trajectories that were
stopped have fewer steps than `nsteps`.

Source: SHARC 2 (github.com/sharc-md/sharc), `output.f90`, and the manual's chapter on `output.dat`.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.output import check_folder, telling_why
from nadyn.structures import symbol
from nadyn.trajectory.reader import Run
from nadyn.trajectory.trajectories import Trajectories
from nadyn.trajectory.writers.chosen import as_run, chosen_trajectories
from nadyn.trajectory.writers.displaced import Displaced
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    AU_PER_FEMTOSECOND,
    ELECTRON_MASS_PER_DALTON,
    ELECTRONVOLT_PER_HARTREE,
)


def write_sharc_folders(
    folder: str | Path,
    path: str | Path | Run,
    trajectories: Sequence[int] | None = None,
    molecule: Displaced | None = None,
) -> list[Path]:
    """Write trajectories of a run into a new folder, one folder each, and return where they are.

    Number k is in `TRAJ_` with k + 1, because SHARC counts from 1.

    Raises:
        InputError: The folder exists, the run is of no molecule, or its states are of several multiplicities.
        RunError: The disk is full.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(f"output {str(folder)!r} must not exist yet, but does. Choose another name.")
    check_folder(folder)
    opened = as_run(path)
    path = opened.path
    run, wanted = chosen_trajectories(opened, trajectories, molecule)
    if run.config.get("representation") == "spin_adiabatic" or "multiplicities" in opened.attributes:
        raise InputError(
            f"run {str(path)!r} must be of states of one multiplicity to be written for SHARC, but is of "
            "several."
        )
    with telling_why(folder):
        temporary = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
        try:
            written = []
            for traj in wanted:
                place = temporary / f"TRAJ_{traj + 1:05d}"
                place.mkdir()
                _write(place, run, traj)
                written.append(folder / place.name)
            temporary.chmod(0o755)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return written


def _write(place: Path, run: Trajectories, traj: int) -> None:
    frames = np.flatnonzero(run.alive[:, traj])
    step_fs = float(run.time_fs[1] - run.time_fs[0]) if len(run.time_fs) > 1 else 0.5
    zero = float(run.energies[0, traj, 0])
    velocities = run.momenta[:, traj] / run.masses[:, None]
    (place / "input").write_text(_input(run, step_fs, zero, int(run.active_state[0, traj]) + 1))
    names = [symbol(int(number)) for number in run.atomic_numbers]
    (place / "geom").write_text(
        "".join(
            f"{name:>4} {float(number):5.1f} {row[0]:16.10f} {row[1]:16.10f} {row[2]:16.10f} "
            f"{mass / ELECTRON_MASS_PER_DALTON:14.8f}\n"
            for name, number, row, mass in zip(
                names, run.atomic_numbers, run.positions[0, traj], run.masses, strict=True
            )
        )
    )
    (place / "veloc").write_text(
        "".join(" ".join(f"{x:18.12f}" for x in row) + "\n" for row in velocities[0])
    )
    with (place / "output.dat").open("w") as file:
        file.write(_header(run, step_fs, zero, names))
        for step, frame in enumerate(frames):
            file.write(_step(run, traj, int(frame), step, zero, velocities[frame]))
    (place / "output.lis").write_text(_listing(run, traj, frames, zero))
    with (place / "output.xyz").open("w") as file:
        for frame in frames:
            state = int(run.active_state[frame, traj]) + 1
            file.write(f"{len(names):12d}\n  t={run.time_fs[frame]:16.5f} {state:4d} {state:4d}\n")
            for name, row in zip(names, run.positions[frame, traj] * ANGSTROM_PER_BOHR, strict=True):
                file.write(f"{name:2} {row[0]:16.9f} {row[1]:16.9f} {row[2]:16.9f}\n")


def _input(run: Trajectories, step_fs: float, zero: float, state: int) -> str:
    n = run.n_states
    return (
        'printlevel 2\n\ngeomfile "geom"\nveloc external\nvelocfile "veloc"\n\n'
        f"nstates {n} 0 0\nactstates {n} 0 0\nstate {state} mch\ncoeff auto\nrngseed "
        f"{run.config.get('seed', 1)}\n\n"
        f"ezero {zero:.12f}\ntmax {run.time_fs[-1]:.6f}\nstepsize {step_fs:.6f}\nnsubsteps 25\n\n"
        "surf mch\ncoupling overlap\nnospinorbit\n"
    )


def _header(run: Trajectories, step_fs: float, zero: float, names: Sequence[str]) -> str:
    n_steps = len(run.time_fs) - 1
    settings = {
        "SHARC_version": "2.0",
        "maxmult": "3",
        "nstates_m": f"{run.n_states} 0 0",
        "natom": str(len(names)),
        "dtstep": repr(step_fs * AU_PER_FEMTOSECOND),
        "nsteps": str(n_steps),
        "nsubsteps": "25",
        "ezero": repr(zero),
        "write_overlap": "0",
        "write_grad": "0",
        "write_nacdr": "0",
        "write_property1d": "0",
        "write_property2d": "0",
        "n_property1d": "1",
        "n_property2d": "1",
        "laser": "0",
        "nospinorbit": "1",
    }
    lines = [f" {key} {value}" for key, value in settings.items()]
    lines[0] = lines[0].strip()
    lines.append(f"{'*' * 37} End of settings {'*' * 37}")
    lines += ["! Atomic numbers", *(f" {_number(float(z))}" for z in run.atomic_numbers)]
    lines += ["! Elements", *(f" {name} " for name in names)]
    lines += ["! Atomic masses", *(f" {_number(m)}" for m in run.masses)]
    lines.append(f"{'*' * 33} End of header array data {'*' * 32}")
    return "\n".join(lines) + "\n"


def _step(run: Trajectories, traj: int, frame: int, step: int, zero: float, velocities: np.ndarray) -> str:
    n = run.n_states
    energies = np.diag(run.energies[frame, traj] - zero).astype(complex)
    state = int(run.active_state[frame, traj]) + 1
    blocks = [
        ("0 Step", f"{step:12d}\n"),
        ("1 Hamiltonian (MCH) in a.u.", _complex(energies)),
        ("2 U matrix", _complex(np.eye(n, dtype=complex))),
        ("5 Coefficients (diag)", _complex(run.coefficients[frame, traj][:, None])),
        ("7 Ekin (a.u.)", f" {_number(run.kinetic_energy[frame, traj])}\n"),
        ("8 states (diag, MCH)", f"{state:12d}{state:12d}\n"),
        ("11 Geometry in a.u.", _real(run.positions[frame, traj])),
        ("12 Velocities in a.u.", _real(velocities)),
    ]
    return "".join(f"! {title}\n{body}" for title, body in blocks)


def _listing(run: Trajectories, traj: int, frames: np.ndarray, zero: float) -> str:
    lines = ["#     Step |  Time [fs] | diag | MCH | kin [eV] | pot [eV] | tot [eV] | - | - | - | -"]
    for step, frame in enumerate(frames):
        state = int(run.active_state[frame, traj])
        kinetic = run.kinetic_energy[frame, traj] * ELECTRONVOLT_PER_HARTREE
        potential = (run.energies[frame, traj, state] - zero) * ELECTRONVOLT_PER_HARTREE
        lines.append(
            f"{step:10d} {run.time_fs[frame]:14.5f} {state + 1:7d} {state + 1:7d} {kinetic:14.6f} "
            f"{potential:14.6f} "
            f"{kinetic + potential:14.6f} {0.0:14.6f} {0.0:14.6f} {0.0:14.6f} {0:12d}"
        )
    return "\n".join(lines) + "\n"


def _complex(matrix: np.ndarray) -> str:
    return "".join(
        " " + "     ".join(f"{_number(x.real)} {_number(x.imag)}" for x in row) + "\n" for row in matrix
    )


def _real(matrix: np.ndarray) -> str:
    return "".join(" " + " ".join(_number(x) for x in row) + "\n" for row in matrix)


def _number(value: float) -> str:
    """Return a number with all its digits and an exponent of three, which Fortran and Python read."""
    mantissa, exponent = f"{value: .16E}".split("E")
    return f"{mantissa}E{int(exponent):+04d}"
