"""Real spherical harmonics of any rank, each from the rank below: those of `angular` and what comes after."""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.models.encoders.angular import in_whole_blocks, out_of_blocks, outer, unit_harmonics

# Points that tell more polynomials apart than any rank in use has; the numbers of the result do not depend on
# them but for rounding.
_N_POINTS = 2000


def harmonics(unit: Float[Tensor, "3 ..."], highest: int) -> list[Tensor]:
    """Return the ranks 1 to `highest`, which is 2 at least, components first.

    As in `unit_harmonics` each rank has the squared length 1, so that the product of two directions is the
    Legendre polynomial of the angle between them.
    """
    ranks = list(unit_harmonics(unit)[:highest])
    if highest > len(ranks):
        flat, last = in_whole_blocks(unit), in_whole_blocks(ranks[-1])
        for ladder in _ladders(highest):
            last = ladder.to(flat) @ outer(last, flat)
            ranks.append(out_of_blocks(last, unit))
    return ranks


@lru_cache
def _ladders(highest: int) -> tuple[Float[Tensor, "_ _"], ...]:
    """Return the maps from products of rank l - 1 with r̂ to rank l, from l = 4 on."""
    points = np.random.default_rng(0).normal(size=(_N_POINTS, 3))
    points = points / np.linalg.norm(points, axis=1)[:, None]
    before = unit_harmonics(torch.from_numpy(points.T.copy()))[-1].numpy().T
    found = []
    for rank in range(4, highest + 1):
        products = (before[:, :, None] * points[:, None, :]).reshape(_N_POINTS, -1)
        own = _rank(rank, points)
        found.append(torch.from_numpy(np.linalg.lstsq(products, own, rcond=1e-10)[0].T.copy()))
        before = own
    return tuple(found)


def _rank(rank: int, points: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point component"]:
    """Return the real harmonics of a rank by recursion of associated Legendre functions.

    The addition theorem P_l(cos θ) = Σ_m (2 - δ_m0) (l-m)!/(l+m)! P_l^m P_l^m cos m(φ - φ') gives their size.
    """
    x, y, z = points.T
    columns = []
    for order in range(rank + 1):
        # P_l^m without its factor sin^m, which is in (x + iy)^m; (2m-1)!! for l = m.
        lower, here = np.zeros_like(z), np.full_like(z, np.prod(np.arange(2 * order - 1, 0, -2), initial=1.0))
        for l in range(order + 1, rank + 1):
            lower, here = here, ((2 * l - 1) * z * here - (l + order - 1) * lower) / (l - order)
        around = (x + 1j * y) ** order
        size = (math.factorial(rank - order) / math.factorial(rank + order)) ** 0.5
        if order:
            columns += [2**0.5 * size * here * around.real, 2**0.5 * size * here * around.imag]
        else:
            columns.append(size * here)
    return np.stack(columns, axis=1)
