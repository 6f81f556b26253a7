"""Single points of SHARC: `QM.in`, which has the geometry, beside `QM.out`; or a folder of such folders.

What `QM.out` holds is read by `sharc_output`. In a folder all that are up to three folders deep are read and
put together, and the tag of a frame is the folder it is from; those that are not finished are left out, and
said. All must be of one set of states.

Source: SHARC 2, 3 and 4 (github.com/sharc-md), the manual's sections on `QM.in`, `QM.out` and the folders of
trajectories and initial conditions.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_text
from nadyn.data.dataset import Dataset
from nadyn.data.readers.folders import files_below, place_of, warn_of_left_out
from nadyn.data.readers.reader import FolderReader, Reader, ReadOptions
from nadyn.data.readers.rows import Row, dataset_of_rows
from nadyn.data.readers.sharc_output import REQUESTS, read_qm_out
from nadyn.data.readers.sharc_states import multiplicities_of
from nadyn.data.validation import located
from nadyn.structures import atomic_number
from nadyn.units import BOHR_PER_ANGSTROM

# How a label is asked for in `QM.in`, in small letters.
_ASKED = {"forces": r"grad\b", "interstate_couplings": r"nacdr\b", "dipoles": r"dm\b"}


def read_sharc_points(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read all single points below a folder.

    Warns (`InputWarning`) of those that are not finished.

    Raises:
        InputError: There is none that is finished, or one is damaged.
    """
    path = Path(path)
    files = [file for file in files_below(path, ("QM.out", "QM.out.gz")) if (file.parent / "QM.in").is_file()]
    rows, unfinished = [], []
    for file in files:
        row = _point(file, place_of(path, file))
        if row is None:
            unfinished.append(file.parent)
        else:
            rows.append(row)
    warn_of_left_out(path, unfinished, "its `QM.out` has no end")
    if not rows:
        raise InputError(f"folder {str(path)!r} must hold a `QM.out` with an end, but holds none.")
    with located(f"folder {str(path)!r}"):
        return dataset_of_rows(rows, source=path.name)


def _point(file: Path, tag: str) -> Row | None:
    asked = file.parent / "QM.in"
    with located(f"SHARC file {str(asked)!r}"):
        check_file(asked, "the file")
        numbers, positions, counts, charge, requests = _qm_in(whole_text(asked))
    multiplicities = multiplicities_of(counts)
    found = read_qm_out(file, multiplicities=multiplicities, n_atoms=len(numbers), requests=requests)
    if found is None:
        return None
    return Row(
        atomic_numbers=numbers,
        arrays={"positions": positions, **found.arrays},
        multiplicities=multiplicities,
        charge=charge,
        tag=tag,
    )


def _qm_in(text: str) -> tuple[tuple[int, ...], np.ndarray, list[int], int | None, list[str]]:
    """Return atoms, positions [bohr], numbers of states by multiplicity, charge and requests."""
    lines = text.splitlines()
    try:
        n_atoms = int(lines[0])
        atoms = [line.split() for line in lines[2 : 2 + n_atoms]]
        numbers = tuple(atomic_number(re.sub(r"\d+$", "", atom[0])) for atom in atoms)
        positions = np.array([[float(x) for x in atom[1:4]] for atom in atoms])
    except (ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("the file must begin with a geometry like an .xyz file, but does not.") from error
    if n_atoms < 1 or positions.shape != (n_atoms, 3) or not np.isfinite(positions).all():
        raise InputError(f"the file must hold {n_atoms} atoms with three numbers each, but does not.")
    rest = "\n".join(lines[2 + n_atoms :]).lower()
    states = re.search(r"^\s*states((?:\s+\d+)+)\s*$", rest, flags=re.MULTILINE)
    if states is None or not any(int(word) for word in states[1].split()):
        raise InputError("`states` must stand in the file with a number a multiplicity, but does not.")
    counts = [int(word) for word in states[1].split()]
    while counts[-1] == 0:
        counts.pop()
    if sum(counts) > 500 or len(counts) > 8:
        raise InputError(f"`states` must be at most 500 and of 8 multiplicities, but are {counts}.")
    unit = re.search(r"^\s*unit\s+(\w+)", rest, flags=re.MULTILINE)
    if unit is None or unit[1] != "bohr":
        if unit is not None and not unit[1].startswith("ang"):
            raise InputError(f"`unit` must be bohr or angstrom, but is {unit[1]}.")
        positions = positions * BOHR_PER_ANGSTROM
    requests = [
        label for label, word in _ASKED.items() if re.search(rf"^\s*{word}", rest, flags=re.MULTILINE)
    ]
    return numbers, positions, counts, _charge(rest, counts), requests


def _charge(rest: str, counts: Sequence[int]) -> int | None:
    """Return the charge of the first multiplicity that has states, where it is said (SHARC 4)."""
    found = re.search(r"^\s*charge((?:\s+-?\d+)+)\s*$", rest, flags=re.MULTILINE)
    if found is None:
        return None
    charges = [int(word) for word in found[1].split()]
    used = {charge for charge, count in zip(charges, counts, strict=False) if count}
    if len(used) > 1:
        raise InputError(f"all states must have one charge, but `charge` says {charges}.")
    return used.pop() if used else None


def _holds_points(path: Path) -> bool:
    return any((file.parent / "QM.in").is_file() for file in files_below(path, ("QM.out", "QM.out.gz")))


def _recognises_point(content: bytes) -> bool:
    return content.lstrip().startswith((b"! 1 Hamiltonian Matrix", b"! 0 Basic information"))


def _read_point(path: Path, options: ReadOptions) -> Dataset:
    if not (path.parent / "QM.in").is_file():
        raise InputError(
            f"SHARC file {str(path)!r} must lie beside its `QM.in`, which holds the geometry, but does not."
        )
    row = _point(path, "")
    if row is None:
        raise InputError(f"SHARC file {str(path)!r} must have an end, but has none: SHARC was interrupted.")
    return dataset_of_rows([row], source=path.name)


assert REQUESTS.keys() == _ASKED.keys()

SHARC_POINTS = FolderReader("single points of SHARC", _holds_points, read_sharc_points)
SHARC_POINT = Reader("single point of SHARC (QM.out)", _recognises_point, _read_point)
