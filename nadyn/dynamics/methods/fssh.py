"""Fewest-switches surface hopping.

Source: J. C. Tully, J. Chem. Phys. 93, 1061 (1990), with the electronic step by local diabatisation.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.checks.configuration import Configuration, parse_configuration
from nadyn.checks.errors import InputError
from nadyn.dynamics.baths.friction import refuse_random_force
from nadyn.dynamics.decoherence.correction import Decoherence, Moment
from nadyn.dynamics.decoherence.energy_based import edc
from nadyn.dynamics.decoherence.table import decoherence_of
from nadyn.dynamics.electrons.ways import SMALLEST_OVERLAP, after_attempts
from nadyn.dynamics.hops.attempts import HopChoices, attempt_hops
from nadyn.dynamics.hops.cuts import begin_cuts, count_cuts
from nadyn.dynamics.hops.probabilities import (
    Probabilities,
    at_most_one,
    flow_probabilities,
    shared_loss_probabilities,
)
from nadyn.dynamics.hops.representation import Representation
from nadyn.dynamics.methods.method import Drift, Method, NoOptions, Stepping
from nadyn.dynamics.methods.representation_of import representation_of
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import with_energy_of_active
from nadyn.dynamics.state.memory import remember
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, MIXED
from nadyn.dynamics.state.random_numbers import Draws, Stream
from nadyn.dynamics.state.step import Step, finish_step
from nadyn.dynamics.state.surplus import highest_in_use, surplus_gap_above_states_in_use
from nadyn.models.model import Model


class FsshOptions(Configuration):
    """Options of method fssh: {probability: flow}.

    `flow` is the net flow of population out of the active state; `shared_loss` is the formula of SHARC and of
    local diabatisation in Newton-X, which for three states and more can exceed 1 many times where in- and
    outflow cancel.
    """

    probability: Literal["flow", "shared_loss"] = "flow"


@dataclass(frozen=True, kw_only=True)
class Fssh(HopChoices):
    """Choices of a surface hopping run.

    Attributes:
        dt: Time step [au].
        seed: Seed of the hops.
        decoherence: What is done to the coefficients at the end of a step.
        probabilities: The rule of hopping: of c(t), c(t+dt), R in c(t+dt) = R c(t), and the active state.
    """

    dt: float
    seed: int
    decoherence: Decoherence = field(default_factory=edc)
    probabilities: Probabilities = flow_probabilities


def fssh_begin(state: State, model: Model, options: Fssh) -> State:
    """Return the state of a batch that starts, with what propagation and decoherence remember."""
    state = begin_cuts(options.states.begin(state, model))
    return options.decoherence.begin(state, model)


def fssh_drift(
    state: State, model: Model, dt: float, *, masses: Float[Tensor, "atom"], states: Representation
) -> Drift:
    """Return a step up to its hops: velocity Verlet on the active state, propagation of the coefficients.

    Args:
        state: The batch.
        model: Any model with two states or more.
        dt: Time step [au].
        masses: [electron mass].
        states: In which states it hops.
    """
    after = verlet(state, model, masses=masses, dt=dt, surface_at=states.surface_at)
    made = states.propagate(state, after, model, masses, dt)
    coefficients = made.coefficients
    if made.follows is not None:
        coefficients = torch.zeros_like(coefficients).scatter(1, made.follows, coefficients)
    if made.eigenvectors is not None:
        after = replace(after, eigenvectors=made.eigenvectors)
    after = replace(after, coefficients=coefficients)
    if made.memory is not None:
        after = remember(after, made.memory)
    lost = made.smallest_overlap < SMALLEST_OVERLAP
    if lost.any():
        # A surplus level that meets a state far above, where no amplitude is, changes nothing yet.
        last = state.energies.shape[1] - 1
        lost = lost & (torch.maximum(highest_in_use(state), highest_in_use(after)) == last)
    return Drift(state, with_energy_of_active(after, masses), dt, made, intruder=lost)


def fssh_draw(drift: Drift, model: Model, draws: Draws, *, options: Fssh) -> Step:
    """Return the step after its drift: hop, change of momentum, decoherence, new force.

    Decoherence acts towards the new active state, with the new kinetic energy.

    Args:
        drift: What `fssh_drift` has made.
        model: The model.
        draws: Random numbers.
        options: Choices.
    """
    before, after, made = drift.before, drift.after, drift.made
    active = before.active_state
    probabilities, cut = at_most_one(
        options.probabilities(before.coefficients, made.coefficients, made.propagator, active)
    )
    zeta = draws.uniform(after.trajectory, after.step, Stream.HOP)
    target = choose_target(probabilities, active, zeta)
    probability = probabilities.gather(1, target[:, None])[:, 0]
    if made.follows is not None:
        # A state that became another one takes its trajectories along, paid for like any hop.
        probability = torch.where(target == active, 1.0, probability)
        target = made.follows.gather(1, target[:, None])[:, 0]
    after = count_cuts(after, cut)
    after, hops = attempt_hops(
        after, model, options.masses, target, options.rules, zeta=zeta, probability=probability
    )
    after = after_attempts(drift.after, after, hops.row)
    if not options.states.driven(after):
        # What light has made has not moved apart yet; a correction would undo it while it is being made.
        after = options.decoherence.act(
            Moment(before, after, hops, made, model, options.masses, drift.dt, draws)
        )
    after = replace(after, surplus_gap=surplus_gap_above_states_in_use(after))
    return finish_step(before, after, hops, intruder=drift.intruder)


def fssh_stepping(options: Fssh) -> Stepping:
    """Return the method with its choices."""
    return hops_after_a_drift(
        options, draw=partial(fssh_draw, options=options), begin=partial(fssh_begin, options=options)
    )


def hops_after_a_drift(
    options: HopChoices,
    *,
    draw: Callable[[Drift, Model, Draws], Step],
    begin: Callable[[State, Model], State],
) -> Stepping:
    """Return a method that moves as fewest switches do and hops in its own way."""
    states = options.states
    return Stepping(
        drift=partial(fssh_drift, masses=options.masses, states=states),
        draw=draw,
        begin=begin,
        gap=states.gap,
        diabatic=states.diabatic,
    )


def fssh_step(state: State, model: Model, options: Fssh) -> Step:
    """Advance a batch by one undivided time step.

    Order: velocity Verlet on the active state; overlap and propagation of the coefficients; hopping
    probability from the coefficients as propagated; hop and change of momentum; decoherence towards the new
    active state with the new kinetic energy; new force where a hop was made.

    Args:
        state: The batch.
        model: Any model with two states or more.
        options: Time step, seed and choices.
    """
    return fssh_stepping(options).whole(state, model, options.dt, Draws(options.seed))


def hopping_choices(
    config: RunConfiguration,
    model: Model,
    masses: Float[Tensor, "atom"],
    probabilities: Probabilities = flow_probabilities,
) -> Fssh:
    """Return surface hopping as a run file asks for it, by a rule of hopping.

    Raises:
        InputError: Options that exclude each other.
    """
    if config.adaptive is not None and config.propagation == "curvature":
        raise InputError(
            "`adaptive` must be left out with `propagation: curvature`, which needs steps of one length, "
            "but is given. Try propagation: local_diabatisation."
        )
    if config.propagation == "curvature":
        refuse_random_force(config.friction, "with `propagation: curvature`")
    return Fssh(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        rescale=config.rescale,
        frustrated=config.frustrated,
        decoherence=decoherence_of(config.decoherence),
        probabilities=probabilities,
        states=representation_of(config, model, masses),
    )


def _build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
    chosen = parse_configuration(config.options or {}, FsshOptions, where="`options` of method fssh")
    rule = flow_probabilities if chosen.probability == "flow" else shared_loss_probabilities
    return fssh_stepping(hopping_choices(config, model, masses, rule))


def hopping_by_amplitudes(
    build: Callable[[RunConfiguration, Model, Float[Tensor, "atom"]], Stepping],
    *,
    other_names: tuple[str, ...],
    options: type[Configuration] = NoOptions,
) -> Method:
    """Return a method of this step, which takes all its keys."""
    return Method(
        build,
        keys=frozenset(
            {"propagation", "decoherence", "rescale", "frustrated", "adaptive", "representation", "laser"}
        ),
        adiabatic=FRACTION_OF_TRAJECTORIES,
        diabatic=MIXED,
        moves_coefficients=True,
        needs_two_states=True,
        options=options,
        other_names=other_names,
        mixes_spins=True,
        amplitudes_are_populations=True,
    )


FSSH = hopping_by_amplitudes(
    _build,
    options=FsshOptions,
    other_names=("tsh", "sh", "surface_hopping", "fewest_switches", "tully", "sharc", "dc_fssh"),
)
