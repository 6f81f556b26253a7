"""The members of a committee judge every step of the one that moves the nuclei."""

from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from nadyn.dynamics.methods.method import Method
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import remember
from nadyn.dynamics.state.populations import squared_coefficients
from nadyn.dynamics.state.step import Step
from nadyn.dynamics.state.surplus import highest_in_use
from nadyn.electronic.committee import HasMembers, judge
from nadyn.models.model import Model


def judged_start(state: State, model: Model, method: Method) -> State:
    """Return a batch that starts with what the committee says of it; as it is where there is none."""
    if not isinstance(model, HasMembers):
        return state
    return _judged(state, state, model, method)


def judged_step(old: State, step: Step, model: Model, method: Method) -> Step:
    """Return a step with what the committee says of its geometries; as it is where there is none.

    Judged are the active states and the populations before the step, so that nothing that was drawn in it has
    a say in whether it counts: a step that were thrown away for where it hopped would make hops rarer.
    """
    if not isinstance(model, HasMembers):
        return step
    return replace(step, state=_judged(old, step.state, model, method))


def _judged(old: State, new: State, model: HasMembers, method: Method) -> State:
    judgement = judge(
        model,
        new.positions,
        energies=new.energies,
        force=new.force,
        # A hop has put the force on another state in the place of the one to be judged.
        is_known=old.active_state == new.active_state,
        active_state=old.active_state,
        used=_used(old, new, method),
        populations=None if method.moves_on == "active state" else squared_coefficients(old),
    )
    return remember(new, judgement)


def _used(old: State, new: State, method: Method) -> Bool[Tensor, "traj state"]:
    states = torch.arange(new.energies.shape[1], device=new.energies.device)
    if not method.needs_two_states:
        return states == old.active_state[:, None]
    return states <= highest_in_use(replace(old, energies=new.energies))[:, None]
