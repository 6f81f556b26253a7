"""Coefficients of spin-adiabatic states over one time step: local diabatisation with complex overlaps."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nadyn.dynamics.electrons.propagation import Propagation, SpinLevels
from nadyn.dynamics.spins.hamiltonian import hermitian_eigh
from nadyn.dynamics.state.batch_independence import electronic_width
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.electronic.eigen import singular_parts
from nadyn.electronic.surfaces import in_blocks


@dataclass(frozen=True, eq=False)
class Driving:
    """A field during one step.

    Attributes:
        moments: Eigenvalues of the dipole matrix along the polarisation [e bohr].
        vectors: Its eigenvectors, as columns in the spin states.
        fields: The field in each of the equal parts of the step [au].
    """

    moments: Float[Tensor, "spin_state"]
    vectors: Complex[Tensor, "spin_state spin_state2"]
    fields: list[float]


def unitary_step(
    coefficients: Complex[Tensor, "traj state"],
    old: SpinLevels,
    new: SpinLevels,
    *,
    dt: float,
    driving: Driving | None = None,
) -> Propagation:
    """Return the coefficients after a time step.

    S = U(t)† U(t+dt), which is unitary where the states are complete and else the nearest unitary matrix, and
    c(t+dt) = S† exp[-i dt (E(t) + S E(t+dt) S†) / 2] c(t): in the diabatic basis
    exp[-i dt (H(t) + H(t+dt)) / 2], whatever the phases of the eigenvectors and the choice among degenerate
    ones. With a field the exponential becomes the product over short parts δ of
    exp(-i δ H/2) exp(i δ E_j μ) exp(-i δ H/2), with the same mean H in all of them.

    Source: for the spin-orbit case F. Plasser, G. Granucci, J. Pittner, M. Barbatti, M. Persico and
    H. Lischka, J. Chem. Phys. 137, 22A514 (2012); S. Mai, P. Marquetand and L. González, Int. J. Quantum
    Chem. 115, 1215 (2015).

    Args:
        coefficients: c(t).
        old: E(t) [hartree] and U(t).
        new: E(t+dt) [hartree] and U(t+dt).
        dt: Time step [au].
        driving: The field of this step, if there is one.
    """

    def block(*rows: Tensor) -> tuple[Tensor, ...]:
        return _step(*rows, dt=dt, driving=driving)

    width = electronic_width(old[1].shape[1], old[1])
    return Propagation(*in_blocks(width, block, coefficients, *old, *new))


def to_states(
    amplitudes: Complex[Tensor, "traj spin_state"], eigenvectors: Complex[Tensor, "traj spin_state state"]
) -> Complex[Tensor, "traj state"]:
    """Return c = U† a."""

    def block(amplitudes: Tensor, eigenvectors: Tensor) -> tuple[Tensor]:
        c = product(_adjoint(trajectories_last(eigenvectors)), trajectories_last(amplitudes)[:, None])
        return (c[:, 0].T.contiguous(),)

    return in_blocks(electronic_width(eigenvectors.shape[1], eigenvectors), block, amplitudes, eigenvectors)[
        0
    ]


def _step(
    c: Tensor,
    energies: Tensor,
    vectors: Tensor,
    new_energies: Tensor,
    new_vectors: Tensor,
    *,
    dt: float,
    driving: Driving | None,
) -> tuple[Tensor, Tensor, Tensor]:
    # The trajectories are the last axis here: long vectors are what the processor is fast with.
    c, energies, new_energies = (trajectories_last(array) for array in (c, energies, new_energies))
    vectors, new_vectors = trajectories_last(vectors), trajectories_last(new_vectors)
    overlap = product(_adjoint(vectors), new_vectors)
    smallest = torch.ones_like(energies[0])
    if vectors.shape[0] != vectors.shape[1]:
        overlap, smallest = _nearest_unitary(overlap)
    mean = product(overlap * new_energies, _adjoint(overlap))
    # Hermitian up to rounding; LAPACK would read one triangle.
    mean = 0.25 * (mean + _adjoint(mean))
    states = torch.arange(len(energies), device=energies.device)
    mean[states, states] += 0.5 * energies
    levels, own = hermitian_eigh(mean.movedim(-1, 0).contiguous())
    levels, own = trajectories_last(levels), trajectories_last(own)
    if driving is None:
        evolved = product(own * _turn(levels * -dt), _adjoint(own))
    else:
        to_dipole = product(_adjoint(product(vectors, own)), driving.vectors[:, :, None])
        evolved = product(product(own, _driven(levels, to_dipole, driving, dt)), _adjoint(own))
    propagator = product(_adjoint(overlap), evolved)
    c = product(propagator, c[:, None])[:, 0]
    return c.T.contiguous(), propagator.movedim(-1, 0).contiguous(), smallest


def _nearest_unitary(overlap: Tensor) -> tuple[Tensor, Tensor]:
    """Unitary factor of S's polar decomposition and its smallest singular value; padded as in
    `local_diabatisation`."""
    n = len(overlap)
    missing = -n % 4
    padded = torch.nn.functional.pad(overlap.movedim(-1, 0), (0, missing, 0, missing))
    for row in range(n, n + missing):
        padded[:, row, row] = 2.0
    left, values, right = singular_parts(padded)
    return product(trajectories_last(left), trajectories_last(right))[:n, :n], values[:, -1]


def _driven(levels: Tensor, to_dipole: Tensor, driving: Driving, dt: float) -> Tensor:
    """Propagator in the eigenstates of the mean H; `to_dipole` holds those of the dipole as columns."""
    part = dt / len(driving.fields)
    half, whole = _turn(levels * (-0.5 * part)), _turn(levels * -part)
    back = _adjoint(to_dipole)
    propagator = torch.diag_embed(half.T).movedim(0, -1)
    for number, field in enumerate(driving.fields):
        kick = _turn(driving.moments * (part * field))[:, None, None]
        propagator = product(to_dipole, kick * product(back, propagator))
        last = number == len(driving.fields) - 1
        propagator = (half if last else whole)[:, None] * propagator
    return propagator


def _turn(angle: Tensor) -> Tensor:
    return torch.complex(torch.cos(angle), torch.sin(angle))


def _adjoint(matrix: Tensor) -> Tensor:
    return matrix.transpose(0, 1).conj().resolve_conj()
