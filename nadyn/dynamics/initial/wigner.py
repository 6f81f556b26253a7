"""Phase-space points of harmonic oscillators: the Wigner function and the classical canonical ensemble."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from nadyn.dynamics.initial.normal_modes import NormalModes
from nadyn.dynamics.state.random_numbers import Stream, normal
from nadyn.units import HARTREE_PER_KELVIN

Distribution = Literal["wigner", "thermal"]


def mode_energies(
    frequencies: Float[np.ndarray, "mode"],
    *,
    distribution: Distribution,
    temperature_kelvin: float,
    quanta: Mapping[int, int] | None = None,
) -> Float[np.ndarray, "mode"]:
    """Return the mean energy of each oscillator [hartree].

    Quantum (wigner): ⟨E⟩ = (ω/2) coth(ω/2kT). Classical (thermal): ⟨E⟩ = kT. With `quanta`, by the number of
    a mode from 0: (n + 1/2) ω, exactly.

    Source: M. Hillery, R. F. O'Connell, M. O. Scully and E. P. Wigner, Phys. Rep. 106, 121 (1984).
    """
    thermal = HARTREE_PER_KELVIN * temperature_kelvin
    if distribution == "thermal":
        energies = np.full_like(frequencies, thermal)
    elif thermal == 0.0:
        energies = 0.5 * frequencies
    else:
        energies = 0.5 * frequencies / np.tanh(0.5 * frequencies / thermal)
    for mode, n in (quanta or {}).items():
        energies[mode] = (n + 0.5) * frequencies[mode]
    return energies


def packet(
    positions: Float[np.ndarray, "traj atom x"],
    momenta: Float[np.ndarray, "traj atom x"],
    width: Float[np.ndarray, "atom"],
    *,
    seed: int,
    first: int = 0,
) -> tuple[Float[np.ndarray, "traj atom x"], Float[np.ndarray, "traj atom x"]]:
    """Return phase-space points of a Gaussian wave packet, whose Wigner function is a density.

    psi ~ exp[-(x - x0)^2 / (2 s^2) + i p0 x]: x and p are independent, of standard deviations s/√2 and
    1/(s√2). The numbers of trajectory i depend on the seed and on i alone.

    Source: M. Hillery, R. F. O'Connell, M. O. Scully and E. P. Wigner, Phys. Rep. 106, 121 (1984).

    Args:
        positions: The centre, once a trajectory.
        momenta: The mean momentum, once a trajectory.
        width: s of each coordinate.
        seed: Seed of the random numbers.
        first: Number of the first trajectory.
    """
    trajectory, shape = torch.arange(first, first + len(positions)), positions.shape[1:]
    q = normal(seed, trajectory, 0, Stream.INITIAL_POSITIONS, shape).numpy()
    p = normal(seed, trajectory, 0, Stream.INITIAL_MOMENTA, shape).numpy()
    spread = (width / np.sqrt(2.0))[:, None]
    return positions + spread * q, momenta + p / (2.0 * spread)


def maxwell_boltzmann(
    positions: Float[np.ndarray, "traj atom 3"],
    masses: Float[np.ndarray, "atom"],
    *,
    temperature_kelvin: float,
    keeps_rotation: bool,
    seed: int,
    first: int = 0,
) -> Float[np.ndarray, "traj atom 3"]:
    """Return thermal momenta without a net one, and where it is kept, without angular momentum.

    Args:
        positions: [bohr].
        masses: [electron mass].
        temperature_kelvin: Of the momenta.
        keeps_rotation: Whether angular momentum is kept, as that of a molecule outside of any cell.
        seed: Seed of the random numbers.
        first: Number of the first trajectory.
    """
    shape = positions.shape[1:]
    noise = normal(
        seed, torch.arange(first, first + len(positions)), 0, Stream.INITIAL_MOMENTA, shape
    ).numpy()
    momenta = noise * np.sqrt(masses * HARTREE_PER_KELVIN * temperature_kelvin)[:, None]
    if len(masses) < 2:
        return momenta
    if keeps_rotation:
        # What is left is distributed as it is among all momenta that have none of both.
        return _not_turning(positions, momenta, masses)
    return momenta - masses[:, None] * (momenta.sum(1, keepdims=True) / masses.sum())


def sample_modes(
    modes: NormalModes,
    n: int,
    *,
    distribution: Distribution,
    temperature_kelvin: float,
    seed: int,
    first: int = 0,
    quanta: Mapping[int, int] | None = None,
) -> tuple[Float[np.ndarray, "traj atom x"], Float[np.ndarray, "traj atom x"]]:
    """Return positions and momenta drawn from independent oscillators.

    Both distributions are Gaussian, with ⟨p²⟩ = ω²⟨q²⟩ = ⟨E⟩ for each mode. The numbers of trajectory i
    depend on the seed and on i alone. A mode with `quanta` has the energy (n + 1/2) ω in every trajectory and
    a phase that is drawn: q = √(2E)/ω cos φ, p = √(2E) sin φ (quasi-classical), because the Wigner function
    of an excited oscillator is no density. The other modes have the numbers that they have without.

    Source: M. Karplus, R. N. Porter and R. D. Sharma, J. Chem. Phys. 43, 3259 (1965).

    Args:
        modes: The oscillators.
        n: Number of trajectories.
        distribution: "wigner" or "thermal" (the classical canonical ensemble of the same oscillators).
        temperature_kelvin: Temperature.
        seed: Seed of the random numbers.
        first: Number of the first trajectory.
        quanta: Number of quanta of a mode, by its number from 0.
    """
    energies = mode_energies(
        modes.frequencies, distribution=distribution, temperature_kelvin=temperature_kelvin, quanta=quanta
    )
    trajectory, shape = torch.arange(first, first + n), (len(energies),)
    momenta_width = np.sqrt(energies)
    q = (
        normal(seed, trajectory, 0, Stream.INITIAL_POSITIONS, shape).numpy()
        * momenta_width
        / modes.frequencies
    )
    p = normal(seed, trajectory, 0, Stream.INITIAL_MOMENTA, shape).numpy() * momenta_width
    for mode in quanta or {}:
        # The direction of two independent normal numbers is uniform.
        radius = np.sqrt((modes.frequencies[mode] * q[:, mode]) ** 2 + p[:, mode] ** 2)
        scale = np.sqrt(2.0 * energies[mode]) / radius
        q[:, mode], p[:, mode] = q[:, mode] * scale, p[:, mode] * scale
    for pair in modes.bends:
        p[:, pair] = _along(q[:, pair], p[:, pair])
    root = np.sqrt(modes.masses)[:, None]
    positions = np.broadcast_to(modes.centre, (n, *modes.centre.shape)).copy()
    momenta = np.zeros_like(positions)
    # Mode by mode, because the order of a matrix product would depend on n.
    for mode, vector in enumerate(modes.vectors):
        positions += q[:, mode, None, None] * (vector / root)
        momenta += p[:, mode, None, None] * (vector * root)
    return positions, momenta


def without_rotation(
    positions: Float[np.ndarray, "traj atom 3"],
    momenta: Float[np.ndarray, "traj atom 3"],
    masses: Float[np.ndarray, "atom"],
) -> Float[np.ndarray, "traj atom 3"]:
    """Return momenta without net momentum and angular momentum, and with the same kinetic energy.

    The normal modes carry no angular momentum at the minimum, but a displaced molecule has Σ δ × p. A
    rigid rotation, p - m (ω × r) with I ω = L, takes it out together with its energy L·ω/2; the momenta
    are then scaled so that ⟨E⟩ stays that of the oscillators.
    """
    mass, calm = masses[:, None], _not_turning(positions, momenta, masses)
    before = (momenta**2 / mass).sum((1, 2))
    after = (calm**2 / mass).sum((1, 2))
    scale = np.sqrt(np.divide(before, after, out=np.ones_like(before), where=after > 0.0))
    return calm * scale[:, None, None]


def _not_turning(
    positions: Float[np.ndarray, "traj atom 3"],
    momenta: Float[np.ndarray, "traj atom 3"],
    masses: Float[np.ndarray, "atom"],
) -> Float[np.ndarray, "traj atom 3"]:
    """Return momenta less the net momentum and the rigid rotation, and less their energies."""
    mass = masses[:, None]
    relative = positions - ((mass * positions).sum(1) / masses.sum())[:, None]
    calm = momenta - mass * (momenta.sum(1) / masses.sum())[:, None]
    angular = np.cross(relative, calm).sum(1)
    spread = (mass * relative**2).sum((1, 2))
    products = (mass[..., None] * relative[..., :, None] * relative[..., None, :]).sum(1)
    inertia = spread[:, None, None] * np.eye(3) - products
    # The moment about the axis of a linear molecule is zero, and so is the angular momentum about it.
    rotation = (np.linalg.pinv(inertia, rcond=1e-12, hermitian=True) * angular[:, None, :]).sum(-1)
    return calm - mass * np.cross(rotation[:, None, :], relative)


def _along(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Turn the momentum of the two bends of a linear molecule along their displacement.

    That is the point of the same energy without angular momentum about the axis. A rigid rotation about the
    axis, whose moment of inertia is nearly zero, would cost the bends half of their kinetic energy.
    """
    sign = np.where((q * p).sum(-1, keepdims=True) < 0.0, -1.0, 1.0)
    length = np.sqrt((p**2).sum(-1, keepdims=True) / (q**2).sum(-1, keepdims=True))
    return sign * length * q
