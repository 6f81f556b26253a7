"""Where functions of one number change their sign, for many functions at once."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

_MOST_ITERATIONS = 120


def sign_changes(
    function: Callable[[Float[Tensor, "row"], Int[Tensor, "row"]], Float[Tensor, "row"]],
    end: Float[Tensor, "traj"],
    *,
    at_start: Float[Tensor, "traj"],
    at_end: Float[Tensor, "traj"],
    tolerance: float = 2.0**-51,
) -> tuple[Float[Tensor, "traj"], Float[Tensor, "traj"]]:
    """Return for each trajectory arguments in [0, end] before and behind a change of sign of its function.

    They differ by rounding; both are the zero where one was met. Inverse quadratic interpolation where three
    values allow it, bisection where they do not; a jump is found as well as a zero. Each trajectory is
    searched as if it were alone.

    Source: T. R. Chandrupatla, Adv. Eng. Softw. 28, 145 (1997).

    Args:
        function: Values of the functions of some rows at one argument each.
        end: Upper end of each interval.
        at_start: Values at 0, all positive.
        at_end: Values at `end`, all negative.
        tolerance: Width of the last bracket, relative to the first.
    """
    before, behind = torch.zeros_like(end), torch.zeros_like(end)
    rows = torch.arange(len(end), device=end.device)
    # a and b enclose the change, c is the argument that was left last; t is the place of the next one.
    a, b, c = end, torch.zeros_like(end), torch.zeros_like(end)
    fa, fb, fc = at_end, at_start, at_start
    t = torch.full_like(end, 0.5)
    for _ in range(_MOST_ITERATIONS):
        x = a + t * (b - a)
        fx = function(x, rows)
        same = (fx > 0) == (fa > 0)
        c, fc = torch.where(same, a, b), torch.where(same, fa, fb)
        b, fb = torch.where(same, b, a), torch.where(same, fb, fa)
        a, fa = x, fx
        width = (b - a).abs()
        smallest = tolerance * end[rows]
        done = (width <= 2.0 * smallest) | (fa == 0)
        before[rows[done]] = torch.where(fa >= 0, a, b)[done]
        behind[rows[done]] = torch.where(fa <= 0, a, b)[done]
        if done.all():
            return before, behind
        left = ~done
        rows, a, b, c, fa, fb, fc, width, smallest = (
            array[left] for array in (rows, a, b, c, fa, fb, fc, width, smallest)
        )
        t = _next_place(a, b, c, fa, fb, fc, 0.5 * smallest / width)
    before[rows] = torch.where(fa >= 0, a, b)
    behind[rows] = torch.where(fa <= 0, a, b)
    return before, behind


def _next_place(
    a: Tensor, b: Tensor, c: Tensor, fa: Tensor, fb: Tensor, fc: Tensor, smallest: Tensor
) -> Tensor:
    usable = (fb != fc) & (fa != fc) & (c != b)
    xi = (a - b) / torch.where(usable, c - b, 1.0)
    phi = (fa - fb) / torch.where(usable, fc - fb, 1.0)
    good = usable & (phi * phi < xi) & ((1.0 - phi) * (1.0 - phi) < 1.0 - xi)
    first = fa / (fb - fa) * (fc / torch.where(usable, fb - fc, 1.0))
    second = (
        (c - a)
        / (b - a)
        * (fa / torch.where(usable, fc - fa, 1.0))
        * (fb / torch.where(usable, fc - fb, 1.0))
    )
    t = torch.where(good, first + second, 0.5)
    return torch.minimum(torch.maximum(t, smallest), 1.0 - smallest)
