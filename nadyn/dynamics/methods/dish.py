"""Decoherence-induced surface hopping (DISH): hops are what decoherence makes of a wave function.

Source: H. M. Jaeger, S. Fischer and O. V. Prezhdo, J. Chem. Phys. 137, 22A545 (2012).
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Complex, Float, Int
from pydantic import Field, model_validator
from torch import Tensor

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.dynamics.decoherence.correction import collapse
from nadyn.dynamics.hops.attempts import HopChoices, attempt_hops
from nadyn.dynamics.methods.fssh import hops_after_a_drift
from nadyn.dynamics.methods.method import Drift, Method, Stepping
from nadyn.dynamics.methods.representation_of import representation_of
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.batch_independence import elementwise, ordered_sum
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, MIXED, squared_coefficients
from nadyn.dynamics.state.random_numbers import Draws, Stream
from nadyn.dynamics.state.step import Step, finish_step
from nadyn.dynamics.state.surplus import surplus_gap_above_states_in_use
from nadyn.electronic.small_arrays import as_complex
from nadyn.models.model import Model
from nadyn.units import AU_PER_FEMTOSECOND


class DishOptions(Configuration):
    """Options of method dish: {dephasing_fs: 10}.

    `dephasing_fs` is the time in which the coherence of any two states falls to 1/e. Without it each pair has
    the rate of the energy-based correction, with `energy_parameter_hartree`.
    """

    dephasing_fs: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    energy_parameter_hartree: float = Field(default=0.1, gt=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_rate(self) -> "DishOptions":
        if self.dephasing_fs is not None and "energy_parameter_hartree" in self.model_fields_set:
            raise ValueError(
                "`energy_parameter_hartree` must be left out where `dephasing_fs` gives one time for all "
                "pairs of states, but both are given. Remove one of them."
            )
        return self


@dataclass(frozen=True, kw_only=True)
class Dish(HopChoices):
    """Choices of a DISH run.

    Attributes:
        dephasing: Time in which a coherence falls to 1/e [au]; None for the rates of energies.
        energy_parameter: C of those rates [hartree].
    """

    dephasing: float | None = None
    energy_parameter: float = 0.1


def dish_draw(drift: Drift, model: Model, draws: Draws, *, options: Dish) -> Step:
    """Return the step after its drift, that of fewest switches: a state decoheres, or none does.

    State k decoheres with the rate 1/τ_k. It is found in k with probability |c_k|^2: the wave function
    collapses on k, and the trajectory hops there. Else k is projected out; was it the active state, another
    one l takes over with probability |c_l|^2 / (1 - |c_k|^2). Where the hop to a state cannot be paid, that
    one is projected out instead.

    Args:
        drift: What `fssh_drift` has made.
        model: The model.
        draws: Random numbers.
        options: Choices.
    """
    before, after = drift.before, drift.after
    n, active = after.energies.shape[1], after.active_state
    probabilities = event_probabilities(
        squared_coefficients(after), decoherence_rates(after, options), active, dt=drift.dt
    )
    zeta = draws.uniform(after.trajectory, after.step, Stream.HOP)
    # Not drawn at all is the last of the events.
    event = choose_target(probabilities, torch.full_like(active, 3 * n), zeta)
    found, _out, taken = (event // n == kind for kind in range(3))
    decohered, happens = event % n, event < 3 * n
    target = torch.where(found | taken, decohered, active)
    chance = torch.where(happens, probabilities.gather(1, event.clamp(max=3 * n - 1)[:, None])[:, 0], 0.0)
    hopped, hops = attempt_hops(
        after, model, options.masses, target, options.rules, zeta=zeta, probability=chance
    )
    there = hopped.active_state == target
    left_out = torch.where(there & taken, active, torch.where(there, decohered, target))
    c = torch.where(
        (found & there)[:, None],
        collapse(after.coefficients, target),
        torch.where(happens[:, None], project_out(after.coefficients, left_out), after.coefficients),
    )
    after = replace(hopped, coefficients=c)
    after = replace(after, surplus_gap=surplus_gap_above_states_in_use(after))
    return finish_step(before, after, hops, intruder=drift.intruder)


def decoherence_rates(state: State, options: Dish) -> Float[Tensor, "traj state"]:
    """Return 1/τ_k = Σ_l |c_l|^2 r_kl with the rates r_kl at which pairs dephase, r_kk = 0 [1/au of time].

    r_kl is one for all pairs, or |E_k - E_l| E_kin / (E_kin + C).

    Source: Jaeger, Fischer and Prezhdo (2012), for τ; G. Granucci and M. Persico, J. Chem. Phys. 126, 134114
    (2007), for the rates of energies.
    """
    squares, energies = squared_coefficients(state), state.energies
    gaps = (energies[:, :, None] - energies[:, None, :]).abs()
    if options.dephasing is None:
        kinetic = kinetic_energy(state.momenta, options.masses)
        pairs = gaps * (kinetic / (kinetic + options.energy_parameter))[:, None, None]
    else:
        pairs = (1.0 - torch.eye(energies.shape[1], dtype=gaps.dtype, device=gaps.device)) / options.dephasing
        pairs = pairs.expand_as(gaps)
    rates = torch.zeros_like(squares)
    for l in range(energies.shape[1]):
        rates = rates + pairs[:, :, l] * squares[:, l, None]
    return rates


def event_probabilities(
    squares: Float[Tensor, "traj state"],
    rates: Float[Tensor, "traj state"],
    active_state: Int[Tensor, "traj"],
    *,
    dt: float,
) -> Float[Tensor, "traj event"]:
    """Return the probabilities of what can happen in a step: it is found in k; k is projected out; the active
    state is projected out and l takes over. Three entries a state, in this order.

    A step has one event at most, 1 - exp(-dt Σ_k 1/τ_k) the probability of any: the first of a Poisson
    process, which needs no memory of the last one and may be divided.
    """
    whole = ordered_sum(rates)
    any_event = 1.0 - elementwise(torch.exp, -dt * whole)
    share = rates * (any_event / torch.where(whole > 0, whole, 1.0))[:, None]
    is_active = torch.nn.functional.one_hot(active_state, squares.shape[1]).bool()
    of_active = torch.where(is_active, share, 0.0).amax(1)[:, None]
    out = torch.where(is_active, 0.0, share * (1.0 - squares).clamp(min=0.0))
    taken = torch.where(is_active, 0.0, of_active * squares)
    return torch.cat([share * squares, out, taken], dim=1)


def project_out(
    coefficients: Complex[Tensor, "traj state"], state: Int[Tensor, "traj"]
) -> Complex[Tensor, "traj state"]:
    """Return coefficients without one state, with norm 1; the state itself where there is nothing else."""
    left = coefficients * (1 - torch.nn.functional.one_hot(state, coefficients.shape[1]))
    parts = torch.view_as_real(left)
    norm = torch.sqrt(ordered_sum(parts * parts))
    scaled = as_complex(parts / torch.where(norm > 0, norm, 1.0)[:, None, None])
    return torch.where((norm > 0)[:, None], scaled, collapse(coefficients, state))


def dish_stepping(options: Dish) -> Stepping:
    """Return the method with its choices."""
    return hops_after_a_drift(options, draw=partial(dish_draw, options=options), begin=options.states.begin)


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    chosen = parse_configuration(config.options or {}, DishOptions, where="`options` of method dish")
    time = chosen.dephasing_fs
    return dish_stepping(
        Dish(
            masses=masses,
            dephasing=None if time is None else time * AU_PER_FEMTOSECOND,
            energy_parameter=chosen.energy_parameter_hartree,
            rescale=config.rescale,
            frustrated=config.frustrated,
            states=representation_of(config, model, masses),
        )
    )


DISH = Method(
    _build,
    keys=frozenset({"rescale", "frustrated", "adaptive", "representation"}),
    adiabatic=FRACTION_OF_TRAJECTORIES,
    diabatic=MIXED,
    moves_coefficients=True,
    needs_two_states=True,
    options=DishOptions,
    other_names=("decoherence_induced_surface_hopping",),
    mixes_spins=True,
)
