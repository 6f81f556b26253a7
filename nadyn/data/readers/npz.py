"""Arrays of NumPy (`.npz`) as sGDML, MD17 and revised MD17 keep them, or with the names of a dataset.

| label | names, the first that is there |
|---|---|
| atoms | `z`, `nuclear_charges`, `atomic_numbers`, `Z` |
| positions (frame, atom, 3) | `R`, `coords`, `positions` |
| energies (frame) or (frame, state) | `E`, `energies` |
| forces (frame, atom, 3) or (frame, state, atom, 3) | `F`, `forces` |
| couplings (frame, pair, atom, 3) | `interstate_couplings`, where their unit is given |

Units: `r_unit` and `e_unit` of sGDML, whose forces are in their quotient; ångström and kcal/mol of revised
MD17, which is known by its `old_indices`; else they must be given. Atoms with their own number a frame
(`z` of shape (frame, atom)) are not read. Objects of Python in a file are refused, because reading them would
run code.

Source: github.com/stefanch/sGDML, `sgdml/utils/io.py`; A. S. Christensen and O. A. von Lilienfeld, Mach.
Learn.: Sci. Technol. 1, 045018 (2020), README of the data.
"""

import io
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.files import check_file
from nadyn.checks.packed import whole_content
from nadyn.checks.unpacked import check_unpacked
from nadyn.data.dataset import Dataset, state_pairs
from nadyn.data.readers.inverse_length import couplings_in
from nadyn.data.readers.reader import Reader, ReadOptions, to_atomic
from nadyn.data.validation import group_from_arrays, located
from nadyn.structures import formula

_NAMES = {
    "atomic_numbers": ("z", "nuclear_charges", "atomic_numbers", "Z"),
    "positions": ("R", "coords", "positions"),
    "energies": ("E", "energies"),
    "forces": ("F", "forces"),
    "interstate_couplings": ("interstate_couplings",),
}
# Facts about a file that are no labels.
_ABOUT = (
    *("r_unit", "e_unit", "type", "code_version", "name", "theory", "md5", "perms", "lattice"),
    *("old_indices", "old_energies", "old_forces", "E_min", "E_max", "E_mean", "E_var"),
    *("F_min", "F_max", "F_mean", "F_var", "units"),
)


def read_npz(path: str | Path, options: ReadOptions | None = None) -> Dataset:
    """Read arrays of NumPy; the module says which names are understood.

    Warns (`InputWarning`) of arrays that are not read.

    Raises:
        InputError: The file is missing, damaged or holds objects, an array is missing or of the wrong shape,
            or a unit is neither in the file nor given.
    """
    path, options = Path(path), options or ReadOptions()
    with located(f"NumPy file {str(path)!r}"):
        check_file(path, "the file")
        options.check_labels(_NAMES, "NumPy files")
        content = _content(path)
        names = {label: _name(label, content, options) for label in _NAMES}
        numbers = _array(content, names, "atomic_numbers")
        if numbers.ndim != 1 or (numbers % 1 != 0).any():
            raise InputError(
                f"`{names['atomic_numbers']}` must be one list of whole numbers, but has shape "
                f"{numbers.shape}. Make a file of each molecule."
            )
        numbers = numbers.astype(np.int64)
        length, energy, force = _factors(content, options, has_forces=names["forces"] is not None)
        positions = _array(content, names, "positions") * length
        energies = _array(content, names, "energies") * energy
        if positions.ndim != 3:
            raise InputError(
                f"`{names['positions']}` must have shape (frame, atom, 3), but has shape {positions.shape}."
            )
        if energies.ndim == 1 or energies.shape == (len(positions), 1):
            energies = energies.reshape(-1, 1)
        forces = None
        if names["forces"] is not None:
            forces = _array(content, names, "forces") * force
            forces = forces[:, None] if forces.ndim == 3 else forces
        _warn_of_unread(content, names)
        group = group_from_arrays(
            formula(numbers),
            atomic_numbers=numbers,
            positions=positions,
            energies=energies,
            forces=forces,
            interstate_couplings=_couplings(content, names, energies, options),
            multiplicities=options.multiplicities,
            theory=_text(content, "theory"),
            source=path.name,
        )
    return Dataset((group,))


