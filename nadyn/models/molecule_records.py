"""The molecules of a training in the header and among the tensors of a model file."""

import torch
from torch import Tensor

from nadyn.models.molecules import Molecule


def molecule_records(molecules: tuple[Molecule, ...]) -> list[dict[str, object]]:
    """Return what the header says of each molecule."""
    return [
        {
            "name": molecule.name,
            "atomic_numbers": list(molecule.atomic_numbers),
            "n_frames": molecule.n_frames,
            "pbc": list(molecule.pbc),
        }
        for molecule in molecules
    ]


def molecule_tensors(molecules: tuple[Molecule, ...]) -> dict[str, Tensor]:
    """Return the arrays of all molecules, with the number of the molecule in their names."""
    result: dict[str, Tensor] = {}
    for number, molecule in enumerate(molecules):
        result |= _tensors(number, molecule)
    return result


def _tensors(number: int, molecule: Molecule) -> dict[str, Tensor]:
    # Copies: a model bound to this molecule holds the same arrays, and no array may have two names.
    arrays = {
        "starting_geometry": molecule.starting_geometry,
        "cell": molecule.cell,
        "contacts": molecule.contacts,
    }
    return {
        f"molecules.{number}.{name}": array.clone(memory_format=torch.contiguous_format)
        for name, array in arrays.items()
        if array is not None
    }


def recorded_molecules(header: dict, tensors: dict[str, Tensor]) -> tuple[Molecule, ...] | None:
    """Take the molecules out of header and tensors; None for a file of the days when none were listed."""
    if "molecules" not in header:
        return None
    return tuple(
        Molecule(
            entry["name"],
            tuple(entry["atomic_numbers"]),
            entry["n_frames"],
            tensors.pop(f"molecules.{number}.starting_geometry", None),
            tensors.pop(f"molecules.{number}.cell", None),
            tuple(entry["pbc"]),
            tensors.pop(f"molecules.{number}.contacts", None),
        )
        for number, entry in enumerate(header["molecules"])
    )


def molecule_of_older_file(
    trained_on: dict,
    atomic_numbers: tuple[int, ...],
    geometry: Tensor | None,
    cell: Tensor | None,
    pbc: tuple[bool, bool, bool],
) -> tuple[Molecule, ...]:
    """Return the molecule of an older file, which names only the one that it is bound to.

    Of several groups the others are not known, so that none is returned.
    """
    groups = trained_on.get("groups", {})
    if len(groups) != 1:
        return ()
    ((name, group),) = groups.items()
    return (Molecule(name, atomic_numbers, group["n_frames"], geometry, cell, pbc),)
