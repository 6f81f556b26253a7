"""The optimizers of a training by name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import AdamW, Optimizer

from nadyn.training.ranks import ALONE, Ranks

_BETAS = (0.9, 0.99)
_MOMENTUM = 0.95
# Coefficients of the quintic iteration; five times bring all singular values between 0.7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
# Rows that are so many times fewer than columns: 17 products of the rows are then less than the ten others.
_MUCH_SMALLER = 1.5
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

    def __init__(self, groups: Iterable[dict[str, object]], *, lr: float, ranks: Ranks = ALONE):
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self.ranks = ranks

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Change all parameters that have a gradient."""
        for group in self.param_groups:
            own = [one for one in group["params"] if one.grad is not None]
            matrices = [one for one in own if one.ndim == 2]
            others = [one for one in own if one.ndim != 2]
            moved = [*matrices, *others]
            if not moved:
                continue
            torch._foreach_mul_(moved, 1.0 - group["lr"] * group["weight_decay"])
            updates = [*self._of_matrices(matrices), *self._of_others(others)]
            torch._foreach_add_(moved, updates, alpha=-group["lr"])

    def _of_matrices(self, matrices: list[Tensor]) -> list[Tensor]:
        """Return the updates of matrices; several processes share them out among themselves."""
        updates, ahead = {}, {}
        for matrix in matrices:
            state, gradient = self.state[matrix], matrix.grad
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            if bool(gradient.any()):
                momentum = state["momentum"].mul_(_MOMENTUM).add_(gradient)
                ahead[matrix] = gradient + _MOMENTUM * momentum
            else:
                updates[matrix] = torch.zeros_like(gradient)
        updates |= dict(zip(ahead, self._shared_out(list(ahead.values())), strict=True))
        return [updates[matrix] for matrix in matrices]

    def _shared_out(self, matrices: list[Tensor]) -> list[Tensor]:
        """Return matrices made orthogonal; each process makes its own share, and all have all of them."""
        if self.ranks.size == 1 or not matrices:
            return _made_orthogonal(matrices)
        whose = _owners([one.shape for one in matrices], self.ranks.size)
        own = [one for one, owner in zip(matrices, whose, strict=True) if owner == self.ranks.rank]
        flat = torch.cat([matrices[0].new_zeros(0), *(one.flatten() for one in _made_orthogonal(own))])
        parts = [
            [one for one, owner in zip(matrices, whose, strict=True) if owner == rank]
            for rank in range(self.ranks.size)
        ]
        rows = self.ranks.rows(flat, [sum(one.numel() for one in part) for part in parts])
        found = [
            iter(row.split([one.numel() for one in part])) for row, part in zip(rows, parts, strict=True)
        ]
        return [next(found[owner]).view_as(one) for one, owner in zip(matrices, whose, strict=True)]

    def _of_others(self, parameters: list[Tensor]) -> list[Tensor]:
        if not parameters:
            return []
        gradients, states = [one.grad for one in parameters], [self.state[one] for one in parameters]
        for state, gradient in zip(states, gradients, strict=True):
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(gradient) for _ in range(2))
            state["step"] += 1.0
        first, second = _BETAS
        means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
        torch._foreach_lerp_(means, gradients, 1.0 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1.0 - second)
        steps = [float(state["step"]) for state in states]
        sizes = torch._foreach_div(squares, [1.0 - second**n for n in steps])
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, 1e-8)
        updates = torch._foreach_div(means, [1.0 - first**n for n in steps])
        torch._foreach_div_(updates, sizes)
        return list(updates)


def _made_orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """Return the updates that matrices become; those of one shape together."""
    by_shape, found = defaultdict(list), {}
    for number, matrix in enumerate(matrices):
        by_shape[matrix.shape].append(number)
    for shape, numbers in by_shape.items():
        alike = orthogonal(torch.stack([matrices[number] for number in numbers]))
        scaled = alike * (_ROOT_MEAN_SQUARE * max(shape) ** 0.5)
        found |= dict(zip(numbers, scaled.unbind(), strict=True))
    return [found[number] for number in range(len(matrices))]


def _owners(shapes: Sequence[torch.Size], size: int) -> list[int]:
    """Return which process makes each matrix orthogonal, so that all have about as much to do."""
    work = [0.0] * size
    owners = [0] * len(shapes)
    costs = [max(shape) * min(shape) ** 2 for shape in shapes]
    for number in sorted(range(len(shapes)), key=lambda one: -costs[one]):
        owners[number] = work.index(min(work))
        work[owners[number]] += costs[number]
    return owners


def orthogonal(matrices: Float[Tensor, "*which row column"]) -> Float[Tensor, "*which row column"]:
    """Return about U Vᵀ of each matrix U S Vᵀ; zero for a matrix of zeros.

    Singular values come out between 0.7 and 1.2 where they are not a hundred times smaller than the root of
    the sum of all squares; those become smaller too. A Newton-Schulz iteration: products alone. All that an
    iteration does is a function of X Xᵀ; where that is much smaller than X the iterations are made with it.
    """
    is_wide = matrices.shape[-2] <= matrices.shape[-1]
    wide = matrices if is_wide else matrices.mT
    # Scaled twice: squares of small numbers would vanish in single precision.
    x = wide / wide.abs().amax(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(wide.dtype).tiny)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-30)
    a, b, c = _QUINTIC
    if _MUCH_SMALLER * x.shape[-2] < x.shape[-1]:
        x = _from_squares(x @ x.mT) @ x
    else:
        for _ in range(_ITERATIONS):
            square = x @ x.mT
            x = a * x + (b * square + c * (square @ square)) @ x
    return x if is_wide else x.mT


def _from_squares(square: Float[Tensor, "*which row row"]) -> Float[Tensor, "*which row row"]:
    """Return the product of all iterations' factors a + b X Xᵀ + c (X Xᵀ)², which commute."""
    a, b, c = _QUINTIC
    product = None
    for number in range(_ITERATIONS):
        factor = b * square + c * (square @ square)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else factor @ product
        if number + 1 < _ITERATIONS:
            square = factor @ square @ factor
    return product


def _adamw(groups: Iterable[dict[str, object]], *, lr: float, ranks: Ranks = ALONE) -> Optimizer:
    return AdamW(groups, lr=lr, betas=_BETAS, fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adamw": _adamw, "muon": Muon}
