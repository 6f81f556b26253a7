"""One feed-forward network per element, with smooth activations only."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nadyn.checks.errors import InputError
from nadyn.models.surroundings import ElementSlices, split_elements

ACTIVATIONS = {"silu": nn.SiLU, "tanh": nn.Tanh, "softplus": nn.Softplus}


def activation(name: str) -> nn.Module:
    """Return a smooth activation.

    Raises:
        InputError: The name is unknown, or is ReLU, whose kinks would make the forces jump.
    """
    if name.lower() in ("relu", "leaky_relu", "leakyrelu"):
        raise InputError(
            f"`activation` must be smooth, but is {name!r}: its kinks make forces discontinuous and total "
            "energy drift. Try silu."
        )
    if name.lower() not in ACTIVATIONS:
        raise InputError(f"`activation` must be one of {', '.join(ACTIVATIONS)}, but is {name!r}.")
    return ACTIVATIONS[name.lower()]()


class ElementNetworks(nn.Module):
    """A network per element, from standardised descriptors to `n_outputs` numbers an atom.

    The descriptors' mean and spread in the training set are buffers: `standardise` sets them once,
    before training, so that the first layer sees numbers of order one for every element.
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
        self.networks = nn.ModuleList()
        for _ in elements:
            layers: list[nn.Module] = []
            widths = [n_inputs, *hidden]
            for before, after in pairwise(widths):
                layers += [nn.Linear(before, after), activation(activation_name)]
            layers.append(nn.Linear(widths[-1], n_outputs))
            # A small last layer: training starts from the constant reference energies.
            nn.init.normal_(layers[-1].weight, std=0.1 / widths[-1] ** 0.5)
            nn.init.zeros_(layers[-1].bias)
            self.networks.append(nn.Sequential(*layers))
        self.register_buffer("mean", torch.zeros(len(self.elements), n_inputs))
        self.register_buffer("inverse_spread", torch.ones(len(self.elements), n_inputs))

    def forward(
        self, invariants: Float[Tensor, "atom traj feature"], atoms: ElementSlices
    ) -> Float[Tensor, "atom traj output"]:
        """Return the outputs of each atom."""
        results = []
        for element, own in split_elements(invariants, atoms, 0).items():
            index = self.elements.index(element)
            inputs = (own - self.mean[index]) * self.inverse_spread[index]
            results.append(self.networks[index](inputs))
        return torch.cat(results)

    @torch.no_grad()
    def standardise(
        self, mean: Float[Tensor, "element feature"], spread: Float[Tensor, "element feature"]
    ) -> None:
        """Set mean and standard deviation; a descriptor that hardly varies is not blown up."""
        self.mean.copy_(mean)
        self.inverse_spread.copy_(inverse_of(spread))


def inverse_of(spread: Float[Tensor, "element feature"]) -> Float[Tensor, "element feature"]:
    """Return by what descriptors are multiplied; one that hardly varies is not blown up."""
    floor = 1e-3 * spread.amax(dim=1, keepdim=True).clamp(min=1e-6)
    return 1.0 / torch.maximum(spread, floor)
