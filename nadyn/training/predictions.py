"""Energies, forces and couplings of a batch, differentiable in the weights."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.eigen import eigh
from nadyn.models.potential import Potential
from nadyn.training.samples import Samples

Pairs = tuple[tuple[int, int], ...]

# Up to so many rows of atoms the time of a product is that of its calls and not of its arithmetic. A training
# step of six atoms, three states and 12 channels took with one product a pair and with copies, in ms: in
# batches of 8 39 and 25, of 16 50 and 41, of 32 69 and 73; with 6 channels and 16 frames 43 and 32. On
# a slow and busy machine, medians of alternated calls: 32 frames with 8 channels 193 and 163, with 12 229 and
# 220.
_FEW_ROWS = 1200


@dataclass(frozen=True)
class Prediction:
    """What a network says of a batch, in atomic units.

    Attributes:
        energies: E_k.
        gradients: u_k · ∇W · u_l for each requested pair: minus the force for k = l, else the coupling h_kl.
        pairs: The pairs in the order of `gradients`.
        surplus_gap: Distance from the highest state to the lowest surplus eigenvalue; inf without one.
    """

    energies: Float[Tensor, "frame state"]
    gradients: Float[Tensor, "frame pair atom 3"]
    pairs: Pairs
    surplus_gap: Float[Tensor, "frame"]


def predict(potential: Potential, batch: Samples, pairs: Pairs) -> Prediction:
    """Return the prediction with its graph: it can be differentiated in the weights.

    One vector-Jacobian product of W a pair, whose cotangent u_k u_lᵀ stays in the graph: how the
    eigenvectors respond to the weights is a part of the gradient of every force and coupling. For small
    molecules the products of all pairs are one product of as many copies of the batch, see `_FEW_ROWS`.
    """
    n, n_pairs = len(batch), len(pairs)
    copies = n_pairs if n_pairs > 1 and n * len(batch.numbers) * n_pairs <= _FEW_ROWS else 1
    if copies > 1:
        repeated = torch.arange(n).repeat(copies)
        batch = batch.take(repeated)
    with torch.enable_grad():
        positions = batch.positions.detach().requires_grad_(True)
        hamiltonian, _ = potential(
            batch.surroundings(positions, potential.network.cutoff, _precision(potential))
        )
        energies, vectors = eigh(hamiltonian[:n])
        cotangents = []
        for k, l in pairs:
            outer = vectors[:, :, k].unsqueeze(2) * vectors[:, :, l].unsqueeze(1)
            cotangents.append(0.5 * (outer + outer.mT))
        if copies > 1:
            product = _pull_back(hamiltonian, positions, torch.cat(cotangents))
            gradients = list(product.split(n))
        else:
            gradients = [_pull_back(hamiltonian, positions, cotangent) for cotangent in cotangents]
    stacked = (
        torch.stack(gradients, dim=1) if gradients else positions.new_zeros((n, 0, *positions.shape[1:]))
    )
    return Prediction(energies[:, : potential.n_states], stacked, pairs, _surplus_gap(potential, energies))


def _pull_back(hamiltonian: Tensor, positions: Tensor, cotangent: Tensor) -> Tensor:
    return torch.autograd.grad(hamiltonian, positions, cotangent, create_graph=True)[0]


def surplus_gap(potential: Potential, batch: Samples) -> Float[Tensor, "frame"]:
    """Return the distance from the highest state to the lowest surplus eigenvalue alone; inf without one.

    Nothing is differentiated in the positions, so the graph is that of the weights.
    """
    with torch.enable_grad():
        surroundings = batch.surroundings(batch.positions, potential.network.cutoff, _precision(potential))
        return _surplus_gap(potential, eigh(potential(surroundings)[0])[0])


def label_pairs(samples: tuple[Samples, ...], n_states: int) -> Pairs:
    """Return the pairs that any of the samples has labels for: (k, k) for forces, (k, l) for couplings."""
    pairs: list[tuple[int, int]] = []
    if any(group.forces is not None for group in samples):
        pairs += [(k, k) for k in range(n_states)]
    if any(group.couplings is not None for group in samples):
        pairs += [(k, l) for k in range(n_states) for l in range(k + 1, n_states)]
    return tuple(pairs)


def _surplus_gap(potential: Potential, levels: Float[Tensor, "frame basis"]) -> Float[Tensor, "frame"]:
    n = potential.n_states
    return (
        levels[:, n] - levels[:, n - 1] if potential.n_basis > n else torch.full_like(levels[:, 0], torch.inf)
    )


def _precision(potential: Potential) -> torch.dtype:
    return next(potential.parameters()).dtype
