"""Energies, forces, couplings and properties of a batch, differentiable in the weights."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.electronic.eigen import eigh
from nadyn.models.joined_structures import joined
from nadyn.models.outputs import Learned
from nadyn.models.potential import Potential
from nadyn.models.surroundings import Surroundings
from nadyn.training.properties_of_states import features_of, properties_of
from nadyn.training.samples import Samples, has_eigenvectors
from nadyn.training.second_order.evaluation import fits
from nadyn.training.second_order.function import AtomFeatures, said_of
from nadyn.training.second_order.geometry import Frames, PairFunctions, geometry
from nadyn.training.second_order.vectors import slopes_of_positions, slopes_of_strain

Pairs = tuple[tuple[int, int], ...]

# Up to so many rows of atoms the time of a product is that of its calls and not of its arithmetic. A training
# step of six atoms, three states and 12 channels took with one product a pair and with copies, in ms: in
# batches of 8 39 and 25, of 16 50 and 41, of 32 69 and 73.
_FEW_ROWS = 1200


@dataclass(frozen=True)
class Prediction:
    """What a network says of frames of one molecule, in atomic units.

    Attributes:
        energies: E_k.
        gradients: u_k · ∇W · u_l for each requested pair: minus the force for k = l, else the coupling h_kl.
        pairs: The pairs in the order of `gradients`.
        surplus_gap: Distance from the highest state to the lowest surplus eigenvalue; inf without one.
        stress: ∂E_k/∂ε / V, where there are labels of it and the pairs (k, k) were requested.
        dipoles: u_k · μ · u_l [e bohr], where there are labels; with the signs of `gradients`.
        polarisabilities: u_k · α · u_k [bohr³], where there are labels.
        charges: Of each atom [e], where the potential has charges.
        eigenvectors: u_k as columns, where there are labels of them.
    """

    energies: Float[Tensor, "frame state"]
    gradients: Float[Tensor, "frame pair atom 3"]
    pairs: Pairs
    surplus_gap: Float[Tensor, "frame"]
    stress: Float[Tensor, "frame state 3 3"] | None = None
    dipoles: Float[Tensor, "frame state state 3"] | None = None
    polarisabilities: Float[Tensor, "frame state 3 3"] | None = None
    charges: Float[Tensor, "frame atom"] | None = None
    eigenvectors: Float[Tensor, "frame basis basis"] | None = None


def predict(potential: Potential, batch: Samples, pairs: Pairs) -> Prediction:
    """Return the prediction for frames of one molecule; see `predict_together`."""
    return predict_together(potential, (batch,), pairs)[0]


def predict_together(
    potential: Potential, batch: tuple[Samples, ...], pairs: Pairs
) -> tuple[Prediction, ...]:
    """Return the prediction for each molecule: it can be differentiated in the weights.

    Where every part of a potential is known to `second_order`, its derivatives are those written out there;
    otherwise see `predict_by_graph`.
    """
    return predict_beside(potential, batch, pairs, ())[0]


def predict_beside(
    potential: Potential, batch: tuple[Samples, ...], pairs: Pairs, displaced: tuple[Samples, ...]
) -> tuple[tuple[Prediction, ...], Float[Tensor, "frame"]]:
    """Return the predictions of a batch and the surplus gaps of other frames, evaluated together."""
    if not fits(potential):
        gaps = surplus_gap(potential, displaced) if displaced else torch.zeros(0, dtype=torch.float64)
        return predict_by_graph(potential, batch, pairs), gaps
    asked = [_frames(potential, part, derivatives=bool(pairs)) for part in batch]
    others = [_frames(potential, part, derivatives=False) for part in displaced]
    has_heads = any(part.dipoles is not None or part.polarisabilities is not None for part in batch)
    said = said_of(potential, asked, others, pairs, has_features=has_heads)
    levels = said.levels
    gaps = _surplus_gap(potential, levels)
    sizes = [len(part) for part in batch]
    n = sum(sizes)
    vectors = _rows(said.eigenvectors[:n] if has_eigenvectors(batch) else None, sizes)
    columns = (levels[:n, : potential.n_states].split(sizes), gaps[:n].split(sizes), vectors)
    predictions = []
    for number, (part, frames, *own, of_part) in enumerate(zip(batch, asked, *columns, strict=True)):
        found = _slopes_of(frames.geometry.pairs, said.slopes[number], part) if pairs else None
        predictions.append(replace(_prediction(part, *own, found, pairs), eigenvectors=of_part))
    if said.features is not None:
        predictions = _with_properties(potential, batch, predictions, said.eigenvectors[:n], said.features)
    return tuple(predictions), gaps[n:]


def predict_by_graph(
    potential: Potential, batch: tuple[Samples, ...], pairs: Pairs
) -> tuple[Prediction, ...]:
    """Return the prediction for each molecule with its graph.

    One vector-Jacobian product of W a pair, whose cotangent u_k u_lᵀ stays in the graph: how the
    eigenvectors respond to the weights is a part of the gradient of every force and coupling. For small
    molecules the products of all pairs are one product of as many copies of the batch, see `_FEW_ROWS`.
    """
    n, n_pairs = sum(map(len, batch)), len(pairs)
    few = sum(len(part) * len(part.numbers) for part in batch) * n_pairs <= _FEW_ROWS
    copies = n_pairs if n_pairs > 1 and few and len(batch) == 1 else 1
    if copies > 1:
        batch = (batch[0].take(torch.arange(n).repeat(copies)),)
    with torch.enable_grad():
        inputs = tuple(_Input(part) for part in batch)
        surroundings = _surroundings(potential, inputs)
        learned = potential.learned(surroundings)
        hamiltonian, features = learned.hamiltonian, learned.features
        charges = _charges(learned, surroundings)
        energies, vectors = eigh(hamiltonian[:n])
        sizes = [n] if copies > 1 else [len(part) for part in batch]
        properties = properties_of(potential, batch, features, surroundings, vectors)
        cotangents = []
        for k, l in pairs:
            outer = vectors[:, :, k].unsqueeze(2) * vectors[:, :, l].unsqueeze(1)
            cotangents.append(0.5 * (outer + outer.mT))
        if copies > 1:
            (all_copies,) = _pull_back(hamiltonian, inputs, torch.cat(cotangents))
            slopes = [[own] for own in all_copies.split(n)]
        else:
            slopes = [_pull_back(hamiltonian, inputs, cotangent) for cotangent in cotangents]
        columns = (
            energies[:, : potential.n_states].split(sizes),
            _surplus_gap(potential, energies).split(sizes),
            _rows(vectors if has_eigenvectors(batch) else None, sizes),
            *(_rows(values, sizes) for values in properties),
        )
        return tuple(
            replace(
                _prediction(
                    inputs[number].batch.take(torch.arange(len(levels))),
                    levels,
                    gap,
                    _stacked([of_pair[number] for of_pair in slopes]),
                    pairs,
                ),
                dipoles=moments,
                polarisabilities=tensors,
                charges=charges[number][: len(levels)] if charges else None,
                eigenvectors=of_part,
            )
            for number, (levels, gap, of_part, moments, tensors) in enumerate(zip(*columns, strict=True))
        )


def _with_properties(
    potential: Potential,
    batch: tuple[Samples, ...],
    predictions: list[Prediction],
    vectors: Float[Tensor, "frame basis basis"],
    features: AtomFeatures,
) -> list[Prediction]:
    """Return the predictions with what heads say, in the states of the predictions."""
    values = properties_of(potential, batch, *features_of(batch, features), vectors)
    columns = [_rows(one, [len(part) for part in batch]) for one in values]
    return [
        replace(one, dipoles=dipoles, polarisabilities=polarisabilities)
        for one, dipoles, polarisabilities in zip(predictions, *columns, strict=True)
    ]


def _rows(values: Tensor | None, sizes: list[int]) -> Sequence[Tensor | None]:
    return (None,) * len(sizes) if values is None else values.split(sizes)


def _charges(learned: Learned, surroundings: Surroundings) -> list[Tensor]:
    """Return the charges of each molecule, nothing where there are none."""
    if learned.charges is None:
        return []
    return [placement.of_structures(learned.charges) for placement in surroundings.placements]


@dataclass(frozen=True)
class _Slopes:
    """Derivatives of one element of W in its eigenbasis, or of several with an axis of pairs."""

    positions: Float[Tensor, "frame *pair atom 3"]
    strain: Float[Tensor, "frame *pair 3 3"] | None

    def split(self, size: int) -> list["_Slopes"]:
        strains = (None,) * (len(self.positions) // size) if self.strain is None else self.strain.split(size)
        return list(itertools.starmap(_Slopes, zip(self.positions.split(size), strains, strict=True)))


class _Input:
    """Leaves of the graph for frames of one molecule: positions, and a strain where stress is learned."""

    def __init__(self, batch: Samples):
        self.batch = batch
        self.positions = batch.positions.detach().requires_grad_(True)
        self.strain = None
        if batch.stress is not None:
            self.strain = torch.zeros_like(batch.stress[:, 0]).requires_grad_(True)

    @property
    def leaves(self) -> list[Tensor]:
        return [self.positions] if self.strain is None else [self.positions, self.strain]

    def surroundings(self, potential: Potential) -> Surroundings:
        positions, cell, batch = self.positions, self.batch.cell, self.batch
        if self.strain is not None:
            positions, cell = positions + positions @ self.strain, cell + cell @ self.strain
        return batch.surroundings(positions, potential.network.cutoff, _precision(potential), cell=cell)


def _surroundings(potential: Potential, inputs: tuple[_Input, ...]) -> Surroundings:
    found = [one.surroundings(potential) for one in inputs]
    return found[0] if len(found) == 1 else joined(found, potential.network.cutoff)


def _as_they_are(potential: Potential, batch: tuple[Samples, ...]) -> Surroundings:
    """Return surroundings in which nothing is differentiated."""
    cutoff, precision = potential.network.cutoff, _precision(potential)
    found = [part.surroundings(part.positions, cutoff, precision) for part in batch]
    return found[0] if len(found) == 1 else joined(found, cutoff)


def _pull_back(hamiltonian: Tensor, inputs: tuple[_Input, ...], cotangent: Tensor) -> list[_Slopes]:
    leaves = [leaf for one in inputs for leaf in one.leaves]
    found = iter(torch.autograd.grad(hamiltonian, leaves, cotangent, create_graph=True))
    return [_Slopes(next(found), None if one.strain is None else next(found)) for one in inputs]


def _stacked(slopes: list[_Slopes]) -> _Slopes | None:
    """Return the slopes of all pairs with an axis of pairs; None without pairs."""
    if not slopes:
        return None
    strain = None if slopes[0].strain is None else torch.stack([one.strain for one in slopes], dim=1)
    return _Slopes(torch.stack([one.positions for one in slopes], dim=1), strain)


def _slopes_of(pairs: PairFunctions, slopes: Tensor, batch: Samples) -> _Slopes:
    strain = None if batch.stress is None else slopes_of_strain(pairs, slopes)
    return _Slopes(slopes_of_positions(pairs, slopes), strain)


def _frames(potential: Potential, batch: Samples, *, derivatives: bool) -> Frames:
    found = batch.geometry
    if found is None:
        surroundings = batch.surroundings(batch.positions, potential.network.cutoff, _precision(potential))
        found = geometry(potential, surroundings, derivatives=derivatives)
    return Frames(batch.numbers, found)


def _prediction(
    batch: Samples, energies: Tensor, surplus: Tensor, slopes: _Slopes | None, pairs: Pairs
) -> Prediction:
    """Return a prediction from slopes with an axis of pairs after that of the frames."""
    if slopes is None:
        gradients = energies.new_zeros((len(energies), 0, *batch.positions.shape[1:]))
        return Prediction(energies, gradients, pairs, surplus, None)
    stress = None
    same = [number for number, (k, l) in enumerate(pairs) if k == l]
    if slopes.strain is not None and same:
        volume = torch.linalg.det(batch.cell).abs()[:, None, None, None]
        stress = slopes.strain[:, same] / volume
    return Prediction(energies, slopes.positions, pairs, surplus, stress)


def surplus_gap(potential: Potential, batch: tuple[Samples, ...]) -> Float[Tensor, "frame"]:
    """Return the distance from the highest state to the lowest surplus eigenvalue alone; inf without one.

    Nothing is differentiated in the positions, so the graph is that of the weights.
    """
    with torch.enable_grad():
        return _surplus_gap(potential, eigh(potential(_as_they_are(potential, batch))[0])[0])


def label_pairs(samples: tuple[Samples, ...], n_states: int) -> Pairs:
    """Return the pairs that any of the samples has labels for.

    They are (k, k) for forces and stress, (k, l) for couplings.
    """
    pairs: list[tuple[int, int]] = []
    if any(group.forces is not None or group.stress is not None for group in samples):
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
