"""Exact propagation of a wave packet on a grid by the split operator."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.checks.errors import InputError, InputWarning
from nadyn.electronic.surfaces import in_blocks
from nadyn.models.analytic.vibronic import VibronicCoupling
from nadyn.models.model import Model
from nadyn.models.spin_states import spin_states
from nadyn.quantum.grids import Absorber, Grid, check_grid
from nadyn.quantum.packets import Packet
from nadyn.quantum.quantum_run import QuantumRun

# An edge is this fraction of the points at each end of a coordinate, or of its momenta.
_EDGE = 0.02
_TOLERATED_EDGE_DENSITY = 1e-4


def split_operator(
    model: Model,
    grid: Grid,
    packet: Packet,
    *,
    dt: float,
    time: float,
    write_every: int = 1,
    absorber: Absorber | None = None,
    until_outside: float | None = None,
) -> QuantumRun:
    """Return the exact propagation of a wave packet on the diabatic surfaces of a model.

    psi(t + dt) = exp(-i dt W/2) exp(-i dt T) exp(-i dt W/2) psi(t), where W is applied at each point as
    the exponential of a small matrix and T = sum_n p_n² / (2 m_n) between two Fourier transforms. The norm
    is kept to rounding; the error of a given time is of the order dt². A vibronic coupling model with a
    spin-orbit matrix is propagated in its spin states, with that matrix added to W.

    Source: M. D. Feit, J. A. Fleck and A. Steiger, J. Comput. Phys. 47, 412 (1982); J. Alvarellos and
    H. Metiu, J. Chem. Phys. 88, 4957 (1988) for several states.

    Args:
        model: A model of one to three generalised coordinates.
        grid: Where the wave function is kept; it is periodic.
        packet: The start.
        dt: Time step [au].
        time: Length of the propagation [au], rounded up to a whole number of written times.
        write_every: Steps from one written time to the next.
        absorber: Takes up density at both ends of one coordinate; without it the packet must stay inside.
        until_outside: Ends the propagation when less than 1e-4 of the density is left between minus and
            plus this value of the first coordinate, after the packet has been there.

    Raises:
        InputError: The model is a molecule, the grid or the packet does not fit, or dt or time is not
            positive.
    """
    system = _System.of(model, grid, dt=dt, absorber=absorber)
    if not (dt > 0 and time > 0 and write_every >= 1):
        raise InputError(
            f"`dt`, `time` and `write_every` must be positive, but are {dt}, {time} and {write_every}."
        )
    psi = _start(system, packet)
    n_states = len(psi)
    absorbed = torch.zeros(2, n_states, dtype=torch.float64)
    rows = [_observe(system, psi, absorbed)]
    half, full = system.potential_half, system.potential
    entered = False
    for _ in range(math.ceil(time / dt / write_every - 1e-9)):
        psi = _apply(half, psi)
        for step in range(write_every):
            psi = torch.fft.fftn(psi, dim=system.axes)
            psi = torch.fft.ifftn(psi * system.kinetic, dim=system.axes)
            # Two halves of W between two steps are one whole.
            psi = _apply(half if step == write_every - 1 else full, psi)
            if absorber is not None:
                psi, taken = _absorb(system, psi)
                absorbed = absorbed + taken
        rows.append(_observe(system, psi, absorbed))
        if until_outside is not None:
            inside = _inside(system, psi, until_outside)
            entered = entered or inside > 0.5
            if entered and inside < 1e-4:
                break
    run = _collect(rows, dt * write_every, psi)
    if run.edge_density > _TOLERATED_EDGE_DENSITY:
        warnings.warn(
            InputWarning(
                f"a share {run.edge_density:.1e} of the density was at an edge of the grid, in positions or "
                "in momenta: widen the grid, use more points, or an absorber."
            ),
            stacklevel=2,
        )
    return run


@dataclass(frozen=True, eq=False)
class _System:
    """What does not change with time."""

    grid: Grid
    hamiltonian: Tensor
    eigenvectors: Tensor
    potential: Tensor
    potential_half: Tensor
    kinetic_energy: Tensor
    kinetic: Tensor
    damping: Tensor | None
    ends: Tensor | None

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(1, 1 + len(self.grid.points)))

    @classmethod
    def of(cls, model: Model, grid: Grid, *, dt: float, absorber: Absorber | None) -> "_System":
        if model.coordinates != "generalised":
            raise InputError(
                f"`model` must have generalised coordinates, but {model.name} is a molecule. "
                "Use an analytic model."
            )
        check_grid(grid, n_coordinates=len(model.masses), n_states=_n_states(model))
        hamiltonian = _hamiltonian(model, grid)
        energies, eigenvectors = torch.linalg.eigh(hamiltonian)
        kinetic_energy = torch.zeros(grid.points, dtype=torch.float64)
        for n, momenta in enumerate(grid.wave_numbers()):
            kinetic_energy = kinetic_energy + grid.along(momenta**2 / (2.0 * model.masses[n]), n)
        damping = ends = None
        if absorber is not None:
            along = absorber.on(grid)
            damping = grid.along(torch.exp(-dt * along), absorber.coordinate)
            upper = torch.arange(len(along)) >= len(along) // 2
            # One row for the lower end, one for the upper: where each point's loss is counted.
            ends = torch.stack([grid.along(side.double(), absorber.coordinate) for side in (~upper, upper)])
        return cls(
            grid=grid,
            hamiltonian=_states_first(hamiltonian, grid),
            eigenvectors=_states_first(eigenvectors, grid),
            potential=_states_first(_exponential(energies, eigenvectors, dt), grid),
            potential_half=_states_first(_exponential(energies, eigenvectors, 0.5 * dt), grid),
            kinetic_energy=kinetic_energy,
            kinetic=torch.exp(-1j * dt * kinetic_energy),
            damping=damping,
            ends=ends,
        )


def _n_states(model: Model) -> int:
    if isinstance(model, VibronicCoupling) and model.spin_orbit is not None:
        return len(model.spin_orbit)
    return model.n_basis


def _hamiltonian(model: Model, grid: Grid) -> Tensor:
    def block(positions: Tensor) -> tuple[Tensor]:
        with torch.no_grad():
            return (model.evaluate(positions).hamiltonian,)

    hamiltonian = in_blocks(model.block_width, block, grid.positions())[0]
    if isinstance(model, VibronicCoupling) and model.spin_orbit is not None:
        return spin_states(model.multiplicities).expand(hamiltonian) + model.spin_orbit
    return hamiltonian


def _exponential(energies: Tensor, eigenvectors: Tensor, dt: float) -> Tensor:
    phases = torch.exp(-1j * dt * energies)
    return (eigenvectors * phases[:, None, :]) @ eigenvectors.mH.to(phases.dtype)


def _states_first(matrices: Float[Tensor, "point a b"] | Complex[Tensor, "point a b"], grid: Grid) -> Tensor:
    """Put the points last: products with a wave function then run along contiguous memory."""
    return matrices.permute(1, 2, 0).reshape(*matrices.shape[1:], *grid.points).contiguous()


def _apply(matrix: Tensor, psi: Tensor) -> Tensor:
    return torch.stack([(row * psi).sum(0) for row in matrix])


def _adiabatic_density(system: _System, psi: Tensor) -> Tensor:
    return _apply(system.eigenvectors.transpose(0, 1).conj(), psi).abs() ** 2 * system.grid.cell


def _absorb(system: _System, psi: Tensor) -> tuple[Tensor, Tensor]:
    lost = _adiabatic_density(system, psi) * (1.0 - system.damping**2)
    taken = (system.ends[:, None] * lost).flatten(2).sum(2)
    return psi * system.damping, taken


def _start(system: _System, packet: Packet) -> Tensor:
    n_states = len(system.hamiltonian)
    if not 0 <= packet.state < n_states:
        raise InputError(f"`state` of the packet must be from 0 to {n_states - 1}, but is {packet.state}.")
    wave = packet.on(system.grid)
    if packet.representation == "adiabatic":
        return _smooth_column(system, packet) * wave
    psi = torch.zeros(n_states, *wave.shape, dtype=wave.dtype)
    psi[packet.state] = wave
    return psi


def _smooth_column(system: _System, packet: Packet) -> Tensor:
    """Return one adiabatic state with a sign that does not jump from point to point.

    The sign is that of the overlap with the state at the centre of the packet. Around a conical
    intersection no sign is smooth everywhere, and the packet is to start away from it.
    """
    column = system.eigenvectors[:, packet.state]
    centre = tuple(
        int((x - x0).abs().argmin()) for x, x0 in zip(system.grid.axes(), packet.position, strict=True)
    )
    there = column[(slice(None), *centre)].reshape(-1, *[1] * len(centre))
    overlap = (there.conj() * column).sum(0)
    size = overlap.abs()
    return column * torch.where(size > 0, overlap.conj() / size.clamp(min=1e-300), 1.0)


@dataclass(frozen=True, eq=False)
class _Row:
    diabatic: Tensor
    adiabatic: Tensor
    absorbed: Tensor
    norm: float
    energy: float
    positions: list[float]
    edge: float


def _observe(system: _System, psi: Tensor, absorbed: Tensor) -> _Row:
    grid = system.grid
    diabatic = psi.abs() ** 2 * grid.cell
    density = diabatic.sum(0)
    norm = float(density.sum())
    transformed = torch.fft.fftn(psi, dim=system.axes)
    momentum_density = (transformed.abs() ** 2).sum(0)
    momentum_density = momentum_density * (norm / momentum_density.sum().clamp(min=1e-300))
    energy = (momentum_density * system.kinetic_energy).sum()
    energy = energy + (psi.conj() * _apply(system.hamiltonian, psi)).sum().real * grid.cell
    profiles = [_profile(density, n) for n in range(len(grid.points))]
    means = [float((p * x).sum()) / max(norm, 1e-300) for p, x in zip(profiles, grid.axes(), strict=True)]
    return _Row(
        diabatic=diabatic.flatten(1).sum(1),
        adiabatic=_adiabatic_density(system, psi).flatten(1).sum(1),
        absorbed=absorbed,
        norm=norm,
        energy=float(energy) / max(norm, 1e-300),
        positions=means,
        edge=_edge_density(system, profiles, momentum_density),
    )


def _profile(density: Tensor, coordinate: int) -> Tensor:
    others = [axis for axis in range(density.ndim) if axis != coordinate]
    return density.sum(others) if others else density


def _edge_density(system: _System, profiles: list[Tensor], momentum_density: Tensor) -> float:
    found = [0.0]
    for n, profile in enumerate(profiles):
        width = max(1, round(_EDGE * len(profile)))
        found.append(float(profile[:width].sum() + profile[-width:].sum()))
        # The largest momenta stand in the middle of the transform.
        momenta, middle = _profile(momentum_density, n), len(profile) // 2
        found.append(float(momenta[middle - width : middle + width].sum()))
    return max(found)


def _inside(system: _System, psi: Tensor, boundary: float) -> float:
    x = system.grid.axes()[0]
    profile = _profile((psi.abs() ** 2).sum(0), 0) * system.grid.cell
    return float(profile[x.abs() < boundary].sum())


def _collect(rows: list[_Row], interval: float, psi: Tensor) -> QuantumRun:
    return QuantumRun(
        times=interval * np.arange(len(rows)),
        diabatic_populations=torch.stack([row.diabatic for row in rows]).numpy(),
        adiabatic_populations=torch.stack([row.adiabatic for row in rows]).numpy(),
        absorbed=torch.stack([row.absorbed for row in rows]).numpy(),
        norm=np.array([row.norm for row in rows]),
        energy=np.array([row.energy for row in rows]),
        positions=np.array([row.positions for row in rows]),
        edge_density=max(row.edge for row in rows),
        wave=psi.numpy(),
    )
