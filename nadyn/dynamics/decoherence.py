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
    gap = (energies - energies.gather(1, active[:, None])).abs()
    rate = gap * (kinetic / (kinetic + parameter))[:, None]
    decayed = c * torch.exp(rate * -time)[..., None]
    squares = decayed[..., 0] * decayed[..., 0] + decayed[..., 1] * decayed[..., 1]
    pair = active[:, None, None].expand(-1, 1, 2)
    c_a = c.gather(1, pair)[:, 0]
    size = c_a[:, 0] * c_a[:, 0] + c_a[:, 1] * c_a[:, 1]
    others = torch.zeros_like(size)
    for l in range(c.shape[1]):
        others = others + torch.where(active == l, 0.0, squares[:, l])
    wanted = torch.sqrt(torch.clamp(1.0 - others, min=0.0))
    # An active state without any amplitude has no phase either; it gets phase 0.
    scale = torch.where(size > 0, wanted / torch.sqrt(torch.where(size > 0, size, 1.0)), 0.0)
    scaled = c_a * scale[:, None]
    real = torch.where(size > 0, scaled[:, 0], wanted)
    scaled = torch.stack([real, scaled[:, 1]], dim=-1)
    return torch.where((torch.arange(c.shape[1]) == active[:, None])[..., None], scaled[:, None], decayed)
