"""States of several multiplicities and their magnetic sublevels, in one order everywhere."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SpinStates:
    """The spin states that belong to the rows of a spin-free Hamiltonian.

    Attributes:
        row: Row of the spin-free Hamiltonian of each spin state.
        projection: M_S of each spin state.
    """

    row: Int[Tensor, "spin_state"]
    projection: Float[Tensor, "spin_state"]

    def expand(self, matrix: Float[Tensor, "*batch basis basis"]) -> Float[Tensor, "*batch spin spin"]:
        """Return a spin-free matrix in the spin states: the same in every M_S, nothing between them."""
        same = self.projection[:, None] == self.projection
        return torch.where(same, matrix[..., self.row[:, None], self.row], 0.0)


def spin_states(multiplicities: tuple[int, ...]) -> SpinStates:
    """Return the spin states of rows with these multiplicities 2S + 1.

    Multiplicities stand in the order of the rows, within one multiplicity M_S rises from -S to S, and for
    each M_S the rows follow one another: S0 S1 | T1(-1) T2(-1) T1(0) T2(0) T1(1) T2(1).
    This is the order of SHARC's files.

    Args:
        multiplicities: One number a row; equal numbers stand together.
    """
    row, projection = [], []
    for multiplicity in dict.fromkeys(multiplicities):
        rows = [index for index, value in enumerate(multiplicities) if value == multiplicity]
        for step in range(multiplicity):
            row += rows
            projection += [step - 0.5 * (multiplicity - 1)] * len(rows)
    return SpinStates(torch.tensor(row), torch.tensor(projection, dtype=torch.float64))


@runtime_checkable
class HasSpinStates(Protocol):
    """What a model says beyond `Model` where its states have a spin, or where light acts on them.

    Attributes:
        multiplicities: 2S + 1 of each row of W, equal ones together; W couples only equal ones.
        spin_orbit: Constant Hermitian matrix between the spin states [hartree], or None.
        dipoles: Constant dipole matrices of the spin states [e bohr], or None.
    """

    multiplicities: tuple[int, ...]
    spin_orbit: Complex[Tensor, "spin_state spin_state"] | None
    dipoles: Complex[Tensor, "spin_state spin_state 3"] | None


@runtime_checkable
class HasSpinOrbitVectors(Protocol):
    """What a model says beyond `Model` whose spin-orbit coupling changes with the geometry.

    Attributes:
        multiplicities: 2S + 1 of each state, equal ones together.
        row_multiplicities: 2S + 1 of each row of W; W couples only equal ones.
        spin_blocks: Rows and states of each spin.
    """

    multiplicities: tuple[int, ...]
    row_multiplicities: tuple[int, ...]
    spin_blocks: tuple[tuple[int, int], ...]

    def spin_orbit_vectors(self, positions: Float[Tensor, "traj atom x"]) -> Float[Tensor, "traj row row2 3"]:
        """Return v [hartree] between the rows of W, see `nadyn.models.spin_vectors`; differentiable."""
        ...


def couples_spins(model: object) -> bool:
    """Tell whether a model has a spin-orbit coupling."""
    if isinstance(model, HasSpinOrbitVectors):
        return True
    return isinstance(model, HasSpinStates) and model.spin_orbit is not None
