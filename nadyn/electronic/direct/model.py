"""A label source as a model: W = U diag(E) U^T with ∂W = Σ_kl u_k h_kl u_l^T, U being carried along a path.

A model is a function of positions alone, but what a source says of two geometries has no common phase. So it
is told where trajectories go before it is asked, and finds a geometry again by its very bits. What has not
been told is a start: its label begins a path of its own.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.electronic.direct.book import Book, Wanted
from nadyn.electronic.direct.places import Place, all_pairs
from nadyn.electronic.direct.questions import Desk, Facts
from nadyn.electronic.direct.record import Record, keys_of
from nadyn.electronic.labels import Quality
from nadyn.models.model import CARTESIAN_LAWS, Coordinates, Evaluation
from nadyn.structures import masses as usual_masses

# Weights of forces and couplings below this part of the largest are rounding.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class DirectModel:
    """A label source with the face of a model; see `Model`.

    Attributes:
        desk: Has questions answered by the source.
        wanted: What is asked of every label.
        own_masses: Mass of each atom [electron mass]; empty for those of the most abundant isotopes.
        record: What was asked so far.
    """

    desk: Desk
    wanted: Wanted = field(default_factory=Wanted)
    own_masses: tuple[float, ...] = ()
    record: Record = field(default_factory=Record)

    coordinates: ClassVar[Coordinates] = "cartesian"
    fixed_diabatic_basis: ClassVar[bool] = False
    shortest_distances: ClassVar[None] = None
    block_width: ClassVar[int] = 16

    @property
    def facts(self) -> Facts:
        """What the source says of itself."""
        return self.desk.facts

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.facts.name

    @property
    def laws(self) -> frozenset[str]:
        """Those of the source; of a source that says nothing those of a free molecule."""
        return CARTESIAN_LAWS if self.facts.laws is None else self.facts.laws

    @property
    def n_states(self) -> int:
        """States of a label."""
        return len(self.facts.multiplicities)

    @property
    def n_basis(self) -> int:
        """As many as states."""
        return self.n_states

    @property
    def atomic_numbers(self) -> tuple[int, ...]:
        """Those of the source."""
        return self.facts.atomic_numbers

    @property
    def masses(self) -> Float[Tensor, "atom"]:
        """Of the most abundant isotopes, or own ones [electron mass]."""
        own = np.array(self.own_masses, dtype=np.float64)
        return torch.from_numpy(own if len(own) else usual_masses(self.atomic_numbers))

    @property
    def book(self) -> Book:
        """What asks the source, and knows its answers."""
        return Book(self.desk, self.wanted, self.masses.numpy(), self.record)

    @property
    def digest(self) -> str:
        """A sha256 of what makes a label what it is."""
        facts = self.facts
        told = [facts.name, facts.theory, facts.atomic_numbers, facts.charge, facts.multiplicities]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def evaluate(self, positions: Float[Tensor, "traj atom x"]) -> Evaluation:
        """Return W in the basis that each path carries; NaN where a label failed or nothing is finite."""
        self.book.start(positions)
        hamiltonian, energies, frames = _Elements.apply(positions, self)
        return Evaluation(hamiltonian, positions.new_zeros(len(positions)), (energies, frames))

    def anticipate(
        self, positions: Float[Tensor, "traj atom x"], states: Int[Tensor, "traj"] | None = None
    ) -> None:
        """Hear what is about to be asked: energies and the force of one state each, or all there is."""
        every, book = tuple(range(self.n_states)), self.book
        forces = [every] * len(positions) if states is None else [(int(state),) for state in states]
        pairs = book.pairs() if states is None else ()
        book.start(positions, forces, pairs)
        known = self.record.places
        book.complete(
            {key: (forces[row], pairs) for row, key in enumerate(keys_of(positions)) if key in known}
        )

    def levels(
        self, positions: Float[Tensor, "traj atom x"]
    ) -> tuple[Float[Tensor, "traj state"], Float[Tensor, "traj basis state"]]:
        """Return E and U at positions that are known; NaN where a label failed."""
        n = self.n_states
        energies, frames = np.full((len(positions), n), np.nan), np.full((len(positions), n, n), np.nan)
        for row, key in enumerate(keys_of(positions)):
            place = self.record.places.get(key)
            if place is not None and place.quality != Quality.FAILED:
                energies[row], frames[row] = place.energies, place.frame
        return torch.from_numpy(energies), torch.from_numpy(frames)

    def gradient(
        self, positions: Float[Tensor, "traj atom x"], weights: Float[Tensor, "traj basis basis"]
    ) -> Float[Tensor, "traj atom x"]:
        """Return Σ_ab C_ab ∂W_ab [hartree/bohr]; what it needs and no label holds is asked for."""
        keys, known, pairs = keys_of(positions), self.record.places, self.book.pairs()
        all_of_one_spin = all_pairs(self.facts.multiplicities)
        parts = [
            _weights_of_states(known[key], weight.numpy()) if key in known else None
            for key, weight in zip(keys, weights, strict=True)
        ]
        asked = {}
        for key, part in zip(keys, parts, strict=True):
            if part is not None:
                forces = tuple(k for k in range(self.n_states) if part[k, k] != 0)
                needed = tuple(
                    (k, l)
                    for k in range(self.n_states)
                    for l in range(k + 1, self.n_states)
                    if part[k, l] != 0 and (k, l) in pairs
                )
                before = asked.get(key, ((), ()))
                asked[key] = (_union(before[0], forces), _union(before[1], needed))
        self.book.complete(asked)
        result = np.full(positions.shape, np.nan)
        for row, (key, part) in enumerate(zip(keys, parts, strict=True)):
            if part is not None and self.record.places[key].quality != Quality.FAILED:
                result[row] = _sum_over_states(self.record.places[key], part, all_of_one_spin)
        return torch.from_numpy(result)


class _Elements(torch.autograd.Function):
    """W = U diag(E) U^T of a direct model with the gradient that its labels hold, and E and U themselves."""

    @staticmethod
    def forward(ctx, positions: Tensor, model: DirectModel) -> tuple[Tensor, Tensor, Tensor]:
        ctx.model = model
        ctx.save_for_backward(positions)
        energies, frames = model.levels(positions)
        ctx.mark_non_differentiable(energies, frames)
        return (frames * energies[:, None]) @ frames.mT, energies, frames

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, weights: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        (positions,) = ctx.saved_tensors
        return ctx.model.gradient(positions, weights), None


def _weights_of_states(place: Place, weights: np.ndarray) -> np.ndarray:
    """Return U^T C U without what is rounding."""
    part = place.frame.T @ (0.5 * (weights + weights.T)) @ place.frame
    largest = np.abs(part).max()
    return np.where(np.abs(part) > _NOTHING * largest, part, 0.0)


def _sum_over_states(
    place: Place, part: np.ndarray, couple: tuple[tuple[int, int], ...]
) -> Float[np.ndarray, "atom x"]:
    total = np.zeros_like(place.known.positions)
    n = len(part)
    for k in range(n):
        if part[k, k] != 0:
            force = place.force(k)
            total -= part[k, k] * (np.nan if force is None else force)
        for l in range(k + 1, n):
            # States of different spin do not couple.
            if part[k, l] != 0 and (k, l) in couple:
                coupling = place.coupling((k, l))
                total += 2.0 * part[k, l] * (np.nan if coupling is None else coupling)
    return total


def _union(first: tuple, second: tuple) -> tuple:
    return tuple(dict.fromkeys((*first, *second)))


def with_masses(model: DirectModel, masses: Iterable[float]) -> DirectModel:
    """Return the model, with all that it knows, for other masses [electron mass]."""
    return replace(model, own_masses=tuple(float(mass) for mass in masses))
