"""A model with OpenMM around it, for runs of nadyn: surface hopping of a molecule in a solvent.

W is that of the model in its atoms, plus the energy of the force field, in all atoms, times the unit matrix.
In mechanical embedding the charges of the molecule are those of the force field, in electrostatic embedding
those that the model has at its geometry, one set for all states. The surroundings pull at the molecule, and
hops are those of the molecule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.dynamics.run.known_region import unknown_composition
from nadyn.electronic.surfaces import evaluate_once
from nadyn.interfaces.bound_model import BoundModel, check_model
from nadyn.interfaces.openmm.force_field import ForceField, check_charges, take_charges
from nadyn.interfaces.openmm.inner_terms import take_away
from nadyn.interfaces.openmm.particles import Embedding, is_electrostatic, numbers_of
from nadyn.interfaces.openmm.program import OPENMM, program
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation, Model, PullBack
from nadyn.units import ELECTRON_MASS_PER_DALTON

if TYPE_CHECKING:
    from openmm import Platform, System


@dataclass(frozen=True)
class InSurroundings:
    """A model of some atoms, and a force field for the rest; see `Model` for the shared face.

    Attributes:
        inner: The model, bound to its atoms.
        particles: Which those are, in its order.
        atomic_numbers: Of all atoms.
        own_masses: Of all atoms [electron mass]: those of the model, and of OpenMM.
        field: What OpenMM adds in every state: between other atoms, and between these and those of the model.
        periodic: Whether OpenMM has a cell.
    """

    inner: Model
    particles: tuple[int, ...]
    atomic_numbers: tuple[int, ...]
    own_masses: tuple[float, ...]
    field: ForceField
    periodic: bool

    coordinates: ClassVar[Coordinates] = "cartesian"
    # OpenMM is asked for one geometry after the other, and copies to fill up a block would cost as much.
    block_width: ClassVar[int] = 1
    shortest_distances: ClassVar[None] = None

    @property
    def name(self) -> str:
        return f"{self.inner.name} in OpenMM"

    @property
    def laws(self) -> frozenset[str]:
        # Like atoms of a force field have bonds of their own, and a box of many has directions.
        return CARTESIAN_LAWS - {"permutation"} if not self.periodic else frozenset({"translation"})

    @property
    def n_states(self) -> int:
        return self.inner.n_states

    @property
    def n_basis(self) -> int:
        return self.inner.n_basis

    @property
    def fixed_diabatic_basis(self) -> bool:
        return self.inner.fixed_diabatic_basis

    @property
    def unknown_composition(self) -> str | None:
        """A sentence where the training of the inner model does not determine its atoms, otherwise None."""
        return unknown_composition(self.inner)

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        return torch.tensor(self.own_masses, dtype=torch.float64)

    def evaluate(self, positions: Float[Tensor, "traj atom 3"]) -> Evaluation:
        """Return W [hartree] and the novelty of the inner atoms at positions [bohr]."""
        found = self.inner.evaluate(positions[:, list(self.particles)])
        charges = found.charges if self.field.parameters else None
        energy = _Outside.apply(positions, charges, self.field)
        return _lifted(found, energy)

    def evaluate_once(self, positions: Float[Tensor, "traj atom 3"]) -> tuple[Evaluation, PullBack] | None:
        """See `KnowsSlopes`; the charges of a model depend on positions through a graph of torch."""
        if self.field.parameters:
            return None
        inside = list(self.particles)
        found, pull_back = evaluate_once(self.inner, positions[:, inside])
        energy, slope = _outside(self.field, positions.detach(), None)

        def slope_of(cotangent: Float[Tensor, "traj basis basis"]) -> Float[Tensor, "traj atom x"]:
            trace = cotangent.diagonal(dim1=1, dim2=2).sum(dim=1)
            total = trace[:, None, None] * slope
            total[:, inside] += pull_back(cotangent, again=True)
            return total

        return _lifted(found, energy), slope_of


class _Outside(torch.autograd.Function):
    """The energy of the force field, with its first derivatives in positions and charges."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        positions: Tensor,
        charges: Tensor | None,
        field: ForceField,
    ) -> Float[Tensor, "traj"]:
        energy, slope = _outside(field, positions.detach(), charges)
        potentials = None
        if charges is not None and ctx.needs_input_grad[1]:
            rows = zip(positions.detach().numpy(), charges.detach().numpy(), strict=True)
            potentials = torch.from_numpy(np.stack([field.potentials(*row) for row in rows]))
        ctx.save_for_backward(slope, potentials)
        return energy

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: torch.autograd.function.FunctionCtx, of_energy: Tensor
    ) -> tuple[Tensor, Tensor | None, None]:
        slope, potentials = ctx.saved_tensors
        of_charges = None if potentials is None else of_energy[:, None] * potentials
        return of_energy[:, None, None] * slope, of_charges, None


