"""A trajectory of SHARC (`output.dat`): every step becomes a frame, with all multiplicities.

Of the blocks of a step are read the Hamiltonian in the MCH basis, whose diagonal plus `ezero` are the
energies and whose rest is the spin-orbit coupling, geometry, dipole moments, gradients and couplings
(`NACdr`, which are d_kl, times the energy difference h_kl). All are in atomic units. Spin components stand by
multiplicity, M_S and state; gradients and couplings of one M_S are those of all. Gradients and couplings that
were not computed are zero in the file, and NaN here.

In a folder all trajectories up to three folders deep are read and put together; the tag of a frame is the
folder it is from. Trajectories that SHARC's own scripts leave out, because a file `DONT_ANALYZE` lies beside
them, are left out here too, and said.

Source: SHARC 2 (github.com/sharc-md/sharc), `output.f90` and the manual's chapter on `output.dat`.
"""

import re
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_text
from nadyn.data.dataset import Dataset, with_source
from nadyn.data.joining import join
from nadyn.data.readers.folders import files_below, place_of, tagged, warn_of_left_out
from nadyn.data.readers.reader import FolderReader, Reader, ReadOptions
from nadyn.data.readers.sharc_states import first_components, multiplicities_of, real_matrix, state_arrays
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
        text = whole_text(path)
        header, *steps = re.split(r"^! 0 Step", text, flags=re.MULTILINE)
        counts = _whole_numbers(header, "nstates_m")
        e_zero = _setting(header, "ezero")
        numbers = _header_array(header, "Atomic numbers").astype(np.int64)
        spins = multiplicities_of(counts)
        blocks = [_blocks(step) for step in steps]
        # The writer may have been stopped in the middle of a step.
        if blocks and (not text.endswith("\n") or _lacks(blocks[-1], blocks[-2] if len(blocks) > 1 else {})):
            blocks.pop()
        frames = [_frame(one, spins, e_zero, len(numbers)) for one in blocks]
        whole = [frame for frame in frames if frame is not None]
        if not whole:
            raise InputError("the file must hold a step, but holds none.")
        own = _header_array(header, "Atomic masses")
        if len(own) != len(numbers):
            raise InputError(
                f"the header must hold a mass for each of {len(numbers)} atoms, but holds {len(own)}."
            )
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


def read_sharc_trajectories(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read all trajectories below a folder; groups of one molecule are joined.

    Warns (`InputWarning`) of trajectories that are left out.

    Raises:
        InputError: There is none, or one is damaged.
    """
    path = Path(path)
    files = files_below(path, ("output.dat", "output.dat.gz"))
    if not files:
        raise InputError(f"folder {str(path)!r} must hold an `output.dat`, but holds none.")
    chosen = [file for file in files if not (file.parent / "DONT_ANALYZE").exists()]
    warn_of_left_out(path, [file.parent for file in files if file not in chosen], "`DONT_ANALYZE` is in it")
    if not chosen:
        raise InputError(
            f"folder {str(path)!r} must hold a trajectory without `DONT_ANALYZE`, but holds none."
        )
    return with_source(
        join([tagged(read_sharc_trajectory(file), place_of(path, file)) for file in chosen]), path.name
    )


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


def _lacks(blocks: dict[str, np.ndarray], before: dict[str, np.ndarray]) -> bool:
    """Return whether a step has not all that the step before it has."""
    return any(title not in blocks or blocks[title].size != array.size for title, array in before.items())


def _frame(
    blocks: dict[str, np.ndarray], spins: tuple[int, ...], e_zero: float, n_atoms: int
) -> dict[str, np.ndarray] | None:
    """Return the arrays of a step; None if it is not whole."""
    size = sum(spins)
    hamiltonian = blocks.get("Hamiltonian (MCH) in a.u.", np.empty(0))
    geometry = blocks.get("Geometry in a.u.", np.empty(0))
    if hamiltonian.size != 2 * size * size or geometry.size != 3 * n_atoms:
        return None
    hamiltonian = hamiltonian.reshape(size, size, 2)
    component = first_components(spins)
    energies = hamiltonian[component, component, 0] + e_zero
    coupling = hamiltonian.copy()
    coupling[range(size), range(size)] = 0.0
    return {
        "positions": geometry.reshape(n_atoms, 3),
        "energies": energies,
        "spin_orbit": coupling,
        **state_arrays(
            spins,
            n_atoms,
            energies=energies,
            gradient=lambda c: blocks.get(f"Gradients (MCH) State {c + 1}"),
            derivative=lambda c, d: blocks.get(f"NACdr matrix element (MCH) {c + 1} {d + 1}"),
            dipole=lambda axis: real_matrix(blocks.get(f"Dipole moments {'XYZ'[axis]} (MCH) in a.u."), size),
        ),
    }


def _holds_trajectories(path: Path) -> bool:
    files = files_below(path, ("output.dat",))
    if files:
        with files[0].open("rb") as file:
            return file.read(200).lstrip().startswith(b"SHARC_version")
    return bool(files_below(path, ("output.dat.gz",)))


def _recognises(content: bytes) -> bool:
    return content.lstrip().startswith(b"SHARC_version")


def _read(path: Path, options: ReadOptions) -> Dataset:
    return read_sharc_trajectory(path)


SHARC_TRAJECTORIES = FolderReader("trajectories of SHARC", _holds_trajectories, read_sharc_trajectories)
SHARC_TRAJECTORY = Reader("trajectory of SHARC (output.dat)", _recognises, _read)
