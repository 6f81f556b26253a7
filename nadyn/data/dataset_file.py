"""Datasets on disk: HDF5, format `nadyn-dataset`, version 1."""

import difflib
import io
import warnings
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from nadyn.checks.errors import InputError, InputWarning
from nadyn.checks.files import check_file
from nadyn.checks.hdf5 import CHECKSUMS, add_array, check_self_contained
from nadyn.checks.kinds import Kind, kind_of, what_it_is
from nadyn.checks.output import new_file
from nadyn.checks.packed import for_library
from nadyn.checks.printable import printable
from nadyn.checks.seal import check_seal, sealed
from nadyn.data.arrays import ARRAYS, MASSES, check_array
from nadyn.data.assumptions import ASSUMABLE, agreed_multiplicities, with_charge
from nadyn.data.dataset import Dataset, Group
from nadyn.data.hdf5_outline import SIGNATURE
from nadyn.data.history import fitting
from nadyn.data.joining import join
from nadyn.data.validation import check_name, group_from_arrays, located
from nadyn.units import to_atomic_units

FORMAT = "nadyn-dataset"
VERSION = 1

_TEXTS = ("theory", "source", "licence", "note", "dipole_origin")


def load_dataset(
    path: str | Path,
    *more: str | Path,
    mix: Collection[str] = (),
    charge: int | None = None,
    multiplicities: Sequence[int] | None = None,
) -> Dataset:
    """Read one or several dataset files, in atomic units; groups of one name are joined.

    Args:
        path: A file in the format `nadyn-dataset`.
        more: Further files, whose labels may differ.
        mix: `theory` in it lets groups of one name be joined whose levels of theory differ.
        charge: Total charge [e] of the groups of which a file does not say it.
        multiplicities: 2S + 1 of each state, where a file does not say it.

    Raises:
        InputError: A file is missing, truncated, no dataset or of a newer version; an array is missing, has
            no unit or the wrong shape or values; a file says another charge or other multiplicities; or
            groups of one name do not fit together. One sentence.
    """
    files = [read_dataset(one, charge=charge, multiplicities=multiplicities) for one in (path, *more)]
    return join(files, mix=mix)


def read_dataset(
    path: str | Path, *, charge: int | None = None, multiplicities: Sequence[int] | None = None
) -> Dataset:
    """Read one dataset file; see `load_dataset`."""
    path = Path(path)
    with located(f"dataset {str(path)!r}"):
        check_file(path, "the file")
        check_seal(path)
        try:
            with h5py.File(for_library(path), "r") as file:
                check_self_contained(file, packed=path.stat().st_size)
                _check_format(file)
                groups = [
                    _read_group(name, file[name], multiplicities)
                    for name in file
                    if _is_group(name, file[name])
                ]
        except (OSError, RuntimeError, KeyError) as error:
            raise InputError(_unreadable(path)) from error
        return with_charge(Dataset(tuple(groups)), charge)


def write_dataset(path: str | Path, dataset: Dataset, *, overwrite: bool = False) -> None:
    """Write a dataset in atomic units; the file appears complete or not at all.

    Raises:
        InputError: The file exists and `overwrite` is False, or its folder does not exist or cannot be
            written to.
        RunError: The disk is full or refuses to be written.
    """
    with new_file(Path(path), overwrite=overwrite) as temporary:
        # In memory first: the library does not survive a disk that becomes full under it.
        image = io.BytesIO()
        with h5py.File(image, "w", libver=CHECKSUMS) as file:
            file.attrs["format"] = FORMAT
            file.attrs["version"] = VERSION
            for group in dataset.groups:
                check_name(group.name)
                _write_group(file.create_group(group.name), group)
        temporary.write_bytes(sealed(image.getbuffer()))


def _check_format(file: h5py.File) -> None:
    found = _text(file.attrs.get("format", ""))
    if found != FORMAT:
        raise InputError(
            f"the file must be in the format {FORMAT!r}, but its `format` is {found or 'not given'!r}: it is "
            f"{what_it_is(Path(file.filename), found)}."
        )
    version = file.attrs.get("version")
    if not isinstance(version, int | np.integer) or version < 1:
        raise InputError(f"`version` of the file must be {VERSION}, but is {version!r}.")
    if version > VERSION:
        raise InputError(f"`version` of the file must be {VERSION}, but is {version}. Install a newer nadyn.")


def _is_group(name: str, item: object) -> bool:
    if isinstance(item, h5py.Group):
        return True
    warnings.warn(f"{name!r} is no group and was not read.", InputWarning, stacklevel=2)
    return False


def _read_group(name: str, content: h5py.Group, multiplicities: Sequence[int] | None) -> Group:
    name = printable(name)
    with located(f"group {name!r}"):
        for required in ("atomic_numbers", "positions", "energies"):
            if required not in content:
                raise InputError(f"`{required}` must be there, but is missing.")
        known = {"atomic_numbers", "pbc", "masses", "weight", "tag", *ARRAYS}
        for key in content:
            if key not in known:
                _warn_of_unknown(name, key, sorted(known))
        arrays = {key: _read_array(key, content[key]) for key in ARRAYS if key in content}
        assumed = _assumed(content)
        attributes = _read_attributes(name, content, arrays["energies"], multiplicities, assumed)
        group = group_from_arrays(
            name,
            atomic_numbers=content["atomic_numbers"][...],
            pbc=content["pbc"][...] if "pbc" in content else (False, False, False),
            masses=_read_array("masses", content["masses"]) if "masses" in content else None,
            weight=_read_weight(content["weight"]) if "weight" in content else None,
            tag=_read_tag(content["tag"]) if "tag" in content else None,
            **arrays,
            **attributes,
        )
        still = assumed - {"multiplicities"} if multiplicities is not None else assumed
        history = _text(content.attrs.get("history", ""))
        return replace(group, assumed=group.assumed | still, history=history)


