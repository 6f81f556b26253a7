"""Decoherence by energy: states decay at a rate that their gap and the kinetic energy set."""

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Complex, Float, Int
from pydantic import Field
from torch import Tensor

from nadyn.checks.configuration import Configuration
from nadyn.checks.other_names import OTHER_NAMES
from nadyn.dynamics.decoherence.correction import Decoherence, Moment
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import electronic_width, elementwise
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.electronic.small_arrays import (
    Array,
    as_complex,
    functions_of,
    in_parts,
    rearranged,
    square_root,
)

Damps = Literal["populations", "amplitudes"]

_ENERGY_PARAMETER = Field(
    default=0.1,
    gt=0.0,
    allow_inf_nan=False,
    json_schema_extra={OTHER_NAMES: "c alpha decay edcparameter decoherenceparam"},
)


class EdcSection(Configuration):
    """Energy-based decoherence correction: {name: edc, damps: populations}.

    `damps: populations` is the convention of SHARC and ABIN, `damps: amplitudes` that of MLatom (there named
    SDM), PyUNIxMD, PyRAI2MD and Libra, twice as fast.
    """

    name: Literal["edc"]
    damps: Damps = "populations"
    energy_parameter_hartree: float = _ENERGY_PARAMETER

    def correction(self) -> Decoherence:
        """Return the correction of this section."""
        return edc(damps=self.damps, energy_parameter=self.energy_parameter_hartree)


class SdmSection(Configuration):
    """The energy-based correction that damps amplitudes, by the name that MLatom and Newton-X give it."""

    name: Literal["sdm"]
    energy_parameter_hartree: float = _ENERGY_PARAMETER

    def correction(self) -> Decoherence:
        """Return the correction of this section."""
        return edc(damps="amplitudes", energy_parameter=self.energy_parameter_hartree)


def edc(*, damps: Damps = "populations", energy_parameter: float = 0.1) -> Decoherence:
    """Return the energy-based correction, see `energy_based_decoherence`."""

    def act(moment: Moment) -> State:
        new = moment.new
        damped = energy_based_decoherence(
            new.coefficients,
            new.energies,
            new.active_state,
            kinetic_energy(new.momenta, moment.masses),
            dt=moment.dt,
            damps=damps,
            energy_parameter=energy_parameter,
        )
        return replace(new, coefficients=damped)

    return Decoherence(act)


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
    damp = _damp_of_two if coefficients.shape[1] == 2 else _damp

    def part(c: Array, energies: Array, active: Array, kinetic: Array) -> tuple[Array]:
        return (damp(c, energies, active, kinetic, dt * factor, energy_parameter),)

    (damped,) = in_parts(
        electronic_width(coefficients.shape[1], coefficients),
        part,
        torch.view_as_real(coefficients),
        energies,
        active_state,
        kinetic_energy,
    )
    return as_complex(damped)


def _damp(c: Array, energies: Array, active: Array, kinetic: Array, time: float, parameter: float) -> Array:
    # The trajectories are the last axis here: long vectors are what the processor is fast with.
    (re, im), energies, of = rearranged(c, 2, 1, 0), rearranged(energies, 1, 0), functions_of(c)
    n = len(energies)
    is_active = of.stack([active == l for l in range(n)])
    active_energy, a_re, a_im = energies[0], re[0], im[0]
    for l in range(1, n):
        active_energy = of.where(is_active[l], energies[l], active_energy)
        a_re, a_im = of.where(is_active[l], re[l], a_re), of.where(is_active[l], im[l], a_im)
    rate = abs(energies - active_energy) * (kinetic / (kinetic + parameter))
    decay = elementwise(torch.exp, rate * -time)
    re, im = re * decay, im * decay
    squares = of.where(is_active, 0.0, re * re + im * im)
    others = squares[0]
    for l in range(1, n):
        others = others + squares[l]
    wanted = square_root((1.0 - others).clip(min=0.0))
    size = a_re * a_re + a_im * a_im
    # An active state without any amplitude has no phase either; it gets phase 0.
    filled = size > 0
    scale = wanted / square_root(of.where(filled, size, 1.0))
    re = of.where(is_active, of.where(filled, a_re * scale, wanted), re)
    im = of.where(is_active, a_im * scale, im)
    return rearranged(of.stack([re, im]), 2, 1, 0)


def _damp_of_two(
    c: Array, energies: Array, active: Array, kinetic: Array, time: float, parameter: float
) -> Array:
    """The same as `_damp` with one inactive state, in fewer operations."""
    (re, im), of, is_upper = rearranged(c, 2, 1, 0), functions_of(c), active == 1
    own_re, own_im = (of.where(is_upper, upper, lower) for lower, upper in (re, im))
    other_re, other_im = (of.where(is_upper, lower, upper) for lower, upper in (re, im))
    rate = (energies[:, 1] - energies[:, 0]) * (kinetic / (kinetic + parameter))
    decay = elementwise(torch.exp, rate * -time)
    other_re, other_im = other_re * decay, other_im * decay
    left = (1.0 - (other_re * other_re + other_im * other_im)).clip(min=0.0)
    size = own_re * own_re + own_im * own_im
    # An active state without any amplitude has no phase either; it gets phase 0.
    filled = size > 0
    if filled.all():
        scale = square_root(left / size)
        own_re, own_im = own_re * scale, own_im * scale
    else:
        scale = square_root(left / of.where(filled, size, 1.0))
        own_re, own_im = of.where(filled, own_re, 1.0) * scale, own_im * scale
    lower = of.where(is_upper, other_re, own_re), of.where(is_upper, other_im, own_im)
    upper = of.where(is_upper, own_re, other_re), of.where(is_upper, own_im, other_im)
    return of.stack([*lower, *upper], 1).reshape(-1, 2, 2)
