"""Surface hopping without amplitudes: a hop is decided where a gap has its minimum in time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.electrons.curvature import ENERGIES_BEFORE, Parabola, parabola
from nadyn.dynamics.electrons.gradients import forces_and_couplings
from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.settle import Rescale, direction_of_kick, settle_hops
from nadyn.dynamics.initial.start import in_active_state
from nadyn.dynamics.methods.adaptive import divided_where_asked
from nadyn.dynamics.methods.method import Motion
from nadyn.dynamics.nuclei.verlet import verlet
from nadyn.dynamics.run_file import RunConfiguration
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.choice import choose_target
from nadyn.dynamics.state.energies import conserved_energy, larger_error, potential_energy
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.dynamics.state.step import Step, no_hops
from nadyn.dynamics.state.surplus import surplus_gap_above_active
from nadyn.models.model import Model

GAP_KEYS = frozenset({"rescale", "frustrated", "adaptive", "representation"})

# Name in `State.extra`: how long the last step was.
LENGTH_BEFORE = "length_before"


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


@dataclass(frozen=True)
class GapHopping:
    """Choices of a run that hops at minima of gaps.

    Attributes:
        dt: Time step [au].
        seed: Seed of the hops.
        masses: [electron mass].
        probabilities: The rule: of the state before the step, the one after it, the minima and these choices;
            what it gives where there is no minimum does not matter.
        rescale: Direction of the momentum change at a hop, see `settle.direction_of_kick`.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        part: Number of a part of an adaptive step, 0 for a whole one; keys random numbers.
    """

    dt: float
    seed: int
    masses: Float[Tensor, "atom"]
    probabilities: Callable[[State, State, Minima, "GapHopping"], Float[Tensor, "traj state"]]
    rescale: Rescale = "nac"
    frustrated: Frustrated = "keep"
    part: int = 0


def gap_hopping_begin(state: State, model: Model) -> State:
    """Return the state of a batch that starts; a minimum needs three steps, and there is none before."""
    memory = {ENERGIES_BEFORE: state.energies, LENGTH_BEFORE: torch.ones_like(state.weight)}
    return replace(in_active_state(state), extra={**state.extra, **memory})


def gap_hopping_step(state: State, model: Model, options: GapHopping) -> Step:
    """Advance a batch by one time step.

    Order: velocity Verlet; where the gap one step ago was smaller than now and than two steps ago, the
    probability of a hop; hop and change of momentum at the present geometry, one step after the minimum. The
    coefficients are 1 on the active state and 0 elsewhere.

    Args:
        state: The batch.
        model: Any model with two states or more.
        options: Time step, seed and choices.
    """
    masses = options.masses
    moved = verlet(state, model, masses=masses, dt=options.dt)
    length = torch.full_like(state.weight, options.dt)
    memory = {ENERGIES_BEFORE: state.energies, LENGTH_BEFORE: length}
    moved = replace(moved, extra={**moved.extra, **memory})
    minima = _minima(state, moved)
    hops = no_hops()
    if bool(minima.found.any()):
        raw = options.probabilities(state, moved, minima, options)
        probabilities = torch.where(minima.found, raw, 0.0)
        zeta = uniform(options.seed, moved.trajectory, moved.step, Stream.HOP, (options.part + 1,))[:, -1]
        target = choose_target(probabilities, moved.active_state, zeta)
        rows = torch.nonzero(target != moved.active_state)[:, 0]
        if len(rows):
            target = target[rows]
            force, coupling = forces_and_couplings(moved, model, rows, target)
            direction = direction_of_kick(
                moved, model, masses, rows, target_force=force, coupling=coupling, rescale=options.rescale
            )
            moved, hops = settle_hops(
                moved,
                masses,
                rows,
                target,
                direction=direction,
                target_force=force,
                frustrated=options.frustrated,
                zeta=zeta[rows],
                probability=probabilities[rows].gather(1, target[:, None])[:, 0],
            )
            moved = in_active_state(moved)
    total = conserved_energy(moved.energies, moved.active_state, moved.momenta, masses, moved.heat)
    moved = replace(
        moved,
        total_energy=total,
        energy_error_max=larger_error(state, total),
        surplus_gap=surplus_gap_above_active(moved),
    )
    return Step(moved, hops, torch.zeros_like(total, dtype=torch.bool))


def gap_motion(
    config: RunConfiguration,
    masses: Float[Tensor, "atom"],
    *,
    probabilities: Callable[[State, State, Minima, GapHopping], Float[Tensor, "traj state"]],
) -> Motion:
    """Return hopping at minima of gaps as a run file asks for it, by a rule of hopping."""
    options = GapHopping(
        dt=config.dt,
        seed=config.seed,
        masses=masses,
        probabilities=probabilities,
        rescale=config.rescale,
        frustrated=config.frustrated,
    )

    def part(state: State, model: Model, dt: float, number: int) -> Step:
        return gap_hopping_step(state, model, replace(options, dt=dt, part=number))

    return Motion(divided_where_asked(config, part), gap_hopping_begin)


def parabola_of(minima: Minima) -> Parabola:
    """Return the parabolas through the squares of the three gaps."""
    return parabola(
        minima.before,
        minima.at,
        minima.after,
        since=minima.since[:, None],
        until=minima.until[:, None],
    )


def _minima(old: State, new: State) -> Minima:
    active = new.active_state

    def gaps(energies: Tensor) -> Tensor:
        return (energies - potential_energy(energies, active)[:, None]).abs()

    before, at, after = gaps(old.extra[ENERGIES_BEFORE]), gaps(old.energies), gaps(new.energies)
    since, until = old.extra[LENGTH_BEFORE], new.extra[LENGTH_BEFORE]
    states = torch.arange(new.energies.shape[1])
    neighbour = (states - active[:, None]).abs() == 1
    return Minima(before, at, after, neighbour & (at < before) & (at < after), since, until)
