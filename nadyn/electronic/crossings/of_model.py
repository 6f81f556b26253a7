"""A model as a landscape: states of each multiplicity by themselves, couplings between equal ones."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.errors import InputError
from nadyn.electronic.crossings.landscape import Landscape, Point
from nadyn.electronic.eigen import eigh
from nadyn.electronic.surfaces import check_positions, in_blocks_of, surfaces
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.contacts import SHORTEST_FRACTION
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, HasSpinStates


def landscape_of_model(model: Model) -> Landscape:
    """Return a model as something that a search for crossings can ask.

    States of a model with several multiplicities are those of each block of W, ordered by multiplicity, then
    by energy, without spin-orbit coupling: 0 1 2 are S0 S1 S2 and 3 is T1 of sulfur dioxide.

    Args:
        model: Any model; the float64 twin of a learned one is taken.
    """
    double = getattr(model, "double", None)
    exact = model if double is None else double()
    if isinstance(exact, HasSpinOrbitVectors):
        raise InputError(
            f"`model` must have states of one spin for a search of crossings, but {exact.name} has several. "
            "Give the model of one spin."
        )
    spins = tuple(exact.multiplicities) if isinstance(exact, HasSpinStates) else (1,) * exact.n_states
    mixed = len(set(spins)) > 1

    def ask(geometries: Sequence[Float[np.ndarray, "atom x"]]) -> list[Point]:
        positions = torch.from_numpy(np.stack(geometries).astype(np.float64))
        check_positions(exact, positions)
        if mixed:
            energies, gradients, couplings = _by_multiplicity(exact, positions, spins)
            novelty = torch.zeros(len(positions))
        else:
            found = surfaces(exact, positions)
            energies, gradients, couplings = found.energies, -found.forces, found.interstate_coupling
            novelty = found.novelty
        doubts = _doubts(exact, positions, novelty)
        arrays = (positions.numpy(), energies.numpy(), gradients.numpy(), couplings.numpy())
        return [Point(*rows, doubt=doubt) for *rows, doubt in zip(*arrays, doubts, strict=True)]

    return Landscape(
        name=exact.name,
        ask=ask,
        multiplicities=spins,
        atomic_numbers=exact.atomic_numbers,
        is_rigid={"rotation", "translation"} <= exact.laws,
        like_atoms_alike="permutation" in exact.laws,
        gives_couplings=True,
        is_cheap=True,
    )


def _doubts(model: Model, positions: Tensor, novelty: Tensor) -> list[str]:
    """Return why a learned model is not to be trusted at each geometry."""
    close = torch.zeros(len(positions), dtype=torch.bool)
    if model.shortest_distances is not None:
        close = model.shortest_distances.any_closer(positions, SHORTEST_FRACTION)
    rows = zip(novelty.tolist(), close.tolist(), strict=True)
    return [
        "atoms are closer than in training"
        if near
        else "outside of the training"
        if new > MOST_NOVELTY
        else ""
        for new, near in rows
    ]


def _by_multiplicity(model: Model, positions: Tensor, spins: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Return energies, gradients and couplings of the states of each block of W."""
    kinds = [[row for row, spin in enumerate(spins) if spin == kind] for kind in dict.fromkeys(spins)]

    def block(positions: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            inputs = positions.detach().requires_grad_(True)
            hamiltonian = model.evaluate(inputs).hamiltonian
        n = len(spins)
        energies = positions.new_zeros((len(positions), n))
        h = positions.new_full((len(positions), n, n, *positions.shape[1:]), torch.nan)
        for rows in kinds:
            part = hamiltonian[:, rows][:, :, rows]
            energies[:, rows], vectors = eigh(part.detach())
            for i, k in enumerate(rows):
                for j, l in enumerate(rows[i:], start=i):
                    left, right = vectors[:, :, i], vectors[:, :, j]
                    cotangent = 0.5 * (left[:, :, None] * right[:, None] + right[:, :, None] * left[:, None])
                    (found,) = torch.autograd.grad(part, inputs, cotangent, retain_graph=True)
                    h[:, k, l] = h[:, l, k] = found
        diagonal = torch.arange(n)
        return energies, h[:, diagonal, diagonal], h

    return in_blocks_of(model, block, positions)
