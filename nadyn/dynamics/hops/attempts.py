"""Attempts of hops, the same for every method: who hops, along which direction, at what cost."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.representation import Representation, SpinFree
from nadyn.dynamics.hops.settle import Rescale, direction_of_kick, settle_hops
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.step import Hops, no_hops
from nadyn.models.model import Model

# Of the batch, its model, masses, the rows that attempt a hop, their targets, the force there, the coupling.
Direction = Callable[
    [
        State,
        Model,
        Float[Tensor, "atom"],
        Int[Tensor, "hop"],
        Int[Tensor, "hop"],
        Float[Tensor, "hop atom x"],
        Float[Tensor, "hop atom x"],
    ],
    Float[Tensor, "hop atom x"],
]


@dataclass(frozen=True)
class HopRules:
    """How a hop is made.

    Attributes:
        states: In which states trajectories hop.
        direction: Along which momenta change.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
    """

    states: Representation
    direction: Direction
    frustrated: Frustrated


@dataclass(frozen=True, kw_only=True)
class HopChoices:
    """What a run chooses about its hops, whatever decides them.

    Attributes:
        masses: [electron mass].
        rescale: Direction of the momentum change at a hop, see `settle.direction_of_kick`.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        states: In which states it hops, and how coefficients go through a step there.
    """

    masses: Float[Tensor, "atom"]
    rescale: Rescale = "nac"
    frustrated: Frustrated = "keep"
    states: Representation = field(default_factory=SpinFree)

    @property
    def rules(self) -> HopRules:
        """How a hop is made."""
        return HopRules(self.states, along(self.rescale), self.frustrated)


def along(rescale: Rescale) -> Direction:
    """Return the direction of a kick by its name in a run file, see `settle.direction_of_kick`."""

    def direction(
        state: State,
        model: Model,
        masses: Tensor,
        rows: Tensor,
        target: Tensor,
        force: Tensor,
        coupling: Tensor,
    ) -> Tensor:
        return direction_of_kick(
            state, model, masses, rows, target_force=force, coupling=coupling, rescale=rescale
        )

    return direction


def attempt_hops(
    state: State,
    model: Model,
    masses: Float[Tensor, "atom"],
    target: Int[Tensor, "traj"],
    rules: HopRules,
    *,
    zeta: Float[Tensor, "traj"],
    probability: Float[Tensor, "traj"],
) -> tuple[State, Hops]:
    """Return the batch after its trajectories have tried to reach their targets, and the record of attempts.

    A target that is the active state is no attempt. Force and coupling of the other state are looked for
    where they are needed only. Active state, momenta and force change where the kinetic energy can pay.

    Args:
        state: The batch.
        model: Its model.
        masses: [electron mass].
        target: Where each trajectory is to be.
        rules: How a hop is made.
        zeta: The random number of each trajectory.
        probability: The probability of its target.
    """
    rows = torch.nonzero(target != state.active_state)[:, 0]
    if not len(rows):
        return state, no_hops(state.positions.device)
    target = target[rows]
    force, coupling = rules.states.couplings(state, model, rows, target)
    return settle_hops(
        state,
        masses,
        rows,
        target,
        direction=rules.direction(state, model, masses, rows, target, force, coupling),
        target_force=force,
        frustrated=rules.frustrated,
        zeta=zeta[rows],
        probability=probability[rows],
        paid_by_field=rules.states.paid_by_field(state, rows, target),
    )
