"""Virial and stress of a periodic structure on one adiabatic state, together with its force."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.eigen import levels
from nadyn.electronic.surfaces import in_blocks, surplus_gap
from nadyn.models.model import HasCell


@dataclass(frozen=True)
class StrainedSurface:
    """Energies of all states, and the derivatives of one of them in positions and in a strain.

    Attributes:
        energies: [hartree]
        eigenvectors: States as columns in the diabatic basis.
        force: -∂E_k/∂R [hartree/bohr].
        virial: -∂E_k/∂ε for r → r (1 + ε), symmetric [hartree].
        volume: Of the cell [bohr³].
        surplus_gap: Energy from the highest state to the lowest surplus eigenvalue [hartree]; inf without
            one.
        novelty: See `Evaluation`.
    """

    energies: Float[Tensor, "traj state"]
    eigenvectors: Float[Tensor, "traj basis state"]
    force: Float[Tensor, "traj atom 3"]
    virial: Float[Tensor, "traj 3 3"]
    volume: Float[Tensor, "traj"]
    surplus_gap: Float[Tensor, "traj"]
    novelty: Float[Tensor, "traj"]

    @property
    def stress(self) -> Float[Tensor, "traj 3 3"]:
        """(1/V) ∂E_k/∂ε [hartree/bohr³], ASE's sign: a crystal that wants to shrink has a positive one."""
        return -self.virial / self.volume[:, None, None]


def strained_surface(
    model: HasCell,
    positions: Float[Tensor, "traj atom 3"],
    active_state: Int[Tensor, "traj"],
    *,
    cells: Float[Tensor, "traj 3 3"] | None = None,
) -> StrainedSurface:
    """Return energies, and force and stress of one state a row, by one backward pass.

    Args:
        model: A model bound to a cell that is periodic in all directions.
        positions: [bohr]
        active_state: One a row.
        cells: Cell of each row [bohr], where it is not that of the model.

    Raises:
        InputError: The structure is not periodic in all directions: it has no volume.
    """
    if not all(model.pbc):
        raise InputError(
            "the structure must be periodic in all three directions to have a stress, but `pbc` is "
            f"{list(model.pbc)}. Ask for energy and forces."
        )
    return with_virial(model, positions, active_state, cells=cells)


def with_virial(
    model: HasCell,
    positions: Float[Tensor, "traj atom 3"],
    active_state: Int[Tensor, "traj"],
    *,
    cells: Float[Tensor, "traj 3 3"] | None = None,
) -> StrainedSurface:
    """Return the same for a model bound to a cell that need not be periodic in all directions.

    Both are derivatives of u · W · u with the active eigenvector u held fixed.
    """
    cells = model.cell.expand(len(positions), 3, 3) if cells is None else cells
    n = model.n_states

    def block(positions: Tensor, cells: Tensor, active_state: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            strain = torch.zeros_like(cells).requires_grad_(True)
            evaluation = model.evaluate(inputs + inputs @ strain, cells=cells + cells @ strain)
        energies, eigenvectors = levels(evaluation)
        index = active_state[:, None, None].expand(-1, eigenvectors.shape[1], 1)
        active = torch.gather(eigenvectors, 2, index)
        gradient, slope = torch.autograd.grad(evaluation.hamiltonian, (inputs, strain), active @ active.mT)
        # A turn of the whole crystal costs nothing but what rounding makes of it.
        virial = -0.5 * (slope + slope.mT)
        return energies, eigenvectors, -gradient, virial, evaluation.novelty

    energies, eigenvectors, force, virial, novelty = in_blocks(
        model.block_width, block, positions, cells, active_state
    )
    volume = torch.linalg.det(cells).abs()
    return StrainedSurface(
        energies[:, :n],
        eigenvectors[:, :, :n],
        force,
        virial,
        volume,
        surplus_gap(energies, n),
        novelty,
    )
