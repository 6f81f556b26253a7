"""Decoherence from the exact factorisation with auxiliary trajectories: SHXF.

Source: J.-K. Ha, I. S. Lee and S. K. Min, J. Phys. Chem. Lett. 9, 1097 (2018).
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.decoherence.correction import Decoherence, Moment, collapse
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.energies import kinetic_energy, potential_energy
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.electronic.small_arrays import as_complex
from nadyn.models.model import Model


class ShxfSection(Configuration):
    """Quantum momentum of auxiliary trajectories: {name: shxf, width_bohr: 0.1}."""

    name: Literal["shxf"]
    width_bohr: float = Field(gt=0.0, allow_inf_nan=False)
    threshold: float = Field(default=0.01, gt=0.0, lt=0.5)

    needs_real_states: ClassVar[bool] = True

    def correction(self) -> Decoherence:
        """Return the correction of this section."""
        return exact_factorisation(width=self.width_bohr, threshold=self.threshold)


@dataclass(frozen=True)
class Auxiliaries:
    """An auxiliary trajectory on each state: positions, momenta, the change of momenta since it began,
    whether it is under way, and whether it has no kinetic energy left."""

    positions: Float[Tensor, "traj state atom x"]
    momenta: Float[Tensor, "traj state atom x"]
    phase: Float[Tensor, "traj state atom x"]
    coherent: Bool[Tensor, "traj state"]
    resting: Bool[Tensor, "traj state"]


def exact_factorisation(*, width: float, threshold: float = 0.01) -> Decoherence:
    """Return the correction by the quantum momentum of a wave packet on every populated state.

    While two states or more have populations between `threshold` and 1 - `threshold`, each carries an
    auxiliary trajectory: the one on the active state is the trajectory itself; the others move along its
    momentum, with a kinetic energy that keeps their own total energy. With R_l their positions, f_l the
    change of their momenta since they began, and Gaussians of width s, the quantum momentum is q = sum_l
    |c_l|^2 (R - R_l) / 2 s^2 and

        dc_l/dt = -c_l sum_m |c_m|^2 q (f_m - f_l) / M .

    For constant q this is c_l exp(q f_l t / M) scaled to norm 1, and so it is integrated. An auxiliary
    trajectory that has no kinetic energy left stays where it is. A hop ends all of them; an active state that
    has reached 1 - `threshold` takes all population.

    Args:
        width: s [bohr].
        threshold: Smallest population that counts.
    """
    return Decoherence(lambda moment: _act(moment, width, threshold), _begin)


def _begin(state: State, model: Model) -> State:
    n_traj, n = state.energies.shape
    zero = state.positions.new_zeros(n_traj, n, *state.positions.shape[1:])
    never = torch.zeros_like(state.energies, dtype=torch.bool)
    return remember(state, Auxiliaries(zero, zero.clone(), zero.clone(), never, never.clone()))


def _act(moment: Moment, width: float, threshold: float) -> State:
    new = moment.new
    populations = squared_coefficients(new)
    is_active = torch.nn.functional.one_hot(new.active_state, populations.shape[1]).bool()
    known = recall(new, Auxiliaries)
    coherent = known.coherent
    # A hop ends all auxiliary trajectories, and so does an active state that has got everything.
    ended = torch.zeros_like(new.active_state, dtype=torch.bool)
    ended[moment.hops.row[moment.hops.accepted]] = True
    decohered = (is_active & coherent & (populations > 1.0 - threshold)).any(1) & ~ended
    coefficients = torch.where(
        decohered[:, None], collapse(new.coefficients, new.active_state), new.coefficients
    )
    new = replace(new, coefficients=coefficients)
    populations = torch.where(decohered[:, None], is_active.double(), populations)
    before = coherent & ~(ended | decohered)[:, None]
    coherent = (populations >= threshold) & (populations <= 1.0 - threshold)
    coherent = coherent & (coherent.sum(1) > 1)[:, None]
    first = coherent & ~before
    resting = known.resting & before & coherent
    memory = _auxiliaries(moment, is_active, coherent, first, resting)
    growth = _growth(moment, populations, coherent, memory, width)
    return remember(replace(new, coefficients=_grown(new, growth * moment.dt)), memory)


def _auxiliaries(
    moment: Moment, is_active: Tensor, coherent: Tensor, first: Tensor, resting: Tensor
) -> Auxiliaries:
    """The auxiliary trajectories after the step."""
    old, new = moment.old, moment.new
    known = recall(new, Auxiliaries)
    here, momenta = new.positions[:, None], new.momenta[:, None]
    drifted = known.positions + known.momenta * (moment.dt / moment.masses)[:, None]
    positions = torch.where((is_active | first)[:, :, None, None], here, drifted)
    kinetic = kinetic_energy(new.momenta, moment.masses)
    n_traj, n = new.energies.shape
    squares = known.momenta**2 * (0.5 / moment.masses)[:, None]
    own = ordered_sum(squares.flatten(0, 1)).reshape(n_traj, n) + old.energies - new.energies
    at_first = kinetic[:, None] + potential_energy(new.energies, new.active_state)[:, None] - new.energies
    own = torch.where(is_active, kinetic[:, None], torch.where(first, at_first, own))
    resting = (resting | (own < 0)) & coherent & ~is_active
    own = torch.where(resting, 0.0, own.clamp(min=0.0))
    scale = torch.sqrt(own / torch.where(kinetic > 0, kinetic, torch.inf)[:, None])
    auxiliary_momenta = momenta * scale[:, :, None, None]
    phase = known.phase + auxiliary_momenta - known.momenta
    keep = coherent[:, :, None, None]
    return Auxiliaries(
        positions=torch.where(keep, positions, 0.0),
        momenta=torch.where(keep, auxiliary_momenta, 0.0),
        phase=torch.where(keep & ~first[:, :, None, None], phase, 0.0),
        coherent=coherent,
        resting=resting,
    )


def _growth(
    moment: Moment, populations: Tensor, coherent: Tensor, memory: Auxiliaries, width: float
) -> Float[Tensor, "traj state"]:
    """q f_l / M of each coherent state, 0 for the others."""
    here = moment.new.positions[:, None]
    apart = torch.where(coherent[:, :, None, None], here - memory.positions, 0.0)
    weighted = apart * populations[:, :, None, None]
    momentum = weighted[:, 0]
    for l in range(1, weighted.shape[1]):
        momentum = momentum + weighted[:, l]
    momentum = momentum / (2.0 * width * width) / moment.masses[:, None]
    terms = momentum[:, None] * memory.phase
    return ordered_sum(terms.flatten(0, 1)).reshape(populations.shape)


def _grown(state: State, exponent: Float[Tensor, "traj state"]) -> Tensor:
    """Return c_l exp(g_l) with the norm it had; rows without any exponent keep their bits."""
    changed = (exponent != 0).any(1)
    largest = exponent.amax(dim=1, keepdim=True)
    c = torch.view_as_real(state.coefficients) * elementwise(torch.exp, exponent - largest)[:, :, None]
    norm = ordered_sum(c * c)
    before = ordered_sum(squared_coefficients(state))
    c = c * torch.sqrt(before / torch.where(norm > 0, norm, 1.0))[:, None, None]
    return torch.where(changed[:, None], as_complex(c), state.coefficients)
