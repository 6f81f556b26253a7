"""Energy-based decoherence correction of the electronic coefficients."""

from typing import Literal

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.batch_independence import electronic_width
from nadyn.electronic.surfaces import in_blocks

Damps = Literal["populations", "amplitudes"]


def energy_based_decoherence(
    coefficients: Complex[Tensor, "traj state"],
    energies: Float[Tensor, "traj state"],
    active_state: Int[Tensor, "traj"],
    kinetic_energy: Float[Tensor, "traj"],
    *,
    dt: float,
    damps: Damps,
    energy_parameter: float = 0.1,
) -> Complex[Tensor, "traj state"]:
    """Return coefficients whose inactive states have decayed for one step, with norm 1.

    Rate of state l: |E_l - E_a| E_kin / (E_kin + C). Programs read the rate in two ways that differ by a
    factor of 2. damps = "populations", |c_l|^2 -> |c_l|^2 exp(-rate dt): SHARC, ABIN.
    damps = "amplitudes", c_l -> c_l exp(-rate dt): MLatom (named SDM there), PyUNIxMD, PyRAI2MD, Libra.
    The active coefficient is scaled up to what the others have lost.

    Source: G. Granucci and M. Persico, J. Chem. Phys. 126, 134114 (2007).

    Args:
        coefficients: c.
        energies: E [hartree].
        active_state: a, after the hop of this step.
        kinetic_energy: E_kin, after the hop of this step [hartree].
        dt: Time step [au].
        damps: Which of the two decays at the rate.
        energy_parameter: C [hartree].
    """
    factor = 0.5 if damps == "populations" else 1.0

    def block(c: Tensor, energies: Tensor, active: Tensor, kinetic: Tensor) -> tuple[Tensor]:
        return (_damp(c, energies, active, kinetic, dt * factor, energy_parameter),)

    (damped,) = in_blocks(
        electronic_width(coefficients.shape[1]),
        block,
        torch.view_as_real(coefficients),
        energies,
        active_state,
        kinetic_energy,
    )
    return torch.view_as_complex(damped)


def _damp(
    c: Tensor, energies: Tensor, active: Tensor, kinetic: Tensor, time: float, parameter: float
) -> Tensor:
    # The trajectories are the last axis here: long vectors are what the processor is fast with.
    (re, im), energies = c.permute(2, 1, 0).contiguous(), energies.T.contiguous()
    n = len(energies)
    is_active = torch.arange(n)[:, None] == active
    active_energy, a_re, a_im = energies[0], re[0], im[0]
    for l in range(1, n):
        active_energy = torch.where(is_active[l], energies[l], active_energy)
        a_re, a_im = torch.where(is_active[l], re[l], a_re), torch.where(is_active[l], im[l], a_im)
    rate = (energies - active_energy).abs() * (kinetic / (kinetic + parameter))
    decay = torch.exp(rate * -time)
    re, im = re * decay, im * decay
    squares = torch.where(is_active, 0.0, re * re + im * im)
    others = squares[0]
    for l in range(1, n):
        others = others + squares[l]
    wanted = torch.sqrt(torch.clamp(1.0 - others, min=0.0))
    size = a_re * a_re + a_im * a_im
    # An active state without any amplitude has no phase either; it gets phase 0.
    filled = size > 0
    scale = wanted / torch.sqrt(torch.where(filled, size, 1.0))
    re = torch.where(is_active, torch.where(filled, a_re * scale, wanted), re)
    im = torch.where(is_active, a_im * scale, im)
    return torch.stack([re, im]).permute(2, 1, 0).contiguous()
