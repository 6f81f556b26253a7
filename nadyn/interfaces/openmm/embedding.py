"""`embed`: OpenMM moves all atoms, a model on one state gives energy and forces of some of them.

Mechanical embedding: the energy is that of the model for its atoms alone, and that of the force field for
everything else, the charges and Lennard-Jones parameters of the force field between the two.
"""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from nadyn.checks.errors import InputError, InputWarning
from nadyn.interfaces.bound_model import BoundModel, check_model, chosen_state
from nadyn.interfaces.openmm.inner_terms import take_away
from nadyn.interfaces.openmm.program import BOHR_PER_NM, FORCE, HARTREE_PER_KJ, OPENMM, program
from nadyn.interfaces.whole_structure import whole
from nadyn.models.model import Model
from nadyn.structures import atomic_number, is_element

if TYPE_CHECKING:
    from openmm import PythonForce, State, System

_OPEN = (False, False, False)


def embed(
    system: "System",
    model: Model,
    particles: Sequence[int],
    elements: Sequence[str],
    *,
    state: int | None = None,
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

    Raises:
        InputError: One of these does not fit the other, in one sentence; the system is as it was.
    """
    openmm = program()
    check_model(model, OPENMM)
    chosen, numbers = chosen_state(model, state), numbers_of(particles, elements, system.getNumParticles())
    # Refuses here what the first step would.
    bound = BoundModel(model, OPENMM)
    bound.at(numbers, None, _OPEN)
    take_away(system, particles)
    together = openmm.HarmonicBondForce()
    for one, two in pairwise(particles):
        together.addBond(one, two, 0.1, 0.0)
    system.addForce(together)
    force = openmm.PythonForce(_function(bound, numbers, chosen))
    force.setParticles(list(particles))
    force.setName(f"nadyn {model.name}")
    system.addForce(force)
    return force


def numbers_of(particles: Sequence[int], elements: Sequence[str], n_particles: int) -> tuple[int, ...]:
    """Return atomic numbers of particles, one symbol each.

    Raises:
        InputError: A particle is none of the system or is named twice, or a symbol is no element.
    """
    if len(elements) != len(particles) or isinstance(elements, str):
        raise InputError(
            f"`elements` must be a list, one symbol for each of the {len(particles)} `particles`, but is "
            f"{list(elements)}."
        )
    wrong = [index for index in particles if not 0 <= index < n_particles]
    if wrong or len(set(particles)) != len(particles) or not len(particles):
        raise InputError(
            f"`particles` must be different ones of the {n_particles} of the system, counted from 0, but are "
            f"{list(particles)}."
        )
    for index, name in zip(particles, elements, strict=True):
        if not is_element(name):
            raise InputError(f"`elements` must be chemical symbols, but that of {index} is {name!r}.")
    return tuple(atomic_number(name) for name in elements)


def _function(
    bound: BoundModel, numbers: tuple[int, ...], state: int
) -> Callable[["State"], tuple[float, Float[np.ndarray, "atom 3"]]]:
    warned: list[str] = []

    def of_model(now: "State") -> tuple[float, Float[np.ndarray, "atom 3"]]:
        """Return energy [kJ/mol] and forces [kJ/mol/nm], as OpenMM asks for them."""
        places = torch.from_numpy(np.array(now.getPositions(asNumpy=True)._value) * BOHR_PER_NM)
        found = whole(bound.at(numbers, None, _OPEN), places, None, state)
        if found.outside is not None and not warned:
            warned.append(found.outside)
            warnings.warn(f"{found.outside} This is said once.", InputWarning, stacklevel=2)
        return found.energy / HARTREE_PER_KJ, found.forces / FORCE

    return of_model
