"""A model bound to the atoms that another program has at hand: how ASE, LAMMPS and OpenMM ask it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.run.known_region import region_statuses_of, unknown_composition
from nadyn.dynamics.run.stopping import Status
from nadyn.models.committee import Committee
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.models.structure_checks import check_charge


@dataclass(frozen=True)
class Program:
    """How a program calls itself, and its atoms that are not periodic, in sentences.

    Attributes:
        name: As in "must be of Cartesian coordinates for ASE".
        open_box: What to do for an isolated molecule.
    """

    name: str
    open_box: str


class BoundModel:
    """A model that is bound to the atoms of last time, whose lists of neighbours it keeps."""

    def __init__(self, model: Model, program: Program) -> None:
        self.model = model
        self._program = program
        self._bound = model

    def at(
        self,
        atomic_numbers: Sequence[int],
        cell: Float[Tensor, "3 3"] | None,
        pbc: tuple[bool, bool, bool],
    ) -> Model:
        """Return the model for these atoms in this cell [bohr], that of last time where it serves.

        Raises:
            InputError: It is for other atoms, for another order of them, or for an isolated molecule.
        """
        bound = self._bound
        known = getattr(bound, "pbc", None) == pbc and np.array_equal(bound.atomic_numbers, atomic_numbers)
        if not known or not (not any(pbc) or all(pbc) or torch.equal(bound.cell, cell)):
            self._bound = _bound_to(
                self.model, tuple(int(n) for n in atomic_numbers), cell, pbc, self._program
            )
        return self._bound


def check_model(model: Model, program: Program) -> None:
    """Refuse a model of generalised coordinates, and one that computes elsewhere.

    Raises:
        InputError: One sentence.
    """
    if model.coordinates != "cartesian":
        raise InputError(
            f"`model` must be of Cartesian coordinates for {program.name}, but {model.name} is of "
            "generalised ones."
        )
    device = getattr(learned_part(model), "device", None)
    if device is not None and device.type != "cpu":
        raise InputError(
            f"`model` must be on the processor for {program.name}, but is on {device.type}. Use "
            'model.to("cpu").'
        )


def chosen_state(model: Model, state: int | None) -> int:
    """Return the state that is meant, 0 where there is one only.

    Raises:
        InputError: There is no such state, or none is named of several.
    """
    if state is None and model.n_states > 1:
        raise InputError(
            f"`state` must be given for a model of {model.n_states} states, but is not. 0 is the lowest."
        )
    if state is not None and not 0 <= state < model.n_states:
        raise InputError(f"`state` must be from 0 to {model.n_states - 1} for this model, but is {state}.")
    return state or 0


def learned_part(model: Model) -> LearnedModel | None:
    """Return the learned model that the energies are of, the member of a committee; None of a formula."""
    bound = model.bound if isinstance(model, Committee) else model
    return bound if isinstance(bound, LearnedModel) else None


def check_total_charge(model: LearnedModel, charge: float) -> None:
    """Refuse a total charge that is not that of the energies: of the formal charges, or of the training.

    Raises:
        InputError: One sentence.
    """
    if model.potential.charges is not None:
        check_charge(model.potential, model.atomic_numbers, charge)
        return
    composition = sorted(model.atomic_numbers)
    same = {one.name for one in model.molecules if sorted(one.atomic_numbers) == composition}
    known = {
        group["charge"]
        for name, group in model.trained_on.get("groups", {}).items()
        if "charge" in group and "charge" not in group.get("assumed", ()) and (name in same or not same)
    }
    if known and charge not in known:
        listed = " or ".join(f"{one:+d}" for one in sorted(known))
        raise InputError(
            f"the total charge must be one that model {model.name} was trained on ({listed}), but is "
            f"{charge:+g}: a model sees elements and positions only. Train one on data of that charge."
        )


def outside_training(
    model: Model,
    positions: Float[Tensor, "1 atom 3"],
    novelty: Float[Tensor, "1"],
    cells: Float[Tensor, "1 3 3"] | None,
) -> str | None:
    """Return a sentence where a trajectory of `nadyn run` would be stopped, or the atoms are unknown."""
    composition = unknown_composition(model)
    if composition is not None:
        return composition
    status = int(region_statuses_of(model, positions, novelty, cells=cells)[0])
    if status == Status.RUNNING:
        return None
    reason = "two atoms are too close" if status == Status.CLOSE_ATOMS else "its descriptors are new"
    return (
        f"a geometry must lie where model {model.name} was trained, but {reason}: energies and "
        "forces mean nothing here."
    )


def _bound_to(
    model: Model,
    numbers: tuple[int, ...],
    cell: Float[Tensor, "3 3"] | None,
    pbc: tuple[bool, bool, bool],
    program: Program,
) -> Model:
    for_atoms = getattr(model, "for_atoms", None)
    # A model bound to a cell is freed from it for an isolated molecule.
    bound = getattr(model, "cell", None) is not None
    if for_atoms is not None and (numbers != tuple(model.atomic_numbers) or any(pbc) or bound):
        return for_atoms(numbers, cell=cell if any(pbc) else None, pbc=pbc)
    if numbers != tuple(model.atomic_numbers):
        raise InputError(
            f"`atoms` must be those of model {model.name} in their order ({list(model.atomic_numbers)}), "
            f"but are {list(numbers)}."
        )
    if any(pbc):
        raise InputError(f"`atoms` must not be periodic for model {model.name}, but are. {program.open_box}")
    return model
