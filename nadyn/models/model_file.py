"""Model files: safetensors whose JSON header says everything but the weights.

Opening a file runs no code from it. A sha256 of header and tensors is checked: a changed byte is refused.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.json_text import parse_json
from nadyn.checks.kinds import Kind, kind_of, what_it_is
from nadyn.checks.output import write_new
from nadyn.data.hdf5_outline import hdf5_format
from nadyn.models.announced_size import check_announced_size
from nadyn.models.calibration import calibration_from_plain
from nadyn.models.committee import Committee
from nadyn.models.hyperparameters import KIND, current_names, hyperparameters, untrained_potential
from nadyn.models.learned import LearnedModel
from nadyn.models.molecule_records import (
    molecule_of_older_file,
    molecule_records,
    molecule_tensors,
    recorded_molecules,
)
from nadyn.models.nearest_neighbours import known_in_the_first_days
from nadyn.models.spin_coupled import SpinCoupled, new_head
from nadyn.structures import symbol

FORMAT = "nadyn-model"
# A file of one model is as it was in version 1; one of a committee or of several spins has a header for each.
VERSION_OF_ONE, VERSION_OF_COMMITTEE, VERSION = 1, 2, 3
# That of the library.
_LONGEST_HEADER = 100_000_000
COMMITTEE, SPIN_COUPLED = "committee", "spin_coupled"


def save_model(
    model: LearnedModel | Committee | SpinCoupled,
    path: str | Path,
    *,
    timings: dict[str, object] | None = None,
) -> None:
    """Write a model, a committee or a model of several spins; the file appears whole or not at all.

    Args:
        model: What to store.
        path: Where; an existing file is replaced.
        timings: Host, date and durations; they are stored, but are no part of the digest.
    """
    parts = {Committee: _committee_parts, SpinCoupled: _spin_coupled_parts}
    header, tensors = parts.get(type(model), _parts)(model)
    metadata = {
        "nadyn": json.dumps(header, sort_keys=True),
        "timings": json.dumps(timings or {}, sort_keys=True),
    }
    metadata["sha256"] = _checksum(metadata["nadyn"] + metadata["timings"], tensors)
    # Through bytes: the library itself would make a file that only its owner may read.
    write_new(Path(path), safetensors.torch.save(tensors, metadata=metadata))


def load_model(path: str | Path) -> LearnedModel | Committee | SpinCoupled:
    """Return the model in a file, bound to the molecule that it was bound to when it was saved.

    After a training that is the one with most frames. A periodic one has the cell of its starting geometry.
    A committee is bound to the member that it was bound to, after a training the first.

    Raises:
        InputError: The file is missing, is no model, is of a newer version, or a byte has changed.
    """
    header, tensors, _ = read_parts(path)
    try:
        readers = {COMMITTEE: _committee, SPIN_COUPLED: _spin_coupled}
        return readers.get(header["kind"], _model)(header, tensors, path)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"the header of model file {str(path)!r} must have every key of version {header['version']}, but "
            f"lacks {error}. It was written by a version that was never released; train it again."
        ) from error


def _parts(model: LearnedModel) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Return header and tensors of a model."""
    tensors = {name: tensor.contiguous() for name, tensor in model.potential.state_dict().items()}
    tensors["shortest_by_element"] = model.shortest_by_element.contiguous()
    if model.starting_geometry is not None:
        tensors["starting_geometry"] = model.starting_geometry.contiguous()
    if model.cell is not None:
        tensors["cell"] = model.cell.contiguous()
    tensors |= molecule_tensors(model.molecules)
    header = {
        "format": FORMAT,
        "version": VERSION_OF_ONE,
        "name": model.name,
        "kind": KIND,
        "hyperparameters": hyperparameters(model.potential),
        "elements": [symbol(number) for number in model.potential.network.elements],
        "cutoff_bohr": model.potential.network.cutoff,
        "n_states": model.n_states,
        "n_basis": model.n_basis,
        "multiplicities": list(model.multiplicities),
        "units": "hartree, bohr",
        "block_width": model.block_width,
        "atomic_numbers": list(model.atomic_numbers),
        "trained_on": model.trained_on,
        "molecules": molecule_records(model.molecules),
    }
    if model.cell is not None:
        header["pbc"] = list(model.pbc)
    return header, tensors


