"""`embed`: OpenMM moves all atoms, a model on one state gives energy and forces of some of them.

The energy is that of the model for its atoms alone, and that of the force field for everything else. Between
the two act Lennard-Jones parameters of the force field, and charges: of the force field in mechanical
embedding, in electrostatic embedding those that the model has at its geometry.
"""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from nadyn.checks.errors import InputWarning
from nadyn.electronic.surfaces import active_surface
from nadyn.interfaces.bound_model import BoundModel, check_model, chosen_state, outside_training
from nadyn.interfaces.openmm.force_field import (
    ForceField,
    check_charges,
    pairs_alone,
    take_charges,
    without_charges,
)
from nadyn.interfaces.openmm.inner_terms import take_away
from nadyn.interfaces.openmm.particles import Embedding, is_electrostatic, numbers_of
from nadyn.interfaces.openmm.program import BOHR_PER_NM, FORCE, HARTREE_PER_KJ, OPENMM, program
from nadyn.interfaces.openmm.surroundings import InSurroundings
from nadyn.interfaces.whole_structure import whole
from nadyn.models.model import Model

if TYPE_CHECKING:
    from openmm import Platform, PythonForce, State, System

_OPEN = (False, False, False)


def embed(
    system: "System",
    model: Model,
    particles: Sequence[int],
    elements: Sequence[str],
    *,
    state: int | None = None,
    embedding: Embedding = "mechanical",
    platform: "Platform | None" = None,
) -> "PythonForce":
    """Let a model give energy and forces of some particles of a system, which a force field gives no more.

    The system is changed: what its forces have between the particles becomes zero, constraints between them
    go, and a `PythonForce` comes, which is returned. A bond of no strength from each to the next makes one
    molecule of them, which a barostat does not stretch. Do so before a Context or Simulation is made.

    Args:
        system: Of OpenMM.
        model: Any model of Cartesian coordinates; of an isolated molecule, wherever the cell ends.
        particles: Their indices, whole molecules, in the order that the model is to see.
        elements: Their chemical symbols.
        state: Adiabatic state, 0 is the lowest; may be left out where there is one only.
        embedding: "mechanical": charges of the force field act between the particles and the others;
            "electrostatic": those that the model has at its geometry. The charges of the particles in the
            system are zero then, and the `PythonForce` is of all particles.
        platform: Of OpenMM, for the energy of the charges; its choice without one.

    Raises:
        InputError: One of these does not fit the other, in one sentence; the system is as it was.
    """
    openmm = program()
    check_model(model, OPENMM)
    chosen, numbers = chosen_state(model, state), numbers_of(particles, elements, system.getNumParticles())
    # Refuses here what the first step would.
    bound = BoundModel(model, OPENMM)
    inner = bound.at(numbers, None, _OPEN)
    electrostatic = is_electrostatic(embedding)
    if electrostatic:
        check_charges(inner, system, particles)
    take_away(system, particles)
    together = openmm.HarmonicBondForce()
    for one, two in pairwise(particles):
        together.addBond(one, two, 0.1, 0.0)
    system.addForce(together)
    if electrostatic:
        with_charges = _with_charges(inner, system, particles, platform)
        without_charges(system, particles)
        force = openmm.PythonForce(_of_all(with_charges, chosen))
        force.setUsesPeriodicBoundaryConditions(with_charges.periodic)
    else:
        force = openmm.PythonForce(_function(bound, numbers, chosen))
        force.setParticles(list(particles))
    force.setName(f"nadyn {model.name}")
    system.addForce(force)
    return force


def _function(
    bound: BoundModel, numbers: tuple[int, ...], state: int
) -> Callable[["State"], tuple[float, Float[np.ndarray, "atom 3"]]]:
    warned: list[str] = []

    def of_model(now: "State") -> tuple[float, Float[np.ndarray, "atom 3"]]:
        """Return energy [kJ/mol] and forces [kJ/mol/nm], as OpenMM asks for them."""
        places = torch.from_numpy(np.array(now.getPositions(asNumpy=True)._value) * BOHR_PER_NM)
        found = whole(bound.at(numbers, None, _OPEN), places, None, state)
        _warn_once(warned, found.outside)
        return found.energy / HARTREE_PER_KJ, found.forces / FORCE

    return of_model


def _with_charges(
    inner: Model, system: "System", particles: Sequence[int], platform: "Platform | None"
) -> InSurroundings:
    """Return the model of some particles with what its charges add to the energy of a system."""
    openmm = program()
    n = system.getNumParticles()
    of_pairs = pairs_alone(system)
    names = take_charges(of_pairs, particles)
    context = openmm.Context(
        of_pairs, openmm.VerletIntegrator(0.001), *([] if platform is None else [platform])
    )
    # Of the others nothing but their charges is asked for.
    numbers, masses = [0] * n, [1.0] * n
    field = ForceField(context, names, of_charges_alone=True)
    periodic = of_pairs.usesPeriodicBoundaryConditions()
    return InSurroundings(inner, tuple(particles), tuple(numbers), tuple(masses), field, periodic)


def _of_all(
    model: InSurroundings, state: int
) -> Callable[["State"], tuple[float, Float[np.ndarray, "atom 3"]]]:
    warned: list[str] = []
    inside, chosen = list(model.particles), torch.tensor([state])

    def of_all(now: "State") -> tuple[float, Float[np.ndarray, "atom 3"]]:
        """Return energy [kJ/mol] and forces [kJ/mol/nm], as OpenMM asks for them."""
        if model.periodic:
            model.field.context.setPeriodicBoxVectors(*now.getPeriodicBoxVectors())
        places = torch.from_numpy(np.array(now.getPositions(asNumpy=True)._value) * BOHR_PER_NM)[None]
        found = active_surface(model, places, chosen)
        _warn_once(warned, outside_training(model.inner, places[:, inside], found.novelty, None))
        return float(found.energies[0, state]) / HARTREE_PER_KJ, found.force[0].numpy() / FORCE

    return of_all


def _warn_once(warned: list[str], sentence: str | None) -> None:
    if sentence is not None and not warned:
        warned.append(sentence)
        warnings.warn(f"{sentence} This is said once.", InputWarning, stacklevel=3)