def _outside(
    field: ForceField, positions: Float[Tensor, "traj atom 3"], charges: Float[Tensor, "traj inner"] | None
) -> tuple[Float[Tensor, "traj"], Float[Tensor, "traj atom 3"]]:
    """Return the energy of the force field [hartree] and its gradient at fixed charges [hartree/bohr]."""
    rows = [None] * len(positions) if charges is None else charges.detach().numpy()
    found = [field.at(*row) for row in zip(positions.numpy(), rows, strict=True)]
    energies, gradients = zip(*found, strict=True)
    return torch.tensor(energies, dtype=torch.float64), torch.from_numpy(np.stack(gradients))


def _lifted(found: Evaluation, energy: Float[Tensor, "traj"]) -> Evaluation:
    """Return the same with an energy in every state."""
    unit = torch.eye(found.hamiltonian.shape[1], dtype=torch.float64)
    levels = found.levels
    if levels is not None:
        levels = (levels[0] + energy[:, None], levels[1])
    return Evaluation(
        found.hamiltonian + energy[:, None, None] * unit,
        found.novelty,
        levels=levels,
        charges=None,
        spin_blocks=found.spin_blocks,
    )


def in_surroundings(
    model: Model,
    system: "System",
    particles: Sequence[int],
    elements: Sequence[str],
    *,
    embedding: Embedding = "mechanical",
    platform: "Platform | None" = None,
) -> InSurroundings:
    """Return a model of all atoms of a system: some by a model, with all its states, the rest by OpenMM.

    Args:
        model: Any model of Cartesian coordinates; of an isolated molecule, wherever the cell ends.
        system: Of OpenMM, without constraints and virtual sites; it is not changed.
        particles: The atoms of the model in its order, whole molecules.
        elements: Chemical symbols of all particles of the system.
        embedding: "mechanical": charges of the force field act between the molecule and the others;
            "electrostatic": those that the model has at its geometry, the same in all states.
        platform: Of OpenMM; its choice without one. "Reference" has double precision.

    Raises:
        InputError: One of these does not fit the other, in one sentence.
    """
    openmm = program()
    check_model(model, OPENMM)
    n = system.getNumParticles()
    numbers = numbers_of(range(n), elements, n)
    own = numbers_of(particles, [elements[i] for i in particles if 0 <= i < n] or [], n)
    inner = BoundModel(model, OPENMM).at(own, None, (False, False, False))
    electrostatic = is_electrostatic(embedding)
    if electrostatic:
        check_charges(inner, system, particles)
    system = openmm.XmlSerializer.clone(system)
    take_away(system, particles)
    charges = take_charges(system, particles) if electrostatic else ()
    if system.getNumConstraints():
        raise InputError(
            "the system must have no constraints for a run of nadyn, which moves all atoms freely, but has "
            f"{system.getNumConstraints()}. Use createSystem(constraints=None, rigidWater=False)."
        )
    masses = [system.getParticleMass(i)._value * ELECTRON_MASS_PER_DALTON for i in range(n)]
    for index, mass in zip(particles, inner.masses.tolist(), strict=True):
        masses[index] = mass
    still = [index for index, mass in enumerate(masses) if not mass > 0]
    if still:
        raise InputError(f"all particles must have a mass for a run of nadyn, but {still[0]} has none.")
    integrator = openmm.VerletIntegrator(0.001)
    context = openmm.Context(system, integrator, *([] if platform is None else [platform]))
    return InSurroundings(
        inner,
        tuple(particles),
        numbers,
        tuple(masses),
        ForceField(context, charges),
        system.usesPeriodicBoundaryConditions(),
    )