def _content(path: Path) -> dict[str, np.ndarray]:
    try:
        content = whole_content(path)
        _check_sizes(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except InputError:
        raise
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise InputError("the arrays must hold numbers and text only, but one holds objects.") from error
        raise InputError("the file must be whole, but cannot be read. Copy it again.") from error
    except (
        OSError,
        EOFError,
        KeyError,
        SyntaxError,
        RuntimeError,
        TypeError,
        OverflowError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError("the file must be whole, but cannot be read. Copy it again.") from error


def _check_sizes(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        check_unpacked(sum(one.file_size for one in archive.infolist()), len(content), "the file")


def _name(label: str, content: Mapping[str, np.ndarray], options: ReadOptions) -> str | None:
    own = options.key_of(label)
    if own is not None:
        if own not in content:
            raise InputError(
                f"`--key` must name an array, but there is no {own!r}. There are: {_there(content)}."
            )
        return own
    return next((name for name in _NAMES[label] if name in content), None)


def _array(content: Mapping[str, np.ndarray], names: Mapping[str, str | None], label: str) -> np.ndarray:
    name = names[label]
    if name is None:
        raise InputError(
            f"`{label}` must be there, under {' or '.join(f'`{one}`' for one in _NAMES[label])}, but is "
            "not. There "
            f"are: {_there(content)}. `--key {label}=NAME` reads another."
        )
    array = content[name]
    if array.dtype.kind not in "iuf":
        raise InputError(f"`{name}` must hold numbers, but holds {array.dtype}.")
    return array.astype(np.float64)


def _factors(
    content: Mapping[str, np.ndarray], options: ReadOptions, *, has_forces: bool
) -> tuple[float, float, float]:
    revised = "old_indices" in content
    length_unit = _text(content, "r_unit") or ("angstrom" if revised else None)
    energy_unit = _text(content, "e_unit") or ("kcal/mol" if revised else None)
    length = to_atomic("positions", options, length_unit, "length")
    energy = to_atomic("energies", options, energy_unit, "energy")
    if "forces" in options.units or not has_forces:
        return length, energy, to_atomic("forces", options, None, "force") if has_forces else 1.0
    # The forces of these files are the derivative of what stands beside them.
    return length, energy, energy / length


def _couplings(
    content: Mapping[str, np.ndarray],
    names: Mapping[str, str | None],
    energies: np.ndarray,
    options: ReadOptions,
) -> np.ndarray | None:
    if names["interstate_couplings"] is None:
        return None
    factor, is_d = couplings_in(options.units.get("interstate_couplings"))
    couplings = _array(content, names, "interstate_couplings") * factor
    pairs = state_pairs(energies.shape[1])
    if is_d and couplings.ndim == 4 and couplings.shape[:2] == (len(energies), len(pairs)):
        gaps = np.stack([energies[:, l] - energies[:, k] for k, l in pairs], axis=1)
        couplings = couplings * gaps[:, :, None, None]
    return couplings


def _warn_of_unread(content: Mapping[str, np.ndarray], names: Mapping[str, str | None]) -> None:
    unread = sorted(set(content) - set(_ABOUT) - {name for name in names.values() if name})
    if unread:
        listed = ", ".join(f"`{name}`" for name in unread)
        warnings.warn(
            f"not read: {listed}. `--key LABEL=NAME` reads other names.", InputWarning, stacklevel=3
        )
    lattice = content.get("lattice")
    if lattice is not None and lattice.dtype.kind in "iuf":
        warnings.warn(
            "`lattice` was not read: the frames are taken as isolated molecules.", InputWarning, stacklevel=3
        )


def _text(content: Mapping[str, np.ndarray], key: str) -> str:
    value = content.get(key)
    if value is None or value.shape != () or value.dtype.kind not in "US":
        return ""
    return value.item().decode("utf-8", "replace") if value.dtype.kind == "S" else str(value.item())


def _there(content: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(content)) or "none"


def _recognises(content: bytes) -> bool:
    # A zip archive whose first member is an array.
    return content.startswith(b"PK\x03\x04") and b".npy" in content[:512]


NPZ = Reader(
    "NumPy file (npz)",
    _recognises,
    read_npz,
    frozenset({"energy_key", "forces_key", "multiplicities", "keys", "units"}),
)
