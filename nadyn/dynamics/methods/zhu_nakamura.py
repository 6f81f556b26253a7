"""Zhu-Nakamura surface hopping from adiabatic energies.

Source: C. Zhu and H. Nakamura, J. Chem. Phys. 102, 7448 (1995); on the fly: L. Yu, C. Xu, Y. Lei, C. Zhu and
Z. Wen, Phys. Chem. Chem. Phys. 16, 25883 (2014).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.methods.gap_hops import GapHopping, Minima, StepBefore, gap_hopping, parabola_of
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise
from nadyn.dynamics.state.energies import kinetic_energy, potential_energy
from nadyn.dynamics.state.memory import recall


def zhu_nakamura_probabilities(
    old: State, new: State, minima: Minima, options: GapHopping
) -> Float[Tensor, "traj state"]:
    """Return P(a->l) of the improved Landau-Zener formula at a minimum of the gap.

    P = exp[-(pi / 4a) sqrt(2 / (b^2 + sqrt|b^4 +- 1|))], + where the diabatic forces point the same way, -
    where they oppose each other, with a^2 = A B / 2 g^3 and b^2 = (E - E_X) A / (B g). g is the gap at its
    minimum, E - E_X the kinetic energy plus or minus g / 2, A^2 = (F_2 - F_1)^2 / M and B^2 = |F_1 F_2| / M
    of the diabatic forces along the motion. 0 where E < E_X.

    The forces follow from energies alone: between two diabatic straight lines g^2 is a parabola in time,
    which gives g at the minimum wherever the steps fall and (F_2 - F_1)^2 v^2 = (g^2)''/2; and the mean of
    both forces is that of the adiabatic ones, -d(E_a + E_l)/dt / 2v. The published recipe takes forces one
    step before and after, whose difference vanishes with the time step.

    Source: C. Zhu and H. Nakamura, J. Chem. Phys. 102, 7448 (1995); in this form L. Yu, C. Xu, Y. Lei, C. Zhu
    and Z. Wen, Phys. Chem. Chem. Phys. 16, 25883 (2014), equations 1 to 5.
    """
    active = new.active_state

    def means(energies: Tensor) -> Tensor:
        return 0.5 * (energies + potential_energy(energies, active)[:, None])

    found = parabola_of(minima)
    gap = torch.sqrt(torch.clamp(found.smallest, min=0.0))
    kinetic = kinetic_energy(old.momenta, options.masses)[:, None]
    speed2 = torch.where(kinetic > 0, 2.0 * kinetic, 1.0)
    difference2 = found.squared_rate / speed2
    slope = (means(new.energies) - means(recall(old, StepBefore).energies)) / minima.time[:, None]
    product = slope * slope / speed2 - 0.25 * difference2
    own = potential_energy(old.energies, active)[:, None]
    excess = kinetic + own - means(old.energies)
    # a^2 and a^2 b^2, whose quotient would lose its meaning for parallel forces.
    cube = torch.where(gap > 0, gap * gap * gap, 1.0)
    a2 = torch.sqrt(difference2 * product.abs()) / (2.0 * cube)
    a2b2 = 0.5 * difference2 * excess / (cube * torch.where(gap > 0, gap, 1.0))
    root = torch.sqrt((a2b2 * a2b2 + torch.sign(product) * a2 * a2).abs())
    denominator = a2b2 + root
    exponent = 0.25 * math.pi * torch.sqrt(2.0 / torch.where(denominator > 0, denominator, 1.0))
    # Two equal energies are crossed, whatever the forces.
    exponent = torch.where(gap > 0, exponent, 0.0)
    return torch.where((excess > 0) & (kinetic > 0), elementwise(torch.exp, -exponent), 0.0)


ZHU_NAKAMURA = gap_hopping(zhu_nakamura_probabilities, other_names=("zn", "znsh"))
