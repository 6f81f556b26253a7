"""A single point of SHARC: `QM.in`, which asks, and `QM.out`, which answers.

Of `QM.out` are read the Hamiltonian (block 1), dipole moments (2), gradients (3) and couplings d_kl (5), all
in atomic units. Block 8, the run time, is the end of the file: without it the program is still writing.

Source: SHARC 3 and SHARC 4 (github.com/sharc-md), their interfaces and the manual's sections on `QM.in` and
`QM.out`.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.checks.packed import whole_text
from nadyn.data.readers.sharc_states import counts_of, first_components, real_matrix, state_arrays
from nadyn.data.validation import located
from nadyn.structures import symbol

_HAMILTONIAN, _DIPOLES, _GRADIENTS, _DERIVATIVES, _RUNTIME = 1, 2, 3, 5, 8
_TITLES = {
    _HAMILTONIAN: "Hamiltonian Matrix",
    _DIPOLES: "Dipole Moment Matrices",
    _GRADIENTS: "Gradient Vectors",
    _DERIVATIVES: "Non-adiabatic couplings (ddr)",
}
# What a label has, and how it is asked for.
REQUESTS = {"forces": "grad all", "interstate_couplings": "nacdr", "dipoles": "dm"}
_BLOCKS = {"forces": _GRADIENTS, "interstate_couplings": _DERIVATIVES, "dipoles": _DIPOLES}


@dataclass(frozen=True)
class SinglePoint:
    """What a `QM.out` says.

    Attributes:
        arrays: `energies` and what was asked for, by state, as in `nadyn.data.Group` without the frames.
        seconds: Run time that the program gives.
    """

    arrays: dict[str, np.ndarray]
    seconds: float


def qm_in(
    atomic_numbers: Sequence[int],
    positions: Float[np.ndarray, "atom 3"],
    *,
    multiplicities: tuple[int, ...],
    charge: int,
    requests: Collection[str],
    comment: str = "",
) -> str:
    """Return the text of a `QM.in`, which SHARC 3 and 4 understand alike.

    `init` is for version 3 and `step 0` for version 4; each has no use for the other's. The charge of a
    multiplicity without states is one more, because version 4 wants one for each that fits its spin.

    Args:
        atomic_numbers: One number an atom.
        positions: The geometry [bohr].
        multiplicities: 2S + 1 of each state, in ascending order.
        charge: Total charge [e].
        requests: Which of `REQUESTS` to ask for, beside the energies.
        comment: Second line.
    """
    counts = counts_of(multiplicities)
    atoms = [
        f"{symbol(int(number)):2} {x:20.12f} {y:20.12f} {z:20.12f}"
        for number, (x, y, z) in zip(atomic_numbers, positions, strict=True)
    ]
    charges = [charge if count else charge + 1 for count in counts]
    lines = [
        str(len(atoms)),
        comment,
        *atoms,
        "unit bohr",
        f"states {' '.join(map(str, counts))}",
        f"charge {' '.join(map(str, charges))}",
        "init",
        "step 0",
        "savedir ./SAVEDIR",
        "h",
        *(line for key, line in REQUESTS.items() if key in requests),
    ]
    return "\n".join(lines) + "\n"


def read_qm_out(
    path: Path, *, multiplicities: tuple[int, ...], n_atoms: int, requests: Collection[str]
) -> SinglePoint | None:
    """Read a `QM.out`; None where it has no end yet.

    Args:
        path: The file.
        multiplicities: 2S + 1 of each state.
        n_atoms: Number of atoms.
        requests: Which of `REQUESTS` were asked for.

    Raises:
        InputError: The file is no `QM.out` of these states and atoms, or lacks what was asked for.
    """
    with located(f"SHARC file {str(path)!r}"):
        text = whole_text(path)
        parts = re.split(r"^! (\d+)[^\n]*\n", text, flags=re.MULTILINE)
        blocks = {int(number): body for number, body in zip(parts[1::2], parts[2::2], strict=True)}
        runtime = re.match(r"\s*([-+.\dEe]+)\s*\n", blocks.get(_RUNTIME, ""))
        if runtime is None:
            return None
        _check_states(blocks.get(0, ""), multiplicities)
        size = sum(multiplicities)
        square = (size, size)
        (hamiltonian,) = _tables(blocks, _HAMILTONIAN, [square], complex_=True)
        component = first_components(multiplicities)
        energies = hamiltonian.reshape(*square, 2)[component, component, 0]
        if not energies.any():
            raise InputError("the energies must have been computed, but all are 0.")
        vector = (n_atoms, 3)
        tables = {
            key: _tables(blocks, block, shapes, complex_=block == _DIPOLES)
            for key, block, shapes in (
                ("dipoles", _DIPOLES, [square] * 3),
                ("forces", _GRADIENTS, [vector] * size),
                ("interstate_couplings", _DERIVATIVES, [vector] * size * size),
            )
            if key in requests
        }
        found = state_arrays(
            multiplicities,
            n_atoms,
            energies=energies,
            gradient=lambda c: tables["forces"][c] if "forces" in tables else None,
            derivative=lambda c, d: (
                tables["interstate_couplings"][c * size + d] if "interstate_couplings" in tables else None
            ),
            dipole=lambda axis: real_matrix(tables["dipoles"][axis] if "dipoles" in tables else None, size),
        )
        arrays = {"energies": energies} | {key: found[key] for key in requests}
        return SinglePoint(arrays, float(runtime[1]))


def _check_states(header: str, multiplicities: tuple[int, ...]) -> None:
    """Compare the states that version 4 writes at the beginning."""
    found = re.search(r"^states((?:\s+\d+)+)[ \t]*$", header, flags=re.MULTILINE)
    if found is None:
        return
    counts = [int(word) for word in found[1].split()]
    while counts and counts[-1] == 0:
        counts.pop()
    if tuple(counts) != counts_of(multiplicities):
        wanted = " ".join(map(str, counts_of(multiplicities)))
        raise InputError(f"`states` must be {wanted} as asked, but are {' '.join(map(str, counts))}.")


def _tables(
    blocks: dict[int, str], number: int, shapes: list[tuple[int, int]], *, complex_: bool
) -> list[np.ndarray]:
    """Return the tables of a block, each of which begins with its shape."""
    title = f"`! {number} {_TITLES[number]}`"
    if number not in blocks:
        raise InputError(f"block {title} must be there, but is missing.")
    # Behind an exclamation mark stand the names of the states, not numbers.
    words = [word for line in blocks[number].splitlines() for word in line.partition("!")[0].split()]
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise InputError(f"block {title} must hold numbers, but does not.") from None
    if not np.isfinite(values).all():
        raise InputError(f"block {title} must hold finite numbers, but does not.")
    tables, at = [], 0
    for rows, columns in shapes:
        end = at + 2 + rows * columns * (2 if complex_ else 1)
        if end > len(values) or tuple(values[at : at + 2]) != (rows, columns):
            raise InputError(
                f"block {title} must hold {len(shapes)} of shape {rows} {columns}, but does not. Check the "
                "states and the atoms."
            )
        tables.append(values[at + 2 : end])
        at = end
    if at != len(values):
        raise InputError(f"block {title} must end after {len(shapes)} of them, but goes on.")
    return tables
