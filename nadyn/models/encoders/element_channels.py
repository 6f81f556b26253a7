"""Elements as learned vectors: what is kept for each neighbour element is kept for a few mixtures of them.

With a channel of its own for each element the products of channels grow with the square of their number. A
learned vector of few components for each element mixes them first.

Source: M. J. Willatt, F. Musil and M. Ceriotti, Phys. Chem. Chem. Phys. 20, 29661 (2018).
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from nadyn.models.surroundings import Surroundings

# The key `element_channels` of a section; None for a channel of its own for each element.
NumberOfMixtures = Annotated[int, Field(ge=1, le=32)] | None


class ElementChannels(nn.Module):
    """From sums of each neighbour element to the channels that an encoder goes on with."""

    def __init__(self, elements: Sequence[int], n_mixtures: int | None):
        """Take all elements, and how many mixtures of them there are; None for each by itself."""
        super().__init__()
        self.elements = tuple(elements)
        self.n_channels = len(self.elements) if n_mixtures is None else n_mixtures
        self.embedding = (
            None
            if n_mixtures is None
            else nn.Parameter(torch.randn(len(self.elements), n_mixtures) / n_mixtures**0.5)
        )

    def of(self, element: int) -> Float[Tensor, "channel"]:
        """Return the vector of an element."""
        index = self.elements.index(element)
        if self.embedding is None:
            return torch.eye(self.n_channels)[index]
        return self.embedding[index]

    def merge(
        self, sums: dict[int, Float[Tensor, "*rest"]], missing: Float[Tensor, "*rest"]
    ) -> list[Float[Tensor, "*rest"]]:
        """Return each channel, from the sums of the elements that there are and zeros for the others."""
        if self.embedding is None:
            return [sums.get(element, missing) for element in self.elements]
        found = missing.expand(self.n_channels, *missing.shape)
        for element, own in sums.items():
            # Term by term: a product of small matrices would round by its place in memory.
            found = found + own.unsqueeze(0) * self.of(element).reshape(-1, *(1,) * own.ndim)
        return list(found)

    def of_pairs(
        self, weights: Float[Tensor, "channel channel radial width"], elements: Sequence[int]
    ) -> Float[Tensor, "pair radial width"]:
        """Return weights of each pair of these elements, the second running faster."""
        vectors = torch.stack([self.of(element) for element in elements])
        n, (_, n_channels, n_radial, width) = len(elements), weights.shape
        of_first = (vectors @ weights.flatten(1)).unflatten(1, (n_channels, n_radial * width))
        return (vectors @ of_first).reshape(n * n, n_radial, width)


def elements_in(surroundings: Surroundings) -> tuple[int, ...]:
    """Return the elements of atoms and neighbours, ascending."""
    return tuple(sorted({element for element, _ in (*surroundings.atoms, *surroundings.slots)}))