def _read_array(name: str, item: h5py.Dataset | h5py.Group) -> np.ndarray:
    kind = ARRAYS.get(name, MASSES)
    if not isinstance(item, h5py.Dataset) or not np.issubdtype(item.dtype, np.number):
        raise InputError(f"`{name}` must be an array of numbers, but is not.")
    if "unit" not in item.attrs:
        raise InputError(f"`{name}` must have a `unit` attribute, but has none. Try {kind.example!r}.")
    with located(f"`{name}`"):
        factor = to_atomic_units(_text(item.attrs["unit"]), kind.dimension)
    return item[...].astype(np.float64) * factor


def _read_weight(item: h5py.Dataset | h5py.Group) -> np.ndarray:
    if not isinstance(item, h5py.Dataset) or not np.issubdtype(item.dtype, np.number):
        raise InputError("`weight` must be an array of numbers, but is not.")
    return item[...].astype(np.float64)


def _read_tag(item: h5py.Dataset | h5py.Group) -> list[str]:
    if not isinstance(item, h5py.Dataset) or item.ndim != 1 or item.dtype.kind not in "OS":
        raise InputError("`tag` must be a list of words, one a frame, but is not.")
    return [_text(word) for word in item[...]]


def _assumed(content: h5py.Group) -> frozenset[str]:
    """Return what the file has, but says to have assumed."""
    return frozenset(_text(content.attrs.get("assumed", "")).split()) & frozenset(ASSUMABLE)


def _read_attributes(
    name: str,
    content: h5py.Group,
    energies: np.ndarray,
    given: Sequence[int] | None,
    assumed: frozenset[str],
) -> dict[str, object]:
    check_array("energies", energies, {})
    attributes: dict[str, object] = {key: _text(content.attrs.get(key, "")) for key in _TEXTS}
    attributes["charge"] = None
    charge = np.asarray(content.attrs.get("charge", 0))
    if charge.size != 1 or not np.issubdtype(charge.dtype, np.number) or charge.item() % 1 != 0:
        raise InputError(f"`charge` must be a whole number, but is {content.attrs['charge']!r}.")
    if "charge" in content.attrs:
        attributes["charge"] = int(charge.item())
    spins = content.attrs.get("multiplicities")
    if spins is not None and not np.issubdtype(np.asarray(spins).dtype, np.integer):
        raise InputError(f"`multiplicities` must be whole numbers, but are {spins!r}.")
    if given is not None and "multiplicities" in assumed:
        spins = None
        if attributes["note"]:
            attributes["note"] += f"; the multiplicities were then given as {' '.join(map(str, given))}"
    spins = agreed_multiplicities(spins, given)
    if spins is None and energies.shape[1] > 1:
        guess = "`multiplicities` is missing; all states are taken as singlets"
        warnings.warn(f"group {name!r}: {guess}.", InputWarning, stacklevel=2)
        # A dataset that is written from it says them, and must say where they are from.
        attributes["note"] = "; ".join(text for text in (attributes["note"], guess) if text)
    attributes["multiplicities"] = spins
    return attributes


def _warn_of_unknown(name: str, key: str, known: list[str]) -> None:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    advice = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}."
    warnings.warn(
        f"group {name!r}: `{printable(key)}` is not a known array and was not read. {advice}",
        InputWarning,
        stacklevel=2,
    )


def _write_group(content: h5py.Group, group: Group) -> None:
    content.attrs["charge"] = group.charge
    content.attrs["multiplicities"] = np.array(group.multiplicities, dtype=np.int64)
    if group.assumed:
        content.attrs["assumed"] = " ".join(sorted(group.assumed))
    for key in _TEXTS:
        if getattr(group, key):
            content.attrs[key] = getattr(group, key)
    if group.history:
        content.attrs["history"] = fitting(group.history)
    add_array(content, "atomic_numbers", group.atomic_numbers.astype(np.int32))
    if group.pbc.any():
        add_array(content, "pbc", group.pbc)
    if group.masses is not None:
        factor = to_atomic_units(MASSES.atomic_unit, MASSES.dimension)
        add_array(content, "masses", group.masses / factor, unit=MASSES.atomic_unit)
    if group.weight is not None:
        add_array(content, "weight", group.weight, unit="1")
    if group.tag is not None:
        words = [word.encode() for word in group.tag]
        add_array(content, "tag", np.array(words, dtype=f"S{max(map(len, words))}"))
    for key, array in group.frame_arrays().items():
        add_array(content, key, array, unit=ARRAYS[key].atomic_unit, packed=True)


def _unreadable(path: Path) -> str:
    with path.open("rb") as file:
        signature = file.read(8)
    if signature == SIGNATURE:
        return "the file must be whole, but is truncated or damaged. Copy or create it again."
    if not signature:
        return "the file must be an HDF5 file, but is empty."
    if (kind := kind_of(path)) in (Kind.MODEL, Kind.PAGE, Kind.PICTURE, Kind.SETTINGS):
        return f"the file must be an HDF5 file, but is {kind.value}."
    return (
        f"the file must be an HDF5 file, but is {kind.value}. Convert it first: nadyn convert {path} "
        "data.h5 reads extended xyz and files of other programs (see the page `Data of other programs` of "
        "the documentation), and takes `--energy-key`, `--forces-key`, `--charge` and `--multiplicities`."
    )


def _text(value: object) -> str:
    return printable(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))
