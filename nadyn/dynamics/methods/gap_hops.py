"""Surface hopping without amplitudes: a hop is decided where a gap has its minimum in time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.baths.friction import refuse_random_force
from nadyn.dynamics.electrons.curvature import Parabola, parabola
from nadyn.dynamics.hops.attempts import HopChoices, attempt_hops
from nadyn.dynamics.hops.cuts import begin_cuts, count_cuts
from nadyn.dynamics.hops.probabilities import at_most_one
from nadyn.dynamics.initial.start import in_active_state
from nadyn.dynamics.methods.method import Drift, Method, Stepping
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import potential_energy, with_energy_of_active
from nadyn.dynamics.state.memory import recall, remember
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES, OF_ACTIVE
from nadyn.dynamics.state.random_numbers import Draws, Stream
from nadyn.dynamics.state.step import Step, finish_step, no_hops
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.models.model import Model


@dataclass(frozen=True)
class StepBefore:
    """Energies before the last step, those after it where momenta have changed at its end, and how long that
    was [au]."""

    energies: Float[Tensor, "traj state"]
    length: Float[Tensor, "traj"]


@dataclass(frozen=True)
class Minima:
    """Gaps |E_l - E_a| between the active state a and the others at three steps in a row.

    A minimum counts for neighbours in energy only, l = a - 1 and a + 1. A crossing of a with one neighbour
    turns E_a round, and with it the gap to every state beyond, which may have no coupling to either.

    Attributes:
        before: One step before the minimum [hartree].
        at: At it.
        after: One step after it, which is now.
        found: Where l is a neighbour of a, and `at` is smaller than both.
        since: Time from `before` to `at` [au].
        until: Time from `at` to `after` [au].
    """

    before: Float[Tensor, "traj state"]
    at: Float[Tensor, "traj state"]
    after: Float[Tensor, "traj state"]
    found: Bool[Tensor, "traj state"]
    since: Float[Tensor, "traj"]
    until: Float[Tensor, "traj"]

    @property
    def time(self) -> Float[Tensor, "traj"]:
        """Time from `before` to `after` [au]."""
        return self.since + self.until


@dataclass(frozen=True, kw_only=True)
class GapHopping(HopChoices):
    """Choices of a run that hops at minima of gaps.

    Attributes:
        dt: Time step [au].
        seed: Seed of the hops.
        probabilities: The rule: of the state before the step, the one after it, the minima and these choices;
            what it gives where there is no minimum does not matter.
    """

    dt: float
    seed: int
    probabilities: "Rule"


Rule = Callable[[State, State, Minima, GapHopping], Float[Tensor, "traj state"]]


def gap_hopping_begin(state: State, model: Model) -> State:
    """Return the state of a batch that starts; a minimum needs three steps, and there is none before."""
    memory = StepBefore(state.energies, torch.ones_like(state.weight))
    return begin_cuts(remember(in_active_state(state), memory))


def gap_hopping_drift(state: State, model: Model, dt: float, *, masses: Float[Tensor, "atom"]) -> Drift:
    """Return a step up to its hops: velocity Verlet, and what the next step has to know of this one."""
    after = verlet(state, model, masses=masses, dt=dt)
    after = remember(after, StepBefore(state.energies, torch.full_like(state.weight, dt)))
    return Drift(state, with_energy_of_active(after, masses), dt)


def gap_hopping_draw(drift: Drift, model: Model, draws: Draws, *, options: GapHopping) -> Step:
    """Return the step after its drift: where the gap one step ago was smaller than now and than two steps
    ago, a hop with a change of momentum at the present geometry, one step after the minimum.

    The coefficients are 1 on the active state and 0 elsewhere.
    """
    before, after, hops = drift.before, drift.after, no_hops(drift.after.positions.device)
    minima = _minima(before, after)
    if bool(minima.found.any()):
        raw = options.probabilities(before, after, minima, options)
        probabilities, cut = at_most_one(torch.where(minima.found, raw, 0.0))
        zeta = draws.uniform(after.trajectory, after.step, Stream.HOP)
        target = choose_target(probabilities, after.active_state, zeta)
        chance = probabilities.gather(1, target[:, None])[:, 0]
        after = count_cuts(after, cut)
        after, hops = attempt_hops(
            after, model, options.masses, target, options.rules, zeta=zeta, probability=chance
        )
        after = in_active_state(_without_kinks(drift.after, after))
    return finish_step(before, replace(after, surplus_gap=surplus_gap_above_active(after)), hops)


def gap_hopping_stepping(options: GapHopping) -> Stepping:
    """Return hopping at minima of gaps with its choices."""
    return Stepping(
        drift=partial(gap_hopping_drift, masses=options.masses),
        draw=partial(gap_hopping_draw, options=options),
        begin=gap_hopping_begin,
    )


def gap_hopping_step(state: State, model: Model, options: GapHopping) -> Step:
    """Advance a batch by one undivided time step.

    Args:
        state: The batch.
        model: Any model with two states or more.
        options: Time step, seed and choices.
    """
    return gap_hopping_stepping(options).whole(state, model, options.dt, Draws(options.seed))


def gap_hopping(probabilities: Rule, *, other_names: tuple[str, ...]) -> Method:
    """Return the method that hops at minima of gaps by a rule."""

    def build(config: RunConfiguration, model: Model, masses: Float[Tensor, "atom"]) -> Stepping:
        # It would make minima of its own.
        refuse_random_force(config.friction, f"with method {config.method}")
        return gap_hopping_stepping(
            GapHopping(
                dt=config.dt,
                seed=config.seed,
                masses=masses,
                probabilities=probabilities,
                rescale=config.rescale,
                frustrated=config.frustrated,
            )
        )

    return Method(
        build,
        keys=frozenset({"rescale", "frustrated", "adaptive", "representation"}),
        adiabatic=FRACTION_OF_TRAJECTORIES,
        diabatic=OF_ACTIVE,
        moves_coefficients=False,
        needs_two_states=True,
        other_names=other_names,
    )


def parabola_of(minima: Minima) -> Parabola:
    """Return the parabolas through the squares of the three gaps."""
    return parabola(
        minima.before,
        minima.at,
        minima.after,
        since=minima.since[:, None],
        until=minima.until[:, None],
    )


def _without_kinks(before: State, after: State) -> State:
    """Return a batch after its attempts whose next minimum lies behind the momenta that have changed at once.

    A gap that has been closing opens where momenta turn round. That is no minimum in time, but a kink, whose
    curvature has no bound for short steps.
    """
    kicked = (after.momenta != before.momenta).flatten(1).any(1)
    known = recall(after, StepBefore)
    return remember(
        after, replace(known, energies=torch.where(kicked[:, None], after.energies, known.energies))
    )


def _minima(old: State, new: State) -> Minima:
    active = new.active_state

    def gaps(energies: Tensor) -> Tensor:
        return (energies - potential_energy(energies, active)[:, None]).abs()

    before, at, after = gaps(recall(old, StepBefore).energies), gaps(old.energies), gaps(new.energies)
    since, until = recall(old, StepBefore).length, recall(new, StepBefore).length
    states = torch.arange(new.energies.shape[1], device=active.device)
    neighbour = (states - active[:, None]).abs() == 1
    return Minima(before, at, after, neighbour & (at < before) & (at < after), since, until)
