"""Model files: safetensors whose JSON header says everything but the weights.

Opening a file runs no code from it. A sha256 of header and tensors is checked: a changed byte is refused.
"""

import hashlib
import json
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.checks.files import check_file
from nadyn.checks.kinds import Kind, kind_of, what_it_is
from nadyn.checks.output import write_new
from nadyn.data.hdf5_outline import hdf5_format
from nadyn.models.calibration import calibration_from_plain
from nadyn.models.committee import Committee
from nadyn.models.encoders.table import encoder_in_words
from nadyn.models.hyperparameters import KIND, current_names, hyperparameters, untrained_potential
from nadyn.models.learned import LearnedModel
from nadyn.models.molecule_records import (
    molecule_of_older_file,
    molecule_records,
    molecule_tensors,
    recorded_molecules,
)
from nadyn.models.nearest_neighbours import known_in_the_first_days
from nadyn.structures import formula, symbol

FORMAT = "nadyn-model"
# A file of one model is as it was in version 1; one of a committee has a header for each member.
VERSION_OF_ONE, VERSION = 1, 2
COMMITTEE = "committee"


def save_model(
    model: LearnedModel | Committee, path: str | Path, *, timings: dict[str, object] | None = None
) -> None:
    """Write a model or a committee; the file appears whole or not at all.

    Args:
        model: What to store.
        path: Where; an existing file is replaced.
        timings: Host, date and durations; they are stored, but are no part of the digest.
    """
    header, tensors = _committee_parts(model) if isinstance(model, Committee) else _parts(model)
    metadata = {
        "nadyn": json.dumps(header, sort_keys=True),
        "timings": json.dumps(timings or {}, sort_keys=True),
    }
    metadata["sha256"] = _checksum(metadata["nadyn"] + metadata["timings"], tensors)
    # Through bytes: the library itself would make a file that only its owner may read.
    write_new(Path(path), safetensors.torch.save(tensors, metadata=metadata))


def load_model(path: str | Path) -> LearnedModel | Committee:
    """Return the model in a file, bound to the molecule that it was bound to when it was saved.

    After a training that is the one with most frames. A periodic one has the cell of its starting geometry.
    A committee is bound to the member that it was bound to, after a training the first.

    Raises:
        InputError: The file is missing, is no model, is of a newer version, or a byte has changed.
    """
    header, tensors, _ = _read(path)
    try:
        if header["kind"] != COMMITTEE:
            return _model(header, tensors, path)
        return _committee(header, tensors, path)
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
    members, tensors = [], {}
    for number, member in enumerate(committee.members):
        header, own = _parts(member)
        members.append(header)
        # Copies: members may hold the same array, and no array may have two names.
        tensors |= {f"members.{number}.{name}": tensor.clone() for name, tensor in own.items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "kind": COMMITTEE,
        "name": committee.name,
        "member": committee.member,
        "members": members,
        "calibration": None if committee.calibration is None else committee.calibration.plain(),
        "trained_on": committee.trained_on,
    }
    return header, tensors


def _committee(header: dict, tensors: dict[str, Tensor], path: str | Path) -> Committee:
    members = []
    for number, own in enumerate(header["members"]):
        prefix = f"members.{number}."
        part = {
            name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
        }
        members.append(_model(own, part, path))
    calibration = header["calibration"]
    return Committee(
        tuple(members),
        None if calibration is None else calibration_from_plain(calibration),
        header["member"],
        header["trained_on"],
    )


def _model(header: dict, tensors: dict[str, Tensor], path: str | Path) -> LearnedModel:
    potential = untrained_potential(header)
    shortest = tensors.pop("shortest_by_element")
    geometry = tensors.pop("starting_geometry", None)
    cell = tensors.pop("cell", None)
    pbc = (False, False, False) if cell is None else tuple(header["pbc"])
    molecules = recorded_molecules(header, tensors)
    tensors = current_names(tensors)
    known_in_the_first_days(tensors, potential)
    try:
        potential.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(
            f"model file {str(path)!r} must hold the tensors its header announces, but does not."
        ) from error
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


def digest(path: str | Path) -> str:
    """Return the sha256 of everything in a model file except host, date and timings."""
    header, tensors, _ = _read(path)
    return _checksum(json.dumps(header, sort_keys=True), tensors)


def describe(path: str | Path) -> dict[str, str]:
    """Return what a model file says of itself, for people."""
    header, tensors, timings = _read(path)
    whole = header
    if header["kind"] == COMMITTEE:
        header = header["members"][header["member"]]
    trained = header["trained_on"] | (whole.get("trained_on") or {})
    parameters = sum(tensor.numel() for name, tensor in tensors.items() if "network" in name)
    result = {
        "name": header["name"],
        "kind": "atomic sum" if header["n_basis"] == 1 else "diabatic hamiltonian",
        "molecule": formula(header["atomic_numbers"]) + (" in a periodic cell" if "pbc" in header else ""),
        "elements": ", ".join(header["elements"]),
        "states": str(header["n_states"]),
        "multiplicities": " ".join(map(str, header["multiplicities"])),
        "charge": charges(trained.get("groups", {})),
        "basis": str(header["hyperparameters"].get("basis", "one energy")),
        **encoder_in_words(header["hyperparameters"]["encoder"]),
        "layers": "-".join(str(width) for width in header["hyperparameters"]["hidden"]),
        "parameters": f"{parameters:,}",
        "block width": f"{header['block_width']} trajectories",
    }
    result |= {"properties": ", ".join(heads)} if (heads := header["hyperparameters"].get("heads")) else {}
    result["evaluation"] = load_model(path).evaluation
    if len(header.get("molecules", ())) > 1:
        result["trained molecules"] = ", ".join(
            f"{entry['name']} ({counted(entry['n_frames'], 'frame')})" for entry in header["molecules"]
        )
    result |= {
        key.replace("_", " "): str(value)
        for key, value in trained.items()
        if not isinstance(value, dict | list)
    }
    if whole is not header:
        result |= _about_committee(whole)
    return result | {key: str(value) for key, value in timings.items()}


def charges(groups: dict[str, dict]) -> str:
    """Return the charge of all groups of a training, or that of each, and which of them was assumed."""
    silent = " (assumed: its data do not say it)"
    words = {
        name: f"{group['charge']}{silent * ('charge' in group.get('assumed', ()))}"
        for name, group in groups.items()
        if "charge" in group
    }
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{text} of {name}" for name, text in words.items()) or "not known"


def _about_committee(header: dict) -> dict[str, str]:
    """Return what a file says of its members together."""
    n = len(header["members"])
    result = {"committee": f"{n} members; as one model it is member {header['member']}"}
    calibration = header["calibration"]
    if calibration is None:
        return result | {"calibration": "none: the spread of the members is raw"}
    result["calibrated on"] = f"{counted(calibration['n_frames'], 'frame')} that no member saw"
    for name, scale in calibration["scales"].items():
        within = scale["coverage"][0] if scale["coverage"] else (float("nan"),) * 2
        result[f"spread of {name}"] = (
            f"times {scale['factor']:.2f}; {100 * within[0]:.0f} % of the errors within one, "
            f"{100 * within[1]:.0f} % within two"
        )
    return result


def _read(path: str | Path) -> tuple[dict, dict[str, Tensor], dict]:
    path = Path(path)
    check_file(path, f"model file {str(path)!r}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        header, timings = json.loads(metadata["nadyn"]), json.loads(metadata["timings"])
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
