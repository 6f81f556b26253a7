"""Spin-adiabatic states where W has more rows than states, and the coupling changes with the geometry."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.spins.hamiltonian import SpinEvaluation, hermitian_eigh, of_every_projection
from nadyn.dynamics.state.matrix_products import product, trajectories_last
from nadyn.electronic.eigen import levels
from nadyn.electronic.operators import between_states
from nadyn.electronic.surfaces import surplus_gap
from nadyn.models.spin_states import HasSpinOrbitVectors, SpinStates, spin_states
from nadyn.models.spin_vectors import matrix_of_vectors, spin_vector_operator

# A surplus level this close to a state stops the trajectory long before [hartree].
_SMALLEST_GAP = 1e-6


@dataclass(frozen=True, eq=False)
class _Remembered:
    """Levels of W, states first, and the spin-orbit vectors between its rows."""

    energies: Float[Tensor, "traj row"]
    vectors: Float[Tensor, "traj row level"]
    spin_orbit: Float[Tensor, "traj row row2 3"]


@dataclass(frozen=True, eq=False)
class ProjectedSpinHamiltonian:
    """H = P (W in every M_S + H_SO) P, with P on the spin-free states: surplus rows take no part.

    Attributes:
        spins: The spin states of the rows of W.
        row_multiplicities: 2S + 1 of each row.
        multiplicities: 2S + 1 of each state.
        spin_blocks: Rows and states of each spin.
    """

    counted_together: ClassVar[str] = "all states of one spin"

    spins: SpinStates
    row_multiplicities: tuple[int, ...]
    multiplicities: tuple[int, ...]
    spin_blocks: tuple[tuple[int, int], ...]

    @property
    def sizes(self) -> Int[Tensor, "spin_row"]:
        """2S + 1 of each spin state of a row."""
        return torch.tensor(self.row_multiplicities)[self.spins.row]

    @property
    def counted_as(self) -> Int[Tensor, "spin_row"]:
        """All rows of one spin are one population, because which row a state is depends on the geometry."""
        kinds = list(dict.fromkeys(self.row_multiplicities))
        numbers = torch.tensor([kinds.index(spin) for spin in self.row_multiplicities])
        return numbers[self.spins.row]

    def evaluate(self, model: HasSpinOrbitVectors, positions: Float[Tensor, "traj atom x"]) -> SpinEvaluation:
        """See `SpinProblem`."""
        evaluation = model.evaluate(positions)
        spin_orbit = model.spin_orbit_vectors(positions)
        energies, vectors = levels(evaluation)
        n = len(self.multiplicities)
        of_states = spin_states(self.multiplicities)
        coupling = matrix_of_vectors(
            between_states(spin_orbit.detach(), vectors[:, :, :n]), self.multiplicities
        )
        diagonal = energies[:, of_states.row]
        total = coupling + torch.diag_embed(torch.complex(diagonal, torch.zeros_like(diagonal)))
        found, mixed = hermitian_eigh(total)
        # Spin-free states of each M_S as columns in the rows of W with that M_S.
        same = self.spins.projection[:, None] == of_states.projection
        free = torch.where(same, vectors[:, self.spins.row[:, None], of_states.row], 0.0)
        free = trajectories_last(free)
        re, im = (trajectories_last(part) for part in torch.view_as_real(mixed).unbind(-1))
        states = torch.complex(product(free, re), product(free, im)).movedim(-1, 0).contiguous()
        return SpinEvaluation(
            (evaluation.hamiltonian, spin_orbit),
            found,
            states,
            surplus_gap(energies, n, self.spin_blocks),
            evaluation.novelty,
            _Remembered(energies, vectors, spin_orbit.detach()),
        )

    def cotangents(
        self,
        found: SpinEvaluation,
        left: Complex[Tensor, "traj spin_row"],
        right: Complex[Tensor, "traj spin_row"],
    ) -> tuple[Tensor, ...]:
        """See `SpinProblem`.

        Left and right lie in the space of the spin-free states. Where W changes, that space turns towards the
        surplus rows, u_k · dP · u_w = (u_k · dW · u_w) / (E_k - E_w), and H_SO between both does work:

            Re(left† dH right) = Re left† (dW + dH_SO + dP H_SO + H_SO dP) right
        """
        known: _Remembered = found.memory
        of_w = of_every_projection(self.spins, left, right)
        of_w = 0.5 * (of_w + of_w.mT)
        if known.vectors.shape[2] > len(self.multiplicities):
            of_w = of_w + self._of_turning(known, left, right)
        return of_w, self._of_vectors(left, right)

    def _of_turning(self, known: _Remembered, left: Tensor, right: Tensor) -> Float[Tensor, "traj row row2"]:
        coupling = trajectories_last(matrix_of_vectors(known.spin_orbit, self.row_multiplicities))
        on_right, on_left = (
            product(coupling, trajectories_last(one)[:, None])[:, 0].movedim(-1, 0) for one in (right, left)
        )
        # Σ_M Re(left*_a (S right)_b + (S left)*_b right_a): a where the states are, b where surplus is.
        weights = of_every_projection(self.spins, left, on_right)
        weights = weights + of_every_projection(self.spins, right, on_left)
        n = len(self.multiplicities)
        states, surplus = (
            trajectories_last(v) for v in known.vectors.split([n, known.vectors.shape[2] - n], 2)
        )
        inner = product(product(states.transpose(0, 1), trajectories_last(weights)), surplus)
        gap = trajectories_last(known.energies[:, :n, None] - known.energies[:, None, n:])
        gap = torch.where(gap.abs() < _SMALLEST_GAP, -_SMALLEST_GAP, gap)
        inner = torch.where(self._same_spin[:, :, None], inner / gap, 0.0)
        whole = product(product(states, inner), surplus.transpose(0, 1))
        return (0.5 * (whole + whole.transpose(0, 1))).movedim(-1, 0)

    @property
    def _same_spin(self) -> Bool[Tensor, "state surplus"]:
        kinds = dict.fromkeys(self.multiplicities)
        surplus = [
            spin
            for spin, (rows, states) in zip(kinds, self.spin_blocks, strict=True)
            for _ in range(rows - states)
        ]
        return torch.tensor(self.multiplicities)[:, None] == torch.tensor(surplus)

    def _of_vectors(self, left: Tensor, right: Tensor) -> Float[Tensor, "traj row row2 3"]:
        """Return D with Re(left† H_SO right) = Σ D · v."""
        operator = spin_vector_operator(self.row_multiplicities)
        n, spins = len(self.row_multiplicities), self.spins
        (l_re, l_im), (r_re, r_im) = (torch.view_as_real(v).unbind(-1) for v in (left, right))
        total = l_re.new_zeros(len(left), n, n, 3)
        for first in spins.projection.unique():
            for second in spins.projection.unique():
                a, b = (torch.nonzero(spins.projection == one)[:, 0] for one in (first, second))
                k = operator[a[:, None], b]
                # Re(i K l* r) = -(Re K Im(l* r) + Im K Re(l* r)).
                re = l_re[:, a, None] * r_re[:, None, b] + l_im[:, a, None] * r_im[:, None, b]
                im = l_re[:, a, None] * r_im[:, None, b] - l_im[:, a, None] * r_re[:, None, b]
                rows, columns = spins.row[a][:, None], spins.row[b]
                term = k.real * im[..., None] + k.imag * re[..., None]
                total[:, rows, columns] = total[:, rows, columns] - term
        return total


def projected_spin_hamiltonian(model: HasSpinOrbitVectors) -> ProjectedSpinHamiltonian:
    """Return what makes the spin-adiabatic states of a model whose coupling changes with the geometry."""
    return ProjectedSpinHamiltonian(
        spin_states(model.row_multiplicities),
        model.row_multiplicities,
        model.multiplicities,
        model.spin_blocks,
    )
