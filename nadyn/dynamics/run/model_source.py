"""The model of a run: a file, an analytic one by name, or an object; and a number that tells models apart."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nadyn.checks.errors import InputError
from nadyn.data.structure_file import StartStructure
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.direct.questions import Desk
from nadyn.models.analytic import analytic_model
from nadyn.models.analytic.vibronic import VibronicCoupling
from nadyn.models.committee import Committee
from nadyn.models.isotopes import with_isotopes
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.models.model_file import digest, load_model


@dataclass(frozen=True)
class ModelSource:
    """A model, and its sha256 where the run file names it; None for an object."""

    model: Model
    digest: str | None


def find_model(
    named: str | Mapping[str, object] | None,
    given: Model | None,
    *,
    molecule: str | None = None,
    isotopes: Mapping[str | int, int] | None = None,
    member: int | None = None,
    structure: StartStructure | None = None,
) -> ModelSource:
    """Return the model that a run file names, or the one given as an object, bound to a molecule.

    Args:
        named: A file, or the options of an analytic model.
        given: A model object.
        molecule: Name of one of the molecules that the model was trained on; without it the one that it is
            bound to, after a training that with most frames.
        isotopes: Mass number by element or atom, see `nadyn.models.isotopes`.
        member: Number of the member that a committee is as a model; without it the one that it is.
        structure: Atoms and cell that the model is to be bound to, instead of a molecule of its training.

    Raises:
        InputError: None or both are there, the named one cannot be loaded, knows no such molecule, or has no
            such isotope or member.
    """
    source = _on_member(_in_structure(_bound(_source(named, given), molecule), structure), member)
    return ModelSource(with_isotopes(source.model, isotopes or {}), source.digest)


def direct_source(
    desk: Desk,
    *,
    molecule: str | None = None,
    isotopes: Mapping[str | int, int] | None = None,
    member: int | None = None,
) -> ModelSource:
    """Return a label source as the model of a run.

    Raises:
        InputError: A molecule or a member is named, or it has no such isotope.
    """
    model = DirectModel(desk)
    source = _on_member(_bound(ModelSource(model, model.digest), molecule), member)
    return ModelSource(with_isotopes(source.model, isotopes or {}), source.digest)


def _bound(source: ModelSource, molecule: str | None) -> ModelSource:
    if molecule is None:
        return source
    if not isinstance(source.model, LearnedModel | Committee):
        raise InputError(
            f"`molecule` must be left out for model {source.model.name}, which is of one molecule only, but "
            f"is {molecule!r}. Remove it."
        )
    return ModelSource(source.model.for_molecule(molecule), source.digest)


def _in_structure(source: ModelSource, structure: StartStructure | None) -> ModelSource:
    if structure is None:
        return source
    if not isinstance(source.model, LearnedModel | Committee):
        same = getattr(source.model, "pbc", (False, False, False)) == structure.pbc
        cell = getattr(source.model, "cell", None)
        if not same or not (cell is None or np.allclose(cell, structure.cell)):
            raise InputError(
                f"the start of `initial` must be in the cell of model {source.model.name}, which cannot be "
                "put into another one, but is not."
            )
        return source
    cell = None if structure.cell is None else torch.from_numpy(structure.cell)
    bound = source.model.for_atoms(structure.atomic_numbers, cell=cell, pbc=structure.pbc)
    return ModelSource(bound, source.digest)


def _on_member(source: ModelSource, member: int | None) -> ModelSource:
    if member is None:
        return source
    if not isinstance(source.model, Committee):
        raise InputError(
            f"`member` must be left out for model {source.model.name}, which is no committee, but is "
            f"{member}. Remove it."
        )
    return ModelSource(source.model.running_on(member), source.digest)


def _source(named: str | Mapping[str, object] | None, given: Model | None) -> ModelSource:
    if given is not None and named is not None:
        raise InputError(
            "`model` must be in the run file or an argument, but is both. Remove it from the run file."
        )
    if given is not None:
        return ModelSource(given, None)
    if named is None:
        raise InputError(
            "`model` must be a model file or an analytic model, but is missing. "
            "Try model: {name: tully, variant: 1}."
        )
    if isinstance(named, str):
        return ModelSource(load_model(named), digest(named))
    # First the model, which refuses options that JSON could not hold.
    model = analytic_model(named)
    return ModelSource(model, _digest_of_mapping(named, model))


def _digest_of_mapping(named: Mapping[str, object], model: Model) -> str:
    """Return a sha256 of an analytic model's options; what its files say counts, not where they lie."""
    options = dict(named)
    if "file" in options:
        content = hashlib.sha256(Path(str(options["file"])).read_bytes())
        if isinstance(model, VibronicCoupling) and (frame := model.frame) is not None:
            # Of a second file, which the first one names.
            for array in (frame.masses, frame.reference, frame.frequencies, frame.vectors):
                content.update(array.contiguous().numpy().tobytes())
        options["file"] = content.hexdigest()
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()


def digest_at(model: Model, positions: torch.Tensor) -> str:
    """Return a sha256 of what the model says at the first of `positions`, for a model without a file."""
    block = positions[:1].expand(model.block_width, *positions.shape[1:])
    with torch.no_grad():
        hamiltonian = model.evaluate(block).hamiltonian[:1].contiguous()
    return hashlib.sha256(model.name.encode() + hamiltonian.cpu().numpy().tobytes()).hexdigest()
