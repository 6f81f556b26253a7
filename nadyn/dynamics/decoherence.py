"""Decoherence: what every correction is given, the energy-based one, and collapse at hops."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from nadyn.dynamics.batch_independence import electronic_width, elementwise
from nadyn.dynamics.nuclei import kinetic_energy
from nadyn.dynamics.propagate import Propagation
from nadyn.dynamics.state import State
from nadyn.dynamics.step import Hops
from nadyn.electronic.surfaces import in_blocks
from nadyn.models.model import Model

Damps = Literal["populations", "amplitudes"]
CollapseAfter = Literal["hop", "attempt"]


@dataclass(frozen=True)
class Moment:
    """The end of a step of surface hopping, when decoherence acts.

    Attributes:
        old: The batch before the step.
        new: The batch after it, hops made.
        hops: The hops of this step, frustrated ones included.
        propagation: What the coefficients went through.
        model: The model.
        masses: [electron mass].
        dt: Time step [au].
        seed: Of the random numbers.
        part: Number of a part of an adaptive step, 0 for a whole one; keys random numbers.
    """

    old: State
    new: State
    hops: Hops
    propagation: Propagation
    model: Model
    masses: Float[Tensor, "atom"]
    dt: float
    seed: int
    part: int


def _nothing_to_remember(state: State, model: Model) -> State:
    return state


@dataclass(frozen=True)
class Decoherence:
    """A correction made ready.

    Attributes:
        act: Returns the batch with its coefficients corrected and its memory brought up to date.
        begin: Adds the memory to a batch that starts.
    """

    act: Callable[[Moment], State]
    begin: Callable[[State, Model], State] = _nothing_to_remember


def no_decoherence() -> Decoherence:
    """Return the correction that changes nothing."""
    return Decoherence(lambda moment: moment.new)


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


def instantaneous(*, after: CollapseAfter) -> Decoherence:
    """Return the correction that puts all population on the active state at a hop.

    after = "hop": at each accepted hop; "attempt": at each frustrated one too.

    Source: T. Nelson, S. Fernandez-Alberti, A. E. Roitberg and S. Tretiak, J. Chem. Phys. 138, 224111 (2013),
    there named ID-S and ID-A.
    """

    def act(moment: Moment) -> State:
        hops = moment.hops
        rows = hops.row if after == "attempt" else hops.row[hops.accepted]
        collapsed = collapse(moment.new.coefficients[rows], moment.new.active_state[rows])
        return replace(moment.new, coefficients=moment.new.coefficients.index_copy(0, rows, collapsed))

    return Decoherence(act)


def collapse(
    coefficients: Complex[Tensor, "row state"], active_state: Int[Tensor, "row"]
) -> Complex[Tensor, "row state"]:
    """Return coefficients of size 1 on the active state, whose phase stays, and 0 elsewhere."""
    is_active = torch.nn.functional.one_hot(active_state, coefficients.shape[1]).bool()
    c = torch.view_as_real(coefficients)
    size = torch.sqrt(c[..., 0] * c[..., 0] + c[..., 1] * c[..., 1])
    # An active state without any amplitude has no phase either; it gets phase 0.
    filled = size > 0
    real = torch.where(filled, c[..., 0], 1.0) / torch.where(filled, size, 1.0)
    imag = c[..., 1] / torch.where(filled, size, 1.0)
    return torch.complex(torch.where(is_active, real, 0.0), torch.where(is_active, imag, 0.0))


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
    if coefficients.shape[1] == 2:
        time = dt * factor
        return _damp_of_two(coefficients, energies, active_state, kinetic_energy, time, energy_parameter)

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


def _damp_of_two(
    coefficients: Tensor, energies: Tensor, active: Tensor, kinetic: Tensor, time: float, parameter: float
) -> Tensor:
    """The same as `_damp` with one inactive state, in fewer operations."""
    c = torch.view_as_real(coefficients)
    is_upper = (active == 1)[:, None]
    own, other = torch.where(is_upper, c[:, 1], c[:, 0]), torch.where(is_upper, c[:, 0], c[:, 1])
    rate = (energies[:, 1] - energies[:, 0]) * (kinetic / (kinetic + parameter))
    other = other * elementwise(torch.exp, rate * -time)[:, None]
    left = torch.clamp(1.0 - (other[:, 0] * other[:, 0] + other[:, 1] * other[:, 1]), min=0.0)
    size = own[:, 0] * own[:, 0] + own[:, 1] * own[:, 1]
    # An active state without any amplitude has no phase either; it gets phase 0.
    filled = size > 0
    scale = torch.sqrt(left / torch.where(filled, size, 1.0))
    real = torch.where(filled, own[:, 0], 1.0) * scale
    own = torch.stack([real, own[:, 1] * scale], dim=1)
    damped = torch.stack([torch.where(is_upper, other, own), torch.where(is_upper, own, other)], dim=1)
    return torch.view_as_complex(damped)
