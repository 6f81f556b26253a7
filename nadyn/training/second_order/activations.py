"""Smooth activations with their first two derivatives."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Activation:
    """One activation.

    Attributes:
        value_and_slope: f(x) and f'(x).
        curvature: f''(x).
    """

    value_and_slope: Callable[[Tensor], tuple[Tensor, Tensor]]
    curvature: Callable[[Tensor], Tensor]


def _silu(x: Tensor) -> tuple[Tensor, Tensor]:
    s = torch.sigmoid(x)
    value = x * s
    # f' = s + x s (1 - s)
    return value, torch.addcmul(s + value, value, s, value=-1.0)


def _silu_curvature(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1.0 - s) * (2.0 + x * (1.0 - 2.0 * s))


def _tanh(x: Tensor) -> tuple[Tensor, Tensor]:
    value = torch.tanh(x)
    return value, 1.0 - value * value


def _tanh_curvature(x: Tensor) -> Tensor:
    value = torch.tanh(x)
    return -2.0 * value * (1.0 - value * value)


def _softplus(x: Tensor) -> tuple[Tensor, Tensor]:
    return nn.functional.softplus(x), torch.sigmoid(x)


def _softplus_curvature(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1.0 - s)


DERIVATIVES: dict[type[nn.Module], Activation] = {
    nn.SiLU: Activation(_silu, _silu_curvature),
    nn.Tanh: Activation(_tanh, _tanh_curvature),
    nn.Softplus: Activation(_softplus, _softplus_curvature),
}
