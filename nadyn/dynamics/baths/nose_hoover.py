"""Chains of Nosé and Hoover: variables that scale momenta, so that a deterministic motion is canonical.

Source: G. J. Martyna, M. L. Klein and M. Tuckerman, J. Chem. Phys. 97, 2635 (1992); the integration is that
of G. J. Martyna, M. E. Tuckerman, D. J. Tobias and M. L. Klein, Mol. Phys. 87, 1117 (1996).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.baths.thermostat import Bathed, Thermostat
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.random_numbers import Stream, normal
from nadyn.models.model import CARTESIAN_LAWS
from nadyn.units import AU_PER_FEMTOSECOND, HARTREE_PER_KELVIN

Chains = Literal["one", "each"]

# A chain is stiffer than the molecule, above all where it starts far from its temperature.
_PARTS = 5

# A net momentum below this share of the momenta is rounding.
_ROUNDING = 1e-8


class NoseHooverSection(Configuration):
    """Variables that scale momenta: {name: nose_hoover, temperature_kelvin: 300, period_fs: 40}."""

    name: Literal["nose_hoover"]
    temperature_kelvin: float = Field(gt=0.0, allow_inf_nan=False)
    period_fs: float = Field(default=40.0, gt=0.0, allow_inf_nan=False)
    length: int = Field(default=3, ge=1, le=20)
    chains: Chains = "one"

    def thermostat(
        self, *, dt: float, seed: int, masses: Float[Tensor, "atom"], laws: frozenset[str]
    ) -> Thermostat:
        """Return the thermostat of this section; time step and masses in atomic units."""
        return nose_hoover(
            dt=dt,
            seed=seed,
            masses=masses,
            temperature=self.temperature_kelvin * HARTREE_PER_KELVIN,
            period=self.period_fs * AU_PER_FEMTOSECOND,
            length=self.length,
            chains=self.chains,
            laws=laws,
        )


@dataclass(frozen=True)
class ChainVariables:
    """Variables of the chains, their momenta, and how many components of the momenta each chain scales."""

    positions: Float[Tensor, "traj length kind"]
    momenta: Float[Tensor, "traj length kind"]
    freedom: Float[Tensor, "traj kind"]


@dataclass(frozen=True)
class _Chains:
    """Choices of a run, as the arguments of `nose_hoover`."""

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    temperature: float
    period: float
    length: int
    chains: Chains
    laws: frozenset[str]


def nose_hoover(
    *,
    dt: float,
    seed: int,
    masses: Float[Tensor, "atom"],
    temperature: float,
    period: float,
    length: int = 3,
    chains: Chains = "one",
    laws: frozenset[str] = CARTESIAN_LAWS,
) -> Thermostat:
    """Return the thermostat of Nosé-Hoover chains, with variables xi_j and their momenta q_j, j = 1 … M:

        dP/dt = … - (q_1/Q_1) P,   dq_1/dt = 2 K - f kT - (q_2/Q_2) q_1,
        dq_j/dt = q_(j-1)^2/Q_(j-1) - kT - (q_(j+1)/Q_(j+1)) q_j,   dxi_j/dt = q_j/Q_j

    with Q_1 = f kT/omega^2, Q_j = kT/omega^2 and omega = 2 pi/period. Conserved is the total energy plus
    sum_j q_j^2/2Q_j + f kT xi_1 + kT sum_(j>1) xi_j; what the chain has lost of that counts as heat. The
    q_j start with random numbers of their canonical distribution.

    Args:
        dt: Time step [au].
        seed: Seed of the run.
        masses: [electron mass].
        temperature: k T [hartree].
        period: Of the chain about equilibrium [au].
        length: M.
        chains: `one` for all momenta together, with f of `degrees_of_freedom`; `each` for every component of
            every momentum, with f = 1.
        laws: Of the model: with translation it keeps the net momentum by itself, with rotation besides the
            angular momentum too.
    """
    options = _Chains(dt, seed, masses, temperature, period, length, chains, laws)
    return Thermostat(
        act=lambda state, momenta: _act(state, momenta, options), begin=lambda state: _begin(state, options)
    )


def _begin(state: State, options: _Chains) -> State:
    n_traj, n = len(state.momenta), state.momenta[0].numel()
    if options.chains == "each":
        freedom = state.momenta.new_ones(n_traj, n)
    elif "translation" in options.laws:
        freedom = degrees_of_freedom(state.positions, state.momenta, options.masses, options.laws)[:, None]
    else:
        freedom = state.momenta.new_full((n_traj, 1), float(n))
    shape = (options.length, freedom.shape[1])
    # Step 0 of the stream: thermostats draw from step 1 on.
    noise = normal(options.seed, state.trajectory, 0, Stream.THERMOSTAT, shape)
    momenta = noise * torch.sqrt(_inertia(freedom, options) * options.temperature)
    return remember(state, ChainVariables(torch.zeros_like(momenta), momenta, freedom))


def degrees_of_freedom(
    positions: Float[Tensor, "traj atom 3"],
    momenta: Float[Tensor, "traj atom 3"],
    masses: Float[Tensor, "atom"],
    laws: frozenset[str],
) -> Float[Tensor, "traj"]:
    """Return the number of components of the momenta, less those that stay zero.

    Three less where the net momentum is zero. Where rotation is a law besides translation, three less where
    the angular momentum about the centre of mass is zero, two for a pair of atoms; a periodic crystal does
    not keep it.
    """
    n_traj, n_atoms, _ = momenta.shape
    freedom = momenta.new_full((n_traj,), 3.0 * n_atoms)
    if n_atoms < 2:
        return freedom
    weight = (masses / masses.sum())[:, None]
    centre = torch.stack([ordered_sum(positions[..., x] * weight[:, 0]) for x in range(3)], dim=1)
    r = positions - centre[:, None]
    angular = torch.linalg.cross(r, momenta)
    turning = r.abs().amax(2, keepdim=True) * momenta.abs().amax(2, keepdim=True)
    kept = [(momenta, momenta.abs(), 3.0)]
    if "rotation" in laws:
        kept.append((angular, turning, 3.0 if n_atoms > 2 else 2.0))
    for vector, scale, lost in kept:
        net = torch.stack([ordered_sum(vector[..., x]).abs() for x in range(3)], dim=1).amax(1)
        freedom = torch.where(net <= _ROUNDING * ordered_sum(scale), freedom - lost, freedom)
    return freedom


def _inertia(freedom: Float[Tensor, "traj kind"], options: _Chains) -> Float[Tensor, "traj length kind"]:
    """Return Q_j of every chain."""
    weight = freedom.new_ones(len(freedom), options.length, freedom.shape[1])
    weight[:, 0] = freedom
    return weight * (options.temperature * (options.period / (2.0 * math.pi)) ** 2)


def _act(state: State, momenta: Float[Tensor, "traj atom x"], options: _Chains) -> Bathed:
    squares = momenta * momenta / options.masses[:, None]
    one = options.chains == "one"
    twice_kinetic = ordered_sum(squares)[:, None] if one else squares.flatten(1)
    known = recall(state, ChainVariables)
    freedom, positions, q = known.freedom, known.positions, known.momenta
    inertia = _inertia(freedom, options)
    before = _energy(positions, q, inertia, freedom, options)
    scale = torch.ones_like(twice_kinetic)
    for _ in range(_PARTS):
        positions, q, factor = _part(
            positions, q, twice_kinetic * scale * scale, inertia, freedom, options, options.dt / _PARTS
        )
        scale = scale * factor
    scaled = momenta * (scale[:, :, None] if one else scale.reshape(momenta.shape))
    heat = before - _energy(positions, q, inertia, freedom, options)
    return Bathed(scaled, heat, ChainVariables(positions, q, freedom))


def _part(
    positions: Float[Tensor, "traj length kind"],
    momenta: Float[Tensor, "traj length kind"],
    twice_kinetic: Float[Tensor, "traj kind"],
    inertia: Float[Tensor, "traj length kind"],
    freedom: Float[Tensor, "traj kind"],
    options: _Chains,
    dt: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return variables, their momenta and the factor of the nuclear momenta after a time `dt`."""
    kt, last = options.temperature, options.length - 1
    q = list(momenta.unbind(1))
    inertias = inertia.unbind(1)

    def kicked(j: int, twice_kinetic: Tensor) -> Tensor:
        driving = q[j - 1] * q[j - 1] / inertias[j - 1] - kt if j else twice_kinetic - freedom * kt
        if j == last:
            return q[j] + driving * (0.5 * dt)
        damping = elementwise(torch.exp, q[j + 1] / inertias[j + 1] * (-0.25 * dt))
        return (q[j] * damping + driving * (0.5 * dt)) * damping

    for j in range(last, -1, -1):
        q[j] = kicked(j, twice_kinetic)
    factor = elementwise(torch.exp, q[0] / inertias[0] * -dt)
    velocities = torch.stack([one / mass for one, mass in zip(q, inertias, strict=True)], dim=1)
    positions = positions + velocities * dt
    after = twice_kinetic * factor * factor
    for j in range(last + 1):
        q[j] = kicked(j, after)
    return positions, torch.stack(q, dim=1), factor


def _energy(
    positions: Tensor, momenta: Tensor, inertia: Tensor, freedom: Tensor, options: _Chains
) -> Float[Tensor, "traj"]:
    """Return what the chains hold [hartree]."""
    weight = torch.ones_like(momenta)
    weight[:, 0] = freedom
    return ordered_sum(0.5 * momenta * momenta / inertia + weight * positions * options.temperature)
