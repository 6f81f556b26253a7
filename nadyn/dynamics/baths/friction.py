"""Friction on chosen atoms during any dynamics: a bath beside the molecule, on the atoms that touch it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from pydantic import Field, field_validator
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.baths.langevin import mixed_with_noise
from nadyn.dynamics.baths.thermostat import PER_PS
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.random_numbers import Stream, normal
from nadyn.dynamics.state.step import Step
from nadyn.models.model import Model
from nadyn.units import HARTREE_PER_KELVIN


class FrictionSection(Configuration):
    """Friction on chosen atoms: {atoms: [0, 3], per_ps: 5, temperature_kelvin: 300}; 0 is the first."""

    atoms: tuple[int, ...]
    per_ps: float = Field(gt=0.0, allow_inf_nan=False)
    temperature_kelvin: float = Field(ge=0.0, allow_inf_nan=False)

    @field_validator("atoms")
    @classmethod
    def _each_once(cls, atoms: tuple[int, ...]) -> tuple[int, ...]:
        if not atoms or min(atoms) < 0 or len(set(atoms)) < len(atoms):
            raise ValueError(
                "`friction.atoms` must be numbers of atoms from 0, each once, but is "
                f"{list(atoms)}. Try atoms: [0]."
            )
        return atoms


@dataclass(frozen=True)
class Friction:
    """Langevin's friction on some atoms.

    Attributes:
        dt: Time step [au].
        seed: Seed of the random force.
        masses: Of all atoms [electron mass].
        atoms: Numbers of the atoms.
        temperature: k T [hartree]; 0 for friction alone.
        rate: Friction [1/au of time].
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    atoms: Int[Tensor, "chosen"]
    temperature: float
    rate: float


def friction_of(section: FrictionSection, *, dt: float, seed: int, masses: Float[Tensor, "atom"]) -> Friction:
    """Return the `friction` section of a run file in atomic units.

    Raises:
        InputError: There is no such atom.
    """
    n = len(masses)
    if max(section.atoms) >= n:
        raise InputError(
            f"`friction.atoms` must be from 0 to {n - 1} for this model, but is {list(section.atoms)}."
        )
    return Friction(
        dt=dt,
        seed=seed,
        masses=masses,
        atoms=torch.tensor(section.atoms, device=masses.device),
        temperature=section.temperature_kelvin * HARTREE_PER_KELVIN,
        rate=section.per_ps * PER_PS,
    )


def refuse_random_force(section: FrictionSection | None, where: str) -> None:
    """Refuse a random force where curvatures of energies in time decide.

    A random force gives velocities jumps of the size sqrt(dt), so that three energies in a row have a second
    derivative that grows like 1/sqrt(dt) and says nothing of a coupling.

    Args:
        section: The `friction` section, if there is one.
        where: What takes curvatures in time, such as "with method landau_zener".

    Raises:
        InputError: There is a random force.
    """
    if section is not None and section.temperature_kelvin > 0:
        raise InputError(
            f"`friction.temperature_kelvin` must be 0 {where}, which reads couplings from curvatures of "
            f"energies in time, but is {section.temperature_kelvin:g}: a random force bends them without "
            "limit. Try 0, or method fssh with propagation: local_diabatisation."
        )


def with_friction(step: Callable[[State, Model], Step], friction: Friction) -> Callable[[State, Model], Step]:
    """Return the step of any method between two halves of friction and random force.

    O(dt/2), the step of the method, O(dt/2), with O as in `langevin.mixed_with_noise` on the chosen atoms.
    The energy that O brings in is added up in `heat`; the total energy minus it is conserved as well as the
    method conserves the total energy.

    Source: G. Bussi and M. Parrinello, Phys. Rev. E 75, 056707 (2007).
    """

    def stepped(state: State, model: Model) -> Step:
        shape = (2, len(friction.atoms), state.momenta.shape[2])
        noise = normal(friction.seed, state.trajectory, state.step + 1, Stream.THERMOSTAT, shape)
        made = step(_half(state, noise[:, 0], friction), model)
        return replace(made, state=_half(made.state, noise[:, 1], friction))

    return stepped


def _half(state: State, noise: Float[Tensor, "traj chosen x"], friction: Friction) -> State:
    chosen, masses = state.momenta[:, friction.atoms], friction.masses[friction.atoms]
    after = mixed_with_noise(
        chosen,
        masses,
        noise=noise,
        temperature=friction.temperature,
        friction=friction.rate,
        dt=0.5 * friction.dt,
    )
    gained = kinetic_energy(after, masses) - kinetic_energy(chosen, masses)
    momenta = state.momenta.index_copy(1, friction.atoms, after)
    return replace(state, momenta=momenta, heat=state.heat + gained)