def _committee_parts(committee: Committee) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Return header and tensors of a committee: those of all members, with their numbers in the names."""
    members, tensors = _numbered("members", committee.members)
    header = {
        "format": FORMAT,
        "version": VERSION_OF_COMMITTEE,
        "kind": COMMITTEE,
        "name": committee.name,
        "member": committee.member,
        "members": members,
        "calibration": None if committee.calibration is None else committee.calibration.plain(),
        "trained_on": committee.trained_on,
    }
    return header, tensors


def _numbered(name: str, models: Iterable[LearnedModel]) -> tuple[list[dict[str, object]], dict[str, Tensor]]:
    """Return the headers of several models, and their tensors with numbers in the names."""
    headers, tensors = [], {}
    for number, model in enumerate(models):
        header, own = _parts(model)
        headers.append(header)
        # Copies: models may hold the same array, and no array may have two names.
        tensors |= {f"{name}.{number}.{key}": tensor.clone() for key, tensor in own.items()}
    return headers, tensors


def _models(
    headers: list[dict], name: str, tensors: dict[str, Tensor], path: str | Path
) -> tuple[LearnedModel, ...]:
    """Return the models that `_numbered` has taken apart."""
    return tuple(
        _model(header, _named(tensors, f"{name}.{number}."), path) for number, header in enumerate(headers)
    )


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): one for key, one in tensors.items() if key.startswith(prefix)}


def _spin_coupled_parts(model: SpinCoupled) -> tuple[dict[str, object], dict[str, Tensor]]:
    """Return header and tensors of the blocks and of the head between them."""
    blocks, tensors = _numbered("blocks", model.blocks)
    tensors |= {f"head.{key}": one.contiguous().clone() for key, one in model.head.state_dict().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "kind": SPIN_COUPLED,
        "name": model.name,
        "blocks": blocks,
        "trained_on": model.trained_on,
    }
    return header, tensors


def _spin_coupled(header: dict, tensors: dict[str, Tensor], path: str | Path) -> SpinCoupled:
    blocks = _models(header["blocks"], "blocks", tensors, path)
    head = new_head(blocks)
    load_state(head, _named(tensors, "head."), path)
    return SpinCoupled(blocks, head.requires_grad_(False), header["trained_on"])


def _committee(header: dict, tensors: dict[str, Tensor], path: str | Path) -> Committee:
    calibration = header["calibration"]
    return Committee(
        _models(header["members"], "members", tensors, path),
        None if calibration is None else calibration_from_plain(calibration),
        header["member"],
        header["trained_on"],
    )


def _model(header: dict, tensors: dict[str, Tensor], path: str | Path) -> LearnedModel:
    check_announced_size(header, tensors, path)
    potential = untrained_potential(header)
    shortest = tensors.pop("shortest_by_element")
    geometry = tensors.pop("starting_geometry", None)
    cell = tensors.pop("cell", None)
    pbc = (False, False, False) if cell is None else tuple(header["pbc"])
    molecules = recorded_molecules(header, tensors)
    tensors = current_names(tensors)
    known_in_the_first_days(tensors, potential)
    load_state(potential, tensors, path)
    potential.requires_grad_(False)
    atomic_numbers = tuple(header["atomic_numbers"])
    if molecules is None:
        molecules = molecule_of_older_file(header["trained_on"], atomic_numbers, geometry, cell, pbc)
    return LearnedModel(
        name=header["name"],
        potential=potential,
        atomic_numbers=atomic_numbers,
        starting_geometry=geometry,
        shortest_by_element=shortest,
        trained_on=header["trained_on"],
        cell=cell,
        pbc=pbc,
        multiplicities=tuple(header["multiplicities"]),
        molecules=molecules,
    )


def load_state(module: nn.Module, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Put the tensors of a file into a module.

    Raises:
        InputError: They are others than the module has.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"model file {str(path)!r} must hold the tensors its header announces, but does not."
        ) from error


def digest(path: str | Path) -> str:
    """Return the sha256 of everything in a model file except host, date and timings."""
    header, tensors, _ = read_parts(path)
    return _checksum(json.dumps(header, sort_keys=True), tensors)


def read_parts(path: str | Path) -> tuple[dict, dict[str, Tensor], dict]:
    """Return header, tensors and timings of a model file, whose checksum fits.

    Raises:
        InputError: The file is missing, is no model, is of a newer version, or a byte has changed.
    """
    path = Path(path)
    check_file(path, f"model file {str(path)!r}")
    try:
        _check_length(path)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        header, timings = parse_json(metadata["nadyn"]), parse_json(metadata["timings"])
    except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
        if kind_of(path) is not Kind.MODEL:
            found = what_it_is(path, hdf5_format(path))
            raise InputError(f"{str(path)!r} must be a nadyn model file, but is {found}.") from error
        raise InputError(
            f"{str(path)!r} must be a nadyn model file, but cannot be read as one. It may be "
            "truncated; copy it again."
        ) from error
    checksum = _checksum(metadata["nadyn"] + metadata["timings"], tensors)
    if metadata.get("sha256") != checksum or not _is_padded_with_spaces(path):
        raise InputError(
            f"model file {str(path)!r} must match its checksum, but does not: it was changed or damaged."
        )
    if header.get("format") != FORMAT or header.get("version", 0) > VERSION:
        raise InputError(
            f"model file {str(path)!r} must have version {VERSION} or older, but has "
            f"{header.get('version')}. Update nadyn."
        )
    return header, tensors, timings


def _check_length(path: Path) -> None:
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > _LONGEST_HEADER:
            raise ValueError("the header is longer than any")


def _is_padded_with_spaces(path: Path) -> bool:
    """Say whether spaces alone fill up the header, whose other white space no checksum would see."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return file.read(length).rstrip(b" ").endswith(b"}")


def _checksum(text: str, tensors: dict[str, Tensor]) -> str:
    result = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].cpu().contiguous()
        result.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        result.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return result.hexdigest()
