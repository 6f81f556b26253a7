"""Datasets written as extended xyz, with all digits; `nadyn.data.readers.extxyz` reads them back."""

import warnings
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputWarning
from nadyn.checks.output import check_output, new_file
from nadyn.data.dataset import Dataset, Group
from nadyn.data.readers.extxyz_text import TEXTS, quoted
from nadyn.structures import formula, symbol
from nadyn.units import ELECTRON_MASS_PER_DALTON, to_atomic_units

_ENERGY = to_atomic_units("eV", "energy")
_LENGTH = to_atomic_units("angstrom", "length")
_FORCE = to_atomic_units("eV/angstrom", "force")
_STRESS = to_atomic_units("eV/angstrom^3", "stress")


def without_place(group: Group) -> list[str]:
    """Return which arrays of a group extended xyz does not hold."""
    lost = [
        key
        for key in ("dipoles", "polarisabilities", "spin_orbit", "spin_orbit_norms", "stress")
        if getattr(group, key) is not None
    ]
    if group.n_states == 1 and "stress" in lost:
        lost.remove("stress")
    return lost


def write_extxyz(path: str | Path, dataset: Dataset, *, overwrite: bool = False) -> None:
    """Write a dataset as extended xyz: one state under the common names, several as `readers.extxyz` says.

    Masses are a column; theory, source, licence, note and history stand in the first frame. Dipoles,
    polarisabilities, spin-orbit couplings and the stress of several states have no place and are left out
    with a warning. A label that a frame lacks is not written.

    Raises:
        InputError: The file exists and `overwrite` is False, or its folder does not exist.
    """
    check_output(Path(path), overwrite=overwrite)
    for group in dataset.groups:
        if lost := without_place(group):
            warnings.warn(
                f"group {group.name!r}: {' and '.join(lost)} have no place in extended xyz and are left out.",
                InputWarning,
                stacklevel=2,
            )
    with (
        new_file(Path(path), overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        for group in dataset.groups:
            for frame in range(group.n_frames):
                file.write(_frame(group, frame))


def _frame(group: Group, frame: int) -> str:
    columns = {"pos": group.positions[frame] / _LENGTH}
    single = group.n_states == 1
    if group.forces is not None:
        for state, forces in enumerate(group.forces[frame]):
            if np.isfinite(forces).all():
                columns["forces" if single else f"forces_{state}"] = forces / _FORCE
    if group.interstate_couplings is not None:
        for (k, l), coupling in zip(group.pairs, group.interstate_couplings[frame], strict=True):
            if np.isfinite(coupling).all():
                columns[f"interstate_couplings_{k}_{l}"] = coupling / _FORCE
    if group.charges is not None and np.isfinite(group.charges[frame]).all():
        columns["charges"] = group.charges[frame, :, None]
    if group.masses is not None:
        columns["masses"] = (group.masses / ELECTRON_MASS_PER_DALTON)[:, None]
    named = (f"{name}:R:{values.shape[1]}" for name, values in columns.items())
    header = ["Properties=species:S:1:" + ":".join(named)]
    if group.cell is not None:
        header.insert(0, f'Lattice="{_numbers(group.cell[frame] / _LENGTH)}"')
    if group.name != formula(group.atomic_numbers, group.masses):
        header.append(f"nadyn_group={quoted(group.name)}")
    header.append(f'pbc="{" ".join("T" if periodic else "F" for periodic in group.pbc)}"')
    energies = group.energies[frame] / _ENERGY
    header.append(f"energy={_numbers(energies)}" if single else f'energies="{_numbers(energies)}"')
    if single and group.stress is not None and np.isfinite(group.stress[frame]).all():
        # Nine numbers are a matrix column by column; a stress is symmetric, so the order does not matter.
        header.append(f'stress="{_numbers(group.stress[frame, 0] / _STRESS)}"')
    if group.weight is not None:
        header.append(f"nadyn_weight={float(group.weight[frame])!r}")
    if group.tag is not None and group.tag[frame]:
        header.append(f"nadyn_tag={quoted(group.tag[frame])}")
    if frame == 0:
        said = {key: getattr(group, key) for key in TEXTS}
        header += [f"nadyn_{key}={quoted(text)}" for key, text in said.items() if text]
    if "charge" not in group.assumed:
        header.append(f"charge={group.charge}")
    if "multiplicities" not in group.assumed or set(group.multiplicities) != {1}:
        spins = " ".join(str(spin) for spin in group.multiplicities)
        header.append(f'multiplicities="{spins}"')
    table = np.concatenate(list(columns.values()), axis=1)
    symbols = (symbol(int(number)) for number in group.atomic_numbers)
    lines = [f"{name} {_numbers(row)}" for name, row in zip(symbols, table, strict=True)]
    return "\n".join([str(group.n_atoms), " ".join(header), *lines]) + "\n"


def _numbers(values: np.ndarray) -> str:
    return " ".join(repr(float(value)) for value in np.ravel(values))
