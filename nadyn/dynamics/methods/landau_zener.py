"""Landau-Zener surface hopping on adiabatic gaps.

Source: A. K. Belyaev and O. V. Lebedev, Phys. Rev. A 84, 014701 (2011).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.methods.gap_hops import GapHopping, Minima, gap_hopping, parabola_of
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise


def landau_zener_probabilities(
    old: State, new: State, minima: Minima, options: GapHopping
) -> Float[Tensor, "traj state"]:
    """Return P(a->l) = exp[-(pi/2) sqrt(g^3 / g'')] with the gap g at its minimum and its curvature in time
    g''.

    The minimum lies between steps: m = g^2 and s^2 = g g'' there are those of the parabola through the
    squares of three gaps, and P = exp[-(pi/2) m / s]. Where the states cross uncoupled the gap has a cusp,
    but its square is that parabola, with m = 0: then P = 1 wherever the steps fall. Nothing but energies is
    needed.

    Source: A. K. Belyaev and O. V. Lebedev, Phys. Rev. A 84, 014701 (2011), equation 3.
    """
    gap = parabola_of(minima)
    smallest = torch.clamp(gap.smallest, min=0.0)
    return elementwise(torch.exp, -0.5 * math.pi * smallest / torch.sqrt(gap.squared_rate))


LANDAU_ZENER = gap_hopping(landau_zener_probabilities, other_names=("lz", "lzsh", "lzbl", "belyaev_lebedev"))
