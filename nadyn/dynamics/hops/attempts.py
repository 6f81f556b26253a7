"""Attempts of hops, the same for every method: who hops, along which direction, at what cost."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nadyn.dynamics.hops.momentum import Frustrated
from nadyn.dynamics.hops.representation import Representation
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
    *,
    states: Representation,
    direction: Direction,
    frustrated: Frustrated,
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
        states: In which states it hops.
        direction: Along which momenta change.
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        zeta: The random number of each trajectory.
        probability: The probability of its target.
    """
    rows = torch.nonzero(target != state.active_state)[:, 0]
    if not len(rows):
        return state, no_hops()
    target = target[rows]
    force, coupling = states.couplings(state, model, rows, target)
    return settle_hops(
        state,
        masses,
        rows,
        target,
        direction=direction(state, model, masses, rows, target, force, coupling),
        target_force=force,
        frustrated=frustrated,
        zeta=zeta[rows],
        probability=probability[rows],
        paid_by_field=states.paid_by_field(state, rows, target),
    )
