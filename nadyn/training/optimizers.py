"""The optimizers of a training by name."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

_BETAS = (0.9, 0.99)
_MOMENTUM = 0.95
# Coefficients of the quintic iteration; five times bring all singular values between 0.7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
# Root mean square of an update of AdamW, which that of a matrix is scaled to: rates and decay mean the same.
_ROOT_MEAN_SQUARE = 0.2


class Muon(Optimizer):
    """Momentum made orthogonal for matrices, AdamW for everything else.

    The update of a matrix has equal singular values: directions that the gradient hardly shows are learned
    as fast as those that dominate it. A matrix whose gradient is zero, as that of an element which a batch
    does not hold, stays as it is. Measured on 1,164 labels of ethylene with 3,000 steps: 16 % dearer steps,
    forces at places where trajectories are at home better by a sixth, all of them by 6 %.

    Sources: K. Jordan et al., https://kellerjordan.github.io/posts/muon (2024); scaled as J. Liu et al.,
    arXiv:2502.16982 (2025), equation 4.
    """

    def __init__(self, groups: Iterable[dict[str, object]], *, lr: float):
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Change all parameters that have a gradient."""
        for group in self.param_groups:
            rate, decay = group["lr"], group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                own = self._of_matrix if parameter.ndim == 2 else self._of_others
                update = own(self.state[parameter], parameter.grad)
                parameter.mul_(1.0 - rate * decay).add_(update, alpha=-rate)

    def _of_matrix(self, state: dict[str, Tensor], gradient: Tensor) -> Tensor:
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        if not bool(gradient.any()):
            return gradient
        momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
        ahead = gradient + _MOMENTUM * momentum
        return orthogonal(ahead) * (_ROOT_MEAN_SQUARE * max(ahead.shape) ** 0.5)

    def _of_others(self, state: dict[str, Tensor], gradient: Tensor) -> Tensor:
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        state["step"] += 1.0
        first, second = _BETAS
        mean = state["exp_avg"].lerp_(gradient, 1.0 - first)
        square = state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
        n = float(state["step"])
        return (mean / (1.0 - first**n)) / ((square / (1.0 - second**n)).sqrt() + 1e-8)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U Vᵀ of a matrix U S Vᵀ; zero for a matrix of zeros.

    Singular values come out between 0.7 and 1.2 where they are not a hundred times smaller than the root of
    the sum of all squares; those become smaller too. A Newton-Schulz iteration: products alone.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    # Scaled twice: squares of small numbers would vanish in single precision.
    x = wide / wide.abs().amax().clamp(min=torch.finfo(wide.dtype).tiny)
    x = x / x.norm().clamp(min=1e-30)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * (square @ square)) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.mT


def _adamw(groups: Iterable[dict[str, object]], *, lr: float) -> Optimizer:
    return AdamW(groups, lr=lr, betas=_BETAS, fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adamw": _adamw, "muon": Muon}
