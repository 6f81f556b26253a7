"""Exact transmission and reflection of a packet in one coordinate."""

import math
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len

from nadyn.checks.errors import InputError
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model
from nadyn.quantum.grids import Absorber, Grid
from nadyn.quantum.packets import Packet
from nadyn.quantum.quantum_run import QuantumRun
from nadyn.quantum.split_operator import split_operator

# Standard deviations of the packet that the grid holds in positions and in momenta.
_DEVIATIONS = 6.0


@dataclass(frozen=True, eq=False)
class Scattering:
    """Where the parts of a packet went.

    Attributes:
        fraction: By `T0`, `T1`, `R0`, `R1`, …: transmitted or reflected, on adiabatic state 0, 1, …
        undecided: What was still between the ends when the propagation was over.
        run: The propagation.
    """

    fraction: dict[str, float]
    undecided: float
    run: QuantumRun


def scattering(
    model: Model,
    packet: Packet,
    *,
    beyond: float = 10.0,
    dt: float = 2.0,
    max_time: float = 50_000.0,
    absorber_width: float = 12.0,
) -> Scattering:
    """Return the exact branching of a packet that runs across the origin of one coordinate.

    The density is absorbed where |x| is more than `beyond` (or than the start of the packet, where that
    is farther out) and counted by side and by the adiabatic state it is on there. The grid is chosen
    from the momenta that energy conservation allows.

    Args:
        model: A model of one generalised coordinate whose couplings vanish beyond `beyond`.
        packet: The start, on one side and moving to the other.
        beyond: Where a part counts as having left [bohr].
        dt: Time step [au]; 2 is enough for Tully's models to 1e-4 in the probabilities.
        max_time: End of the propagation [au]; it ends earlier when less than 1e-4 is left inside.
        absorber_width: Length over which density is absorbed beyond either end [bohr].

    Raises:
        InputError: The model has more than one coordinate, or the packet does not move towards the origin.
    """
    if len(model.masses) != 1 or model.coordinates != "generalised":
        raise InputError(f"`model` must have one generalised coordinate, but {model.name} has not.")
    if len(packet.position) != 1 or packet.position[0] * packet.momentum[0] >= 0:
        raise InputError(
            "`packet` must start on one side of the origin of one coordinate and move to the other, but has "
            f"position {packet.position} and momentum {packet.momentum}."
        )
    (x0,), (p0,), (sigma,), mass = packet.position, packet.momentum, packet.width, float(model.masses[0])
    reach = abs(x0) + _DEVIATIONS * sigma / math.sqrt(2.0)
    inner = max(beyond, reach)
    lower, upper = (-inner, beyond) if x0 < 0 else (-beyond, inner)
    lower, upper = lower - absorber_width, upper + absorber_width
    largest = _largest_momentum(model, packet, lower, upper)
    points = next_fast_len(math.ceil((upper - lower) * largest / math.pi), real=True)
    run = split_operator(
        model,
        Grid((lower,), (upper,), (points,)),
        packet,
        dt=dt,
        time=max_time,
        write_every=50,
        absorber=Absorber(width=absorber_width, strength=p0**2 / (6.0 * mass)),
        until_outside=beyond,
    )
    # What has left but is not absorbed yet belongs to the side that it is on.
    grid = Grid((lower,), (upper,), (points,))
    x = grid.axes()[0]
    _, eigenvectors = energies_and_eigenvectors(model, grid.positions())
    adiabatic = torch.einsum("xak,ax->kx", eigenvectors.to(torch.complex128), torch.from_numpy(run.wave))
    density = adiabatic.abs() ** 2 * grid.cell
    taken = torch.from_numpy(run.absorbed[-1])
    sides = (density[:, x < -beyond].sum(1) + taken[0], density[:, x > beyond].sum(1) + taken[1])
    transmitted, reflected = (sides[1], sides[0]) if x0 < 0 else (sides[0], sides[1])
    fraction = {f"T{k}": float(value) for k, value in enumerate(transmitted)}
    fraction |= {f"R{k}": float(value) for k, value in enumerate(reflected)}
    return Scattering(fraction, float(density[:, x.abs() <= beyond].sum()), run)


def _largest_momentum(model: Model, packet: Packet, lower: float, upper: float) -> float:
    """Return the largest momentum of a packet that is wholly on the lowest state where that is lowest."""
    (x0,), (p0,), (sigma,), mass = packet.position, packet.momentum, packet.width, float(model.masses[0])
    x = torch.linspace(lower, upper, 1000, dtype=torch.float64)
    x = torch.cat([x, torch.tensor([x0], dtype=torch.float64)])
    energies, _ = energies_and_eigenvectors(model, x[:, None, None])
    highest = float(energies[-1].max() - energies[:, 0].min())
    fastest = abs(p0) + _DEVIATIONS / (math.sqrt(2.0) * sigma)
    return 1.1 * math.sqrt(fastest**2 + 2.0 * mass * highest)
