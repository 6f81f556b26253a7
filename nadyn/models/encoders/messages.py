"""Invariant messages: what an atom knows are numbers, and its neighbours tell them by distance alone.

An atom starts as a learned vector of its element. In each round it sums what its neighbours are, each channel
weighted by a learned function of the distance, and changes by a small network of that sum:

    m_i = Σ_j R_t(r_ij) f_c(r_ij) * (A_t h_j),    h_i ← h_i + C_t silu(B_t m_i + b_t).

The sums of all rounds are the invariants. Angles are known from the second round on, through distances of
neighbours to each other; nothing is of rank above 0. The directions of the latent basis are sums of r̂ and
r̂r̂ - 1/3 weighted by what the neighbours are after the last round. Weights are shared by all elements, so
neither cost nor parameters grow with pairs of them.

Source: K. T. Schütt et al., J. Chem. Phys. 148, 241722 (2018).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from nadyn.models.encoders.angular import unit_harmonics
from nadyn.models.encoders.features import Features
from nadyn.models.encoders.kind import CommonEncoderSection, EncoderKind
from nadyn.models.encoders.radial import cutoff_function, exponential_basis, exponential_grid
from nadyn.models.surroundings import Surroundings, split_elements

# Vectors, and tensors, that the latent basis is given.
_N_VECTORS = 8


class MessagesSection(CommonEncoderSection):
    """The section `encoder: {name: messages}` of a training file."""

    name: Literal["messages"] = "messages"
    # Products of narrower matrices round by the place of a row.
    n_channels: Annotated[int, Field(ge=8, le=1024, multiple_of=8)] = 64
    n_layers: Annotated[int, Field(ge=1, le=8)] = 3


@dataclass(frozen=True)
class MessagesSettings:
    """Hyperparameters of `Messages`; lengths in bohr."""

    elements: tuple[int, ...]
    cutoff: float
    shortest: float
    n_radial: int = 12
    n_channels: int = 64
    n_layers: int = 3
    cutoff_function: str = "polynomial"

    @property
    def reach(self) -> float:
        return self.n_layers * self.cutoff


class Messages(nn.Module):
    """Encoder with rounds of messages of rank 0; build it from `MessagesSettings`."""

    def __init__(self, settings: MessagesSettings):
        super().__init__()
        self.settings = settings
        self.cutoff = settings.cutoff
        n_elements, n_layers, width = len(settings.elements), settings.n_layers, settings.n_channels
        centres, self.inverse_width = exponential_grid(settings.n_radial, settings.shortest, settings.cutoff)
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32))
        self.embedding = nn.Parameter(torch.randn(n_elements, width))
        self.filters = _matrices(n_layers, settings.n_radial, width)
        self.tell = _matrices(n_layers, width, width)
        # What is heard in the last round is read by the networks and not told on.
        self.hear = _matrices(n_layers - 1, width, width)
        self.bias = nn.Parameter(torch.zeros(n_layers - 1, width))
        self.change = _matrices(n_layers - 1, width, width)
        self.direction_filters = nn.Parameter(_matrix(settings.n_radial, 2 * _N_VECTORS))
        self.direction_weights = nn.Parameter(_matrix(width, 2 * _N_VECTORS))
        self.register_buffer("mean", torch.zeros(n_layers, n_elements, width))
        self.register_buffer("inverse_spread", torch.ones(n_layers, n_elements, width))
        self.n_vectors = _N_VECTORS
        self.n_invariants = n_layers * width

    def forward(self, surroundings: Surroundings) -> Features:
        """Return what each atom hears in each round, and the directions where it hears it from."""
        filters = self._filters(surroundings)
        states, heard = self._elements(surroundings), []
        for layer in range(self.settings.n_layers):
            if layer:
                states = states + self._change(layer - 1, heard[-1], surroundings)
            heard.append(self._hear(layer, filters[layer], states, surroundings))
        vectors, tensors = self._directions(filters[-1], states, surroundings)
        return Features(torch.cat(heard, dim=-1), vectors, tensors)

    @torch.no_grad()
    def standardise(self, frames: list[Surroundings]) -> None:
        """Scale what is heard in each round by its spread in frames of the training set."""
        filters = [self._filters(surroundings) for surroundings in frames]
        states = [self._elements(surroundings) for surroundings in frames]
        for layer in range(self.settings.n_layers):
            heard = [
                self._hear(layer, own[layer], state, surroundings)
                for own, state, surroundings in zip(filters, states, frames, strict=True)
            ]
            for index, element in enumerate(self.settings.elements):
                found = [
                    rows[part].flatten(0, 1)
                    for rows, surroundings in zip(heard, frames, strict=True)
                    for other, part in surroundings.atoms
                    if other == element
                ]
                if not found:
                    continue
                rows = torch.cat(found).to(torch.float64)
                spread = rows.std(dim=0, correction=0)
                floor = 1e-3 * spread.max().clamp(min=1e-6)
                self.mean[layer, index] = rows.mean(dim=0)
                self.inverse_spread[layer, index] = 1.0 / torch.maximum(spread, floor)
            if layer < self.settings.n_layers - 1:
                states = [
                    state + self._change(layer, rows, surroundings)
                    for state, rows, surroundings in zip(states, heard, frames, strict=True)
                ]

    def _filters(self, surroundings: Surroundings) -> list[Float[Tensor, "atom traj slot channel"]]:
        """Return the weights of each pair in each round, and last those of the directions."""
        distances = surroundings.distances
        # (atom, slot, traj): all trajectories are the rows of one product.
        by_pair = distances.transpose(1, 2)
        weight = cutoff_function(self.settings.cutoff_function, distances, self.cutoff).transpose(1, 2)
        radial = exponential_basis(by_pair, self.centres, self.inverse_width, self.cutoff)
        radial = radial * weight.unsqueeze(-1)
        return [(radial @ own).transpose(1, 2) for own in (*self.filters, self.direction_filters)]

    def _elements(self, surroundings: Surroundings) -> Float[Tensor, "atom traj channel"]:
        n_traj = surroundings.vectors.shape[1]
        rows = [
            self.embedding[self.settings.elements.index(element)].expand(part.stop - part.start, n_traj, -1)
            for element, part in surroundings.atoms
        ]
        return torch.cat(rows)

    def _hear(
        self, layer: int, filters: Tensor, states: Tensor, surroundings: Surroundings
    ) -> Float[Tensor, "atom traj channel"]:
        return (filters * surroundings.gather(states @ self.tell[layer])).sum(dim=2)

    def _change(
        self, layer: int, heard: Tensor, surroundings: Surroundings
    ) -> Float[Tensor, "atom traj channel"]:
        scaled = []
        for element, own in split_elements(heard, surroundings.atoms, 0).items():
            index = self.settings.elements.index(element)
            scaled.append((own - self.mean[layer, index]) * self.inverse_spread[layer, index])
        hidden = nn.functional.silu(torch.cat(scaled) @ self.hear[layer] + self.bias[layer])
        return hidden @ self.change[layer]

    def _directions(
        self, filters: Tensor, states: Tensor, surroundings: Surroundings
    ) -> tuple[Float[Tensor, "atom traj channel 3"], Float[Tensor, "atom traj channel 5"]]:
        weights = filters * surroundings.gather(states @ self.direction_weights)
        unit = surroundings.vectors.movedim(-1, 0) / surroundings.distances
        first, second, _ = unit_harmonics(unit)
        # A sum over slots an element of the result: small matrix products would round by their place.
        vectors, tensors = (
            torch.stack([(own * component.unsqueeze(-1)).sum(dim=2) for component in rank], dim=-1)
            for rank, own in zip((first, second), weights.split(_N_VECTORS, dim=-1), strict=True)
        )
        return vectors, tensors


def _matrices(n: int, n_inputs: int, n_outputs: int) -> nn.ParameterList:
    return nn.ParameterList([nn.Parameter(_matrix(n_inputs, n_outputs)) for _ in range(n)])


def _matrix(n_inputs: int, n_outputs: int) -> Float[Tensor, "_ _"]:
    return torch.randn(n_inputs, n_outputs) / n_inputs**0.5


def _choose(
    section: MessagesSection, elements: tuple[int, ...], cutoff: float, shortest: float
) -> MessagesSettings:
    return MessagesSettings(
        elements,
        cutoff,
        shortest,
        section.n_radial,
        section.n_channels,
        section.n_layers,
        section.cutoff_function,
    )


def _reduce(section: MessagesSection) -> MessagesSection:
    return section.model_copy(
        update={"n_radial": min(6, section.n_radial), "n_channels": min(16, section.n_channels)}
    )


MESSAGES = EncoderKind(MessagesSection, MessagesSettings, Messages, _choose, _reduce)
