"""A model as a calculator of ASE, the Atomic Simulation Environment."""

import warnings
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputWarning
from nadyn.electronic.properties import dipoles, knows
from nadyn.electronic.stress import strained_surface
from nadyn.electronic.surfaces import active_surface
from nadyn.interfaces.bound_model import (
    BoundModel,
    Program,
    check_model,
    check_total_charge,
    chosen_state,
    learned_part,
    outside_training,
)
from nadyn.models.learned import LearnedModel
from nadyn.models.model import Model
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

_ASE = Program("ASE", "Use atoms.pbc = False.")


class AseCalculator(Calculator):
    """ASE calculator of one adiabatic state; build it with `ase_calculator`.

    Results: `energy` [eV] and `forces` [eV/Å] of the state, in a cell that is periodic in all directions its
    `stress` [eV/Å³] in ASE's order and sign, of a model that knows dipoles the `dipole` [e Å] of the state
    where ASE asks for it (of an ion about the centre of mass), `energies_of_states` [eV] of all states,
    `charges` [e] where the model has charges that act at all distances, `novelty` (the part of the
    descriptors of the worst atom beyond the training range) and
    `outside_training`: whether a trajectory of `nadyn run` would be stopped here, or the training molecules
    do not determine the energies of these atoms. The first such geometry is also warned of.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress", "charges"]

    def __init__(self, model: Model, state: int) -> None:
        super().__init__()
        # Private, because ASE keeps the results of unchanged atoms: for another state build another one.
        self._model = model
        self._state = state
        self._has_warned = False
        self._bound = BoundModel(model, _ASE)
        if knows(model, "dipole"):
            self.implemented_properties = [*self.implemented_properties, "dipole"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the model at the positions of `atoms`; called by ASE.

        Raises:
            InputError: The model is for other atoms, for another order of them, or for an isolated molecule;
                the cell is too thin; or `atoms.info["charge"]` is not the total charge that it has for these
                atoms, or was trained on.
        """
        super().calculate(atoms, list(properties), list(system_changes))
        model, cell = self._for_these_atoms()
        positions = torch.from_numpy(self.atoms.get_positions() * BOHR_PER_ANGSTROM)[None]
        state = torch.tensor([self._state])
        bound = learned_part(model)
        if bound is not None and "charge" in self.atoms.info:
            check_total_charge(bound, float(self.atoms.info["charge"]))
        periodic = bound is not None and all(bound.pbc)
        surface = (
            strained_surface(bound, positions, state, cells=cell)
            if periodic
            else active_surface(model, positions, state)
        )
        energies = surface.energies[0].numpy() * ELECTRONVOLT_PER_HARTREE
        self.results = {
            "energy": float(energies[self._state]),
            # There are no electrons to smear: what ASE's finite differences ask for is the energy.
            "free_energy": float(energies[self._state]),
            "forces": surface.force[0].numpy() * (ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR),
            # ASE keeps the name `energies` for shares of the atoms.
            "energies_of_states": energies,
            "novelty": float(surface.novelty[0]),
            "outside_training": self._is_outside(
                model, positions, surface.novelty, cell if periodic else None
            ),
        }
        if "dipole" in properties:
            moments = dipoles(model, positions, origin="center_of_mass")
            self.results["dipole"] = moments[0, self._state, self._state].numpy() * ANGSTROM_PER_BOHR
        if periodic:
            stress = surface.stress[0].numpy() * (ELECTRONVOLT_PER_HARTREE / ANGSTROM_PER_BOHR**3)
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
        if bound is not None and bound.potential.charges is not None:
            self.results["charges"] = self._charges(bound, positions, cell if periodic else None)

    def _charges(
        self, model: LearnedModel, positions: Tensor, cell: Tensor | None
    ) -> Float[np.ndarray, "atom"]:
        with torch.no_grad():
            return model.evaluate(positions, cells=cell).charges[0].numpy()

    def _for_these_atoms(self) -> tuple[Model, Tensor | None]:
        """Return the model bound to the atoms, that of last time where they are the same, and their cell."""
        pbc = tuple(bool(periodic) for periodic in self.atoms.pbc)
        cell = torch.from_numpy(np.array(self.atoms.cell) * BOHR_PER_ANGSTROM)[None] if any(pbc) else None
        numbers = tuple(int(number) for number in self.atoms.numbers)
        return self._bound.at(numbers, None if cell is None else cell[0], pbc), cell

    def _is_outside(self, model: Model, positions: Tensor, novelty: Tensor, cell: Tensor | None) -> bool:
        sentence = outside_training(model, positions, novelty, cell)
        if sentence is None:
            return False
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f'{sentence} This is said once; see calc.results["outside_training"].',
                InputWarning,
                stacklevel=3,
            )
        return True


def ase_calculator(model: Model, state: int = 0) -> AseCalculator:
    """Return an ASE calculator for one adiabatic state of a model.

    Args:
        model: A model of Cartesian coordinates. A learned one also serves atoms in another order or
            number, and periodic cells, as far as it knows the elements.
        state: Adiabatic state, 0 is the lowest.

    Raises:
        InputError: The model is of generalised coordinates, or has no such state.
    """
    check_model(model, _ASE)
    return AseCalculator(model, chosen_state(model, state))
