"""Langevin's random force and friction, solved exactly for the momenta alone."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.nuclei import kinetic_energy
from nadyn.dynamics.random_numbers import Stream, normal
from nadyn.dynamics.state import State
from nadyn.dynamics.thermostat import Bathed, Thermostat


def mixed_with_noise(
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    noise: Float[Tensor, "traj atom x"],
    temperature: float,
    friction: float,
    dt: float,
) -> Float[Tensor, "traj atom x"]:
    """Return P exp(-g dt) + sqrt[(1 - exp(-2 g dt)) M k T] xi.

    Source: B. Leimkuhler and C. Matthews, J. Chem. Phys. 138, 174102 (2013), part O.

    Args:
        momenta: P [au].
        masses: M [electron mass].
        noise: xi, normal numbers.
        temperature: k T [hartree].
        friction: g [1/au of time].
        dt: Time [au].
    """
    kept = math.exp(-friction * dt)
    width = torch.sqrt(masses * (temperature * -math.expm1(-2.0 * friction * dt)))
    return momenta * kept + noise * width[:, None]


def langevin(
    *, dt: float, seed: int, masses: Float[Tensor, "atom"], temperature: float, friction: float
) -> Thermostat:
    """Return Langevin's thermostat, see `mixed_with_noise` for the arguments.

    All degrees of freedom are thermal, translation and rotation included.
    """

    def act(state: State, momenta: Float[Tensor, "traj atom x"]) -> Bathed:
        shape = tuple(momenta.shape[1:])
        noise = normal(seed, state.trajectory, state.step + 1, Stream.THERMOSTAT, shape)
        after = mixed_with_noise(
            momenta, masses, noise=noise, temperature=temperature, friction=friction, dt=dt
        )
        return Bathed(after, kinetic_energy(after, masses) - kinetic_energy(momenta, masses), {})

    return Thermostat(act)
