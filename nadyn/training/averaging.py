"""Moving average of the weights: what is validated and stored."""

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential average of all parameters, with a shorter memory during the first steps."""

    def __init__(self, potential: nn.Module, decay: float):
        self.decay = decay
        self.values: dict[str, Tensor] = {
            name: p.detach().clone() for name, p in potential.named_parameters()
        }

    @torch.no_grad()
    def update(self, potential: nn.Module, step: int) -> None:
        """Take in the parameters after a step, counted from 0."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        names, parameters = zip(*potential.named_parameters(), strict=True)
        torch._foreach_lerp_([self.values[name] for name in names], list(parameters), 1.0 - decay)

    @torch.no_grad()
    def swap(self, potential: nn.Module) -> None:
        """Exchange the average and the network's parameters; called twice, nothing has changed."""
        for name, parameter in potential.named_parameters():
            held = parameter.detach().clone()
            parameter.copy_(self.values[name])
            self.values[name] = held
