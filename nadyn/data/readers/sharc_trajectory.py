"""A trajectory of SHARC (`output.dat`): every step becomes a frame, with all multiplicities.

Of the blocks of a step are read the Hamiltonian in the MCH basis, whose diagonal plus `ezero` are the
energies and whose rest is the spin-orbit coupling, geometry, dipole moments, gradients and couplings
(`NACdr`, which are d_kl, times the energy difference h_kl). All are in atomic units. Spin components stand by
multiplicity, M_S and state; gradients and couplings of one M_S are those of all. Gradients and couplings that
were not computed are zero in the file, and NaN here.

Source: SHARC 2 (github.com/sharc-md/sharc), `output.f90` and the manual's chapter on `output.dat`.
"""

import re
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.data.dataset import Dataset, state_pairs
from nadyn.data.readers.reader import Reader, ReadOptions, whole_text
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula, masses

# A mass that differs by less from that of the most abundant isotope is that one.
_SAME_MASS = 1e-4


def read_sharc_trajectory(path: str | Path) -> Dataset:
    """Read `output.dat`; the module says what it holds.

    Raises:
        InputError: The file is missing, no `output.dat`, or ends within its header.
    """
    path = Path(path)
    with located(f"SHARC file {str(path)!r}"):
        check_file(path, "the file")
        header, *steps = re.split(r"^! 0 Step", whole_text(path), flags=re.MULTILINE)
        counts = _whole_numbers(header, "nstates_m")
        e_zero = _setting(header, "ezero")
        numbers = _header_array(header, "Atomic numbers").astype(np.int64)
        spins = tuple(spin for spin, count in enumerate(counts, start=1) for _ in range(count))
        frames = [_frame(_blocks(step), spins, e_zero, len(numbers)) for step in steps]
        # The writer may have been stopped in the middle of a step.
        whole = [frame for frame in frames if frame is not None]
        if not whole:
            raise InputError("the file must hold a step, but holds none.")
        own = _header_array(header, "Atomic masses")
        usual = np.allclose(own, masses(numbers), rtol=_SAME_MASS)
        group = group_from_arrays(
            formula(numbers, own),
            atomic_numbers=numbers,
            masses=None if usual else own,
            multiplicities=spins,
            source=path.name,
            **{key: np.stack([frame[key] for frame in whole]) for key in whole[0]},
        )
    return Dataset((group,))


def _setting(header: str, key: str) -> float:
    found = re.search(rf"^\s*{key}\s+(\S+)", header, flags=re.MULTILINE)
    if found is None:
        raise InputError(f"`{key}` must stand in the header, but does not.")
    return float(found.group(1))


def _whole_numbers(header: str, key: str) -> list[int]:
    found = re.search(rf"^\s*{key}((?:\s+\d+)+)", header, flags=re.MULTILINE)
    if found is None:
        raise InputError(f"`{key}` must stand in the header, but does not.")
    return [int(word) for word in found.group(1).split()]


def _header_array(header: str, name: str) -> np.ndarray:
    found = re.search(rf"^! {name}\n((?:[ \t]*[-+.\dEe]+[ \t]*\n)+)", header, flags=re.MULTILINE)
    if found is None:
        raise InputError(f"`{name}` must stand in the header, but does not.")
    return np.array([float(word) for word in found.group(1).split()])


def _blocks(step: str) -> dict[str, np.ndarray]:
    """Return the numbers of each block of a step by its title, without its number."""
    blocks = {}
    for block in re.split(r"^! \d+ ", step, flags=re.MULTILINE)[1:]:
        title, _, body = block.partition("\n")
        try:
            blocks[" ".join(title.split())] = np.array([float(word) for word in body.split()])
        except ValueError:
            continue
    return blocks


def _frame(
    blocks: dict[str, np.ndarray], spins: tuple[int, ...], e_zero: float, n_atoms: int
) -> dict[str, np.ndarray] | None:
    """Return the arrays of a step; None if it is not whole."""
    size, n = sum(spins), len(spins)
    hamiltonian = blocks.get("Hamiltonian (MCH) in a.u.", np.empty(0))
    geometry = blocks.get("Geometry in a.u.", np.empty(0))
    if hamiltonian.size != 2 * size * size or geometry.size != 3 * n_atoms:
        return None
    hamiltonian = hamiltonian.reshape(size, size, 2)
    component = _first_components(spins)
    energies = hamiltonian[component, component, 0] + e_zero
    coupling = hamiltonian.copy()
    coupling[range(size), range(size)] = 0.0
    dipoles = np.stack(
        [
            _matrix(blocks.get(f"Dipole moments {axis} (MCH) in a.u."), size)[np.ix_(component, component)]
            for axis in "XYZ"
        ],
        axis=-1,
    )
    spin = np.array(spins)
    # Between multiplicities there is none, and what stands for it is the element of one M_S.
    dipoles[spin[:, None] != spin] = np.nan
    forces = np.stack([-_vectors(blocks.get(f"Gradients (MCH) State {c + 1}"), n_atoms) for c in component])
    couplings = []
    for k, l in state_pairs(n):
        title = f"NACdr matrix element (MCH) {component[k] + 1} {component[l] + 1}"
        known = _vectors(blocks.get(title) if spins[k] == spins[l] else None, n_atoms)
        couplings.append(known * (energies[l] - energies[k]))
    return {
        "positions": geometry.reshape(n_atoms, 3),
        "energies": energies,
        "forces": forces,
        "interstate_couplings": np.array(couplings).reshape(-1, n_atoms, 3),
        "dipoles": dipoles,
        "spin_orbit": coupling,
    }


def _first_components(spins: tuple[int, ...]) -> list[int]:
    """Return the component with the lowest M_S of each state."""
    places, start = [], 0
    for spin in dict.fromkeys(spins):
        count = spins.count(spin)
        places += range(start, start + count)
        start += spin * count
    return places


def _matrix(block: np.ndarray | None, size: int) -> np.ndarray:
    """Return the real part of a complex matrix; NaN where there is none."""
    if block is None or block.size != 2 * size * size:
        return np.full((size, size), np.nan)
    return block.reshape(size, size, 2)[..., 0]


def _vectors(block: np.ndarray | None, n_atoms: int) -> np.ndarray:
    """Return a gradient or coupling; NaN where it was not computed."""
    if block is None or block.size != 3 * n_atoms or not block.any():
        return np.full((n_atoms, 3), np.nan)
    return block.reshape(n_atoms, 3)


def _recognises(content: bytes) -> bool:
    return content.lstrip().startswith(b"SHARC_version")


def _read(path: Path, options: ReadOptions) -> Dataset:
    return read_sharc_trajectory(path)


SHARC_TRAJECTORY = Reader("trajectory of SHARC (output.dat)", _recognises, _read)
