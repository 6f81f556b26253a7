"""What OpenMM says of all atoms, whose force field may take charges of some of them from a model.

The energy is of second order in these charges q, whatever OpenMM does where a cell ends (cutoff, Ewald sum,
particle mesh), so that the electric potential at atom i is, without any error of a difference,

    φ_i = ∂E/∂q_i = [E(q_i + 1) - E(q_i - 1)] / 2.

With charges that depend on positions, q(R), the force on an atom has the term -Σ_i φ_i ∂q_i/∂R besides that
of OpenMM at fixed q.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError
from nadyn.interfaces.bound_model import learned_part
from nadyn.interfaces.openmm.program import BOHR_PER_NM, FORCE, HARTREE_PER_KJ
from nadyn.models.model import Model

if TYPE_CHECKING:
    from openmm import Context, NonbondedForce, System

# Charges of an atom in the model and in the force field may differ in their last digits.
_SAME_TOTAL = 0.01


@dataclass(frozen=True)
class ForceField:
    """A context of OpenMM that is asked for one geometry after the other.

    Attributes:
        context: Of OpenMM.
        parameters: Its names of the charges that come from a model, in the order of its atoms; none in
            mechanical embedding.
        of_charges_alone: Whether the energy is what these charges add to it: all else cancels.
    """

    context: "Context"
    parameters: tuple[str, ...] = ()
    of_charges_alone: bool = False

    def at(
        self, positions: Float[np.ndarray, "atom 3"], charges: Float[np.ndarray, "inner"] | None
    ) -> tuple[float, Float[np.ndarray, "atom 3"]]:
        """Return the energy [hartree] and its gradient at fixed charges [hartree/bohr].

        Args:
            positions: Of all atoms [bohr].
            charges: Of the atoms of the model [e]; None in mechanical embedding.
        """
        self.context.setPositions(positions / BOHR_PER_NM)
        self._set(charges)
        energy, gradient = self._asked()
        if self.of_charges_alone:
            self._set(np.zeros(len(self.parameters)))
            without, slope = self._asked()
            return energy - without, gradient - slope
        return energy, gradient

    def potentials(
        self, positions: Float[np.ndarray, "atom 3"], charges: Float[np.ndarray, "inner"]
    ) -> Float[np.ndarray, "inner"]:
        """Return the electric potential at each atom of the model [hartree/e]."""
        self.context.setPositions(positions / BOHR_PER_NM)
        self._set(charges)
        found = []
        for name, charge in zip(self.parameters, charges, strict=True):
            ends = []
            for change in (1.0, -1.0):
                self.context.setParameter(name, charge + change)
                ends.append(self.context.getState(energy=True).getPotentialEnergy()._value)
            self.context.setParameter(name, charge)
            found.append(0.5 * (ends[0] - ends[1]) * HARTREE_PER_KJ)
        return np.array(found)

    def _set(self, charges: Float[np.ndarray, "inner"] | None) -> None:
        for name, charge in zip(self.parameters, () if charges is None else charges, strict=True):
            self.context.setParameter(name, charge)

    def _asked(self) -> tuple[float, Float[np.ndarray, "atom 3"]]:
        now = self.context.getState(energy=True, forces=True)
        gradient = np.array(now.getForces(asNumpy=True)._value) * -FORCE
        return now.getPotentialEnergy()._value * HARTREE_PER_KJ, gradient


def check_charges(model: Model, system: "System", particles: Sequence[int]) -> None:
    """Refuse what gives no charges, and a force field in which those of some particles cannot be replaced.

    Raises:
        InputError: One sentence.
    """
    learned = learned_part(model)
    charges = None if learned is None else getattr(learned.potential, "charges", None)
    if charges is None:
        raise InputError(
            f"`model` must have charges for electrostatic embedding, but {model.name} has none. Train one "
            'with `electrostatics: {}` on data with charges, or use embedding="mechanical".'
        )
    pairs = _pairs(system)
    for number in range(pairs.getNumParticleParameterOffsets()):
        name, particle, *_ = pairs.getParticleParameterOffset(number)
        if particle in particles:
            raise InputError(
                "`particles` must have charges of their own in the force field for electrostatic embedding, "
                f"but that of {particle} depends on parameter {name!r}. Remove it."
            )
    there = sum(pairs.getParticleParameters(particle)[0]._value for particle in particles)
    total = charges.total(learned.atomic_numbers)
    if abs(there - total) > _SAME_TOTAL:
        raise InputError(
            f"`particles` must have the total charge of the model in the force field too, which is "
            f"{total:+g} e, but have {there:+.3f} e there: others were made to neutralise it. Give them "
            "charges that add up to it."
        )


def take_charges(system: "System", particles: Sequence[int]) -> tuple[str, ...]:
    """Make charges of some particles parameters of a system, 0 at first, and return their names."""
    pairs, names = _pairs(system), []
    for particle in particles:
        names.append(f"nadyn charge of {particle}")
        pairs.addGlobalParameter(names[-1], 0.0)
        pairs.addParticleParameterOffset(names[-1], particle, 1.0, 0.0, 0.0)
    without_charges(system, particles)
    return tuple(names)


def without_charges(system: "System", particles: Sequence[int]) -> None:
    """Set charges of some particles to zero; their Lennard-Jones parameters stay."""
    pairs = _pairs(system)
    for particle in particles:
        _, size, depth = pairs.getParticleParameters(particle)
        pairs.setParticleParameters(particle, 0.0, size, depth)


def pairs_alone(system: "System") -> "System":
    """Return a system of the same particles in the same cell with pairs of particles and nothing else."""
    import openmm

    found = openmm.System()
    for _ in range(system.getNumParticles()):
        found.addParticle(1.0)
    found.setDefaultPeriodicBoxVectors(*system.getDefaultPeriodicBoxVectors())
    pairs = openmm.XmlSerializer.clone(_pairs(system))
    found.addForce(pairs)
    return found


def _pairs(system: "System") -> "NonbondedForce":
    found = [force for force in system.getForces() if type(force).__name__ == "NonbondedForce"]
    if len(found) != 1:
        raise InputError(
            "the system must have one NonbondedForce, which has all charges, for electrostatic embedding, "
            f"but has {len(found)}."
        )
    return found[0]
