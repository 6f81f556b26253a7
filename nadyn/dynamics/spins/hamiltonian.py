"""Spin-adiabatic states: eigenstates of W in every M_S plus a constant coupling between spin states."""

from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.electronic.surfaces import ActiveSurface, in_blocks_of
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinStates, SpinStates, spin_states


@dataclass(frozen=True, eq=False)
class SpinHamiltonian:
    """H = W in every M_S + the spin-orbit coupling, complex Hermitian, in the fixed diabatic basis.

    Both are given in the same basis, that of the diabatic states times M_S in the order of
    `nadyn.models.spin_states`, so that nothing has to be transformed when the nuclei move.

    Attributes:
        spins: The spin states of the rows of W.
        spin_orbit: [hartree].
    """

    spins: SpinStates
    spin_orbit: Complex[Tensor, "spin_state spin_state2"]

    def of(self, hamiltonian: Float[Tensor, "traj basis basis2"]) -> Complex[Tensor, "traj spin spin2"]:
        """Return H [hartree] from W."""
        expanded = self.spins.expand(hamiltonian)
        return torch.complex(
            expanded + self.spin_orbit.real, torch.zeros_like(expanded) + self.spin_orbit.imag
        )

    def weights(
        self, left: Complex[Tensor, "traj spin_state"], right: Complex[Tensor, "traj spin_state"]
    ) -> Float[Tensor, "traj basis basis2"]:
        """Return the symmetric D with Re(left† X right) = Σ_ab D_ab W_ab, X being W in every M_S."""
        n = int(self.spins.row.max()) + 1
        (l_re, l_im), (r_re, r_im) = (torch.view_as_real(v).unbind(-1) for v in (left, right))
        total = l_re.new_zeros(len(left), n, n)
        for projection in self.spins.projection.unique():
            some = torch.nonzero(self.spins.projection == projection)[:, 0]
            outer = l_re[:, some, None] * r_re[:, None, some] + l_im[:, some, None] * r_im[:, None, some]
            rows = self.spins.row[some]
            total[:, rows[:, None], rows] = total[:, rows[:, None], rows] + outer
        return 0.5 * (total + total.mT)


def spin_hamiltonian(model: HasSpinStates) -> SpinHamiltonian:
    """Return what makes the spin-adiabatic states of a model; without spin-orbit coupling it is zero."""
    spins = spin_states(model.multiplicities)
    n = len(spins.row)
    zero = torch.zeros(n, n, dtype=torch.complex128)
    return SpinHamiltonian(spins, zero if model.spin_orbit is None else model.spin_orbit)


def hermitian_eigh(
    matrix: Complex[Tensor, "traj n n"],
) -> tuple[Float[Tensor, "traj n"], Complex[Tensor, "traj n n"]]:
    """Return ascending eigenvalues and eigenvectors (columns), each matrix treated as if it were alone.

    Centred and filled up to a multiple of four rows for the reasons given in `eigen.aligned_eigh`. The
    phases of the eigenvectors, and their choice among equal eigenvalues, are arbitrary. A matrix that is not
    finite has eigenvalues NaN.
    """
    n = matrix.shape[-1]
    finite = torch.isfinite(matrix).all(-1).all(-1)
    matrix = torch.where(finite[:, None, None], matrix, 0.0)
    diagonal = torch.view_as_real(matrix)[..., 0].diagonal(dim1=1, dim2=2)
    centre = diagonal.sum(1) / n
    shifted = matrix - torch.diag_embed(centre[:, None].expand(-1, n))
    missing = -n % 4
    if missing:
        above = 4.0 * n * torch.view_as_real(shifted).abs().amax(dim=(1, 2, 3)) + 1.0
        shifted = torch.nn.functional.pad(shifted, (0, missing, 0, missing))
        for row in range(n, n + missing):
            shifted[:, row, row] = above.to(shifted.dtype)
    energies, eigenvectors = torch.linalg.eigh(shifted)
    energies = torch.where(finite[:, None], energies[:, :n] + centre[:, None], torch.nan)
    return energies, eigenvectors[:, :n, :n].contiguous()


def spin_surface(
    model: Model,
    hamiltonian: SpinHamiltonian,
    positions: Float[Tensor, "traj atom x"],
    active_state: Int[Tensor, "traj"],
) -> ActiveSurface:
    """Return energies and eigenvectors of the spin-adiabatic states, and the force on one state a trajectory.

    F = -Re Σ_ab u_a* u_b ∂W_ab/∂R summed over M_S, with the active eigenvector u held fixed: by one backward
    pass through the spin-free W. The spin-orbit coupling is constant and pulls nowhere.
    """

    def block(positions: Tensor, active_state: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            evaluation = model.evaluate(inputs)
        energies, eigenvectors = hermitian_eigh(hamiltonian.of(evaluation.hamiltonian.detach()))
        active = vectors_of(eigenvectors, active_state)
        weights = hamiltonian.weights(active, active)
        force = -torch.autograd.grad(evaluation.hamiltonian, inputs, weights)[0]
        return energies, eigenvectors, force, evaluation.novelty

    energies, eigenvectors, force, novelty = in_blocks_of(model, block, positions, active_state)
    return ActiveSurface(energies, eigenvectors, force, torch.full_like(novelty, torch.inf), novelty)


def spin_energies_and_eigenvectors(
    model: Model, hamiltonian: SpinHamiltonian, positions: Float[Tensor, "traj atom x"]
) -> tuple[Float[Tensor, "traj spin_state"], Complex[Tensor, "traj spin_state spin_state2"]]:
    """Return spin-adiabatic energies [hartree] and eigenvectors without any derivative."""

    def block(positions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return hermitian_eigh(hamiltonian.of(model.evaluate(positions).hamiltonian))

    return in_blocks_of(model, block, positions)


def vectors_of(
    eigenvectors: Complex[Tensor, "traj spin_state state"], states: Int[Tensor, "traj"]
) -> Complex[Tensor, "traj spin_state"]:
    """Return the eigenvector of one state a trajectory."""
    index = states[:, None, None].expand(-1, eigenvectors.shape[1], 1)
    return eigenvectors.gather(2, index)[:, :, 0]
