"""Spin-adiabatic states: eigenstates of W in every M_S plus a coupling between spin states."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.electronic.surfaces import ActiveSurface, in_blocks_of
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinStates, SpinStates, spin_states


@dataclass(frozen=True, eq=False)
class SpinEvaluation:
    """Spin-adiabatic states at a batch of positions.

    Attributes:
        differentiable: What the coupled Hamiltonian is made of, with its graph.
        energies: Ascending [hartree].
        eigenvectors: As columns, in the rows of W times M_S.
        surplus_gap: See `ActiveSurface`.
        novelty: See `Evaluation`.
        memory: What `SpinProblem.cotangents` needs to know.
    """

    differentiable: tuple[Tensor, ...]
    energies: Float[Tensor, "traj state"]
    eigenvectors: Complex[Tensor, "traj spin_row state"]
    surplus_gap: Float[Tensor, "traj"]
    novelty: Float[Tensor, "traj"]
    memory: object | None = None


@runtime_checkable
class SpinProblem(Protocol):
    """W plus a coupling between spins, of a certain kind of model.

    Attributes:
        spins: The spin states of the rows of W.
        sizes: 2S + 1 of each of them.
        counted_as: Which diabatic population each of them counts to.
        counted_together: The same in words.
    """

    spins: SpinStates
    counted_together: ClassVar[str]

    @property
    def sizes(self) -> Int[Tensor, "spin_row"]: ...

    @property
    def counted_as(self) -> Int[Tensor, "spin_row"]: ...

    def evaluate(self, model: Model, positions: Float[Tensor, "traj atom x"]) -> SpinEvaluation:
        """Return the states at positions in which a graph begins."""

    def cotangents(
        self,
        found: SpinEvaluation,
        left: Complex[Tensor, "traj spin_row"],
        right: Complex[Tensor, "traj spin_row"],
    ) -> tuple[Tensor, ...]:
        """Return D with Re(left† ∇H right) = Σ D · ∇(what is differentiable), for states left and right."""


@dataclass(frozen=True, eq=False)
class SpinHamiltonian:
    """H = W in every M_S + a constant spin-orbit coupling, complex Hermitian, in the fixed diabatic basis.

    Both are given in the same basis, that of the diabatic states times M_S in the order of
    `nadyn.models.spin_states`, so that nothing has to be transformed when the nuclei move.

    Attributes:
        spins: The spin states of the rows of W.
        sizes: 2S + 1 of each of them.
        spin_orbit: [hartree].
    """

    counted_together: ClassVar[str] = "all M_S"

    spins: SpinStates
    sizes: Int[Tensor, "spin_state"]
    spin_orbit: Complex[Tensor, "spin_state spin_state2"]

    @property
    def counted_as(self) -> Int[Tensor, "spin_state"]:
        """All M_S of a diabatic state are one population."""
        return self.spins.row

    def of(self, hamiltonian: Float[Tensor, "traj basis basis2"]) -> Complex[Tensor, "traj spin spin2"]:
        """Return H [hartree] from W."""
        expanded = self.spins.expand(hamiltonian)
        return torch.complex(
            expanded + self.spin_orbit.real, torch.zeros_like(expanded) + self.spin_orbit.imag
        )

    def evaluate(self, model: Model, positions: Float[Tensor, "traj atom x"]) -> SpinEvaluation:
        """See `SpinProblem`."""
        evaluation = model.evaluate(positions)
        energies, eigenvectors = hermitian_eigh(self.of(evaluation.hamiltonian.detach()))
        novelty = evaluation.novelty
        without = torch.full_like(novelty, torch.inf)
        return SpinEvaluation((evaluation.hamiltonian,), energies, eigenvectors, without, novelty)

    def cotangents(
        self,
        found: SpinEvaluation,
        left: Complex[Tensor, "traj spin_state"],
        right: Complex[Tensor, "traj spin_state"],
    ) -> tuple[Tensor, ...]:
        """See `SpinProblem`: the coupling is constant and pulls nowhere."""
        weights = of_every_projection(self.spins, left, right)
        return (0.5 * (weights + weights.mT),)


def of_every_projection(
    spins: SpinStates, left: Complex[Tensor, "traj spin_state"], right: Complex[Tensor, "traj spin_state"]
) -> Float[Tensor, "traj basis basis2"]:
    """Return D_ab = Σ Re(left*_a right_b) over M_S: Re(left† X right) = Σ_ab D_ab W_ab, X being W in every
    M_S."""
    n = int(spins.row.max()) + 1
    (l_re, l_im), (r_re, r_im) = (torch.view_as_real(v).unbind(-1) for v in (left, right))
    total = l_re.new_zeros(len(left), n, n)
    for projection in spins.projection.unique():
        some = torch.nonzero(spins.projection == projection)[:, 0]
        outer = l_re[:, some, None] * r_re[:, None, some] + l_im[:, some, None] * r_im[:, None, some]
        rows = spins.row[some]
        total[:, rows[:, None], rows] = total[:, rows[:, None], rows] + outer
    return total


def spin_hamiltonian(model: HasSpinStates) -> SpinHamiltonian:
    """Return what makes the spin-adiabatic states of a model; without spin-orbit coupling it is zero."""
    spins = spin_states(model.multiplicities)
    n = len(spins.row)
    zero = torch.zeros(n, n, dtype=torch.complex128)
    sizes = torch.tensor(model.multiplicities)[spins.row]
    return SpinHamiltonian(spins, sizes, zero if model.spin_orbit is None else model.spin_orbit)


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
    hamiltonian: SpinProblem,
    positions: Float[Tensor, "traj atom x"],
    active_state: Int[Tensor, "traj"],
) -> ActiveSurface:
    """Return energies and eigenvectors of the spin-adiabatic states, and the force on one state a trajectory.

    F = -Re u† ∂H/∂R u with the active eigenvector u held fixed, by one backward pass.
    """

    def block(positions: Tensor, active_state: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            found = hamiltonian.evaluate(model, inputs)
        active = vectors_of(found.eigenvectors, active_state)
        weights = hamiltonian.cotangents(found, active, active)
        force = -torch.autograd.grad(found.differentiable, inputs, weights)[0]
        return found.energies, found.eigenvectors, force, found.surplus_gap, found.novelty

    return ActiveSurface(*in_blocks_of(model, block, positions, active_state))


def spin_gradients(
    model: Model,
    hamiltonian: SpinProblem,
    positions: Float[Tensor, "traj atom x"],
    left: Complex[Tensor, "traj spin_row"],
    right: Complex[Tensor, "traj spin_row"],
) -> Float[Tensor, "traj atom x"]:
    """Return Re(left† ∇H right) [hartree/bohr] of two states that are held fixed."""

    def block(positions: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            found = hamiltonian.evaluate(model, inputs)
        weights = hamiltonian.cotangents(found, left, right)
        return (torch.autograd.grad(found.differentiable, inputs, weights)[0],)

    return in_blocks_of(model, block, positions, left, right)[0]


def spin_energies_and_eigenvectors(
    model: Model, hamiltonian: SpinProblem, positions: Float[Tensor, "traj atom x"]
) -> tuple[Float[Tensor, "traj state"], Complex[Tensor, "traj spin_row state"]]:
    """Return spin-adiabatic energies [hartree] and eigenvectors without any derivative."""

    def block(positions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = hamiltonian.evaluate(model, positions)
        return found.energies, found.eigenvectors

    return in_blocks_of(model, block, positions)


def vectors_of(
    eigenvectors: Complex[Tensor, "traj spin_state state"], states: Int[Tensor, "traj"]
) -> Complex[Tensor, "traj spin_state"]:
    """Return the eigenvector of one state a trajectory."""
    index = states[:, None, None].expand(-1, eigenvectors.shape[1], 1)
    return eigenvectors.gather(2, index)[:, :, 0]
