"""One network for all elements, which it tells apart by a learned vector of each."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.models.networks import ElementNetworks, inverse_of
from nadyn.models.surroundings import ElementSlices, split_elements

# Numbers by which the network knows an element.
_N_KNOWN_BY = 8


class SharedNetwork(nn.Module):
    """The face of `ElementNetworks`, with weights that do not grow with the number of elements.

    The vector of the atom's element stands beside its standardised descriptors.
    """

    def __init__(
        self,
        elements: Sequence[int],
        n_inputs: int,
        hidden: Sequence[int],
        n_outputs: int,
        activation_name: str,
    ):
        super().__init__()
        self.elements = tuple(elements)
        # As of one element: the same layers and start.
        whole = ElementNetworks((0,), n_inputs + _N_KNOWN_BY, hidden, n_outputs, activation_name)
        self.network = whole.networks[0]
        self.embedding = nn.Parameter(torch.randn(len(self.elements), _N_KNOWN_BY))
        self.register_buffer("mean", torch.zeros(len(self.elements), n_inputs))
        self.register_buffer("inverse_spread", torch.ones(len(self.elements), n_inputs))

    def forward(
        self, invariants: Float[Tensor, "atom traj feature"], atoms: ElementSlices
    ) -> Float[Tensor, "atom traj output"]:
        """Return the outputs of each atom."""
        rows = []
        for element, own in split_elements(invariants, atoms, 0).items():
            index = self.elements.index(element)
            scaled = (own - self.mean[index]) * self.inverse_spread[index]
            known_by = self.embedding[index].expand(*own.shape[:2], -1)
            rows.append(torch.cat([scaled, known_by], dim=-1))
        return self.network(torch.cat(rows))

    @torch.no_grad()
    def standardise(
        self, mean: Float[Tensor, "element feature"], spread: Float[Tensor, "element feature"]
    ) -> None:
        """Set mean and standard deviation, see `ElementNetworks`."""
        self.mean.copy_(mean)
        self.inverse_spread.copy_(inverse_of(spread))


# What `model: {networks: …}` may say.
NETWORKS: dict[str, Callable[..., ElementNetworks | SharedNetwork]] = {
    "per_element": ElementNetworks,
    "shared": SharedNetwork,
}
