"""An attempted hop: along which direction momenta change, whether it can be paid, and the state after it."""

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.hops.momentum import Frustrated, Kick, after_frustrated_hop, kick
from nadyn.dynamics.nuclei.rigid_motion import is_free, without_rigid_motion
from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.energies import kinetic_energy, potential_energy
from nadyn.dynamics.state.step import Hops
from nadyn.models.model import Model

Rescale = Literal["nac", "nac_unprojected", "gradient_difference", "isotropic"]


def direction_of_kick(
    state: State,
    model: Model,
    masses: Float[Tensor, "atom"],
    rows: Int[Tensor, "hop"],
    *,
    target_force: Float[Tensor, "hop atom x"],
    coupling: Float[Tensor, "hop atom x"],
    rescale: Rescale,
) -> Float[Tensor, "hop atom x"]:
    """Return the direction in which momenta are to change.

    nac: along h, for molecules without its rigid translation and rotation; nac_unprojected: along h as it is;
    gradient_difference: along the difference of both forces, projected like h; isotropic: along the momenta
    themselves, which keeps total and angular momentum only where they are zero.
    """
    match rescale:
        case "isotropic":
            direction = state.momenta[rows]
        case "gradient_difference":
            direction = target_force - state.force[rows]
        case _:
            direction = coupling
    if rescale in ("nac", "gradient_difference") and is_free(model):
        direction = without_rigid_motion(direction, state.positions[rows], masses)
    return direction


def settle_hops(
    state: State,
    masses: Float[Tensor, "atom"],
    rows: Int[Tensor, "hop"],
    target: Int[Tensor, "hop"],
    *,
    direction: Float[Tensor, "hop atom x"],
    target_force: Float[Tensor, "hop atom x"],
    frustrated: Frustrated,
    zeta: Float[Tensor, "hop"],
    probability: Float[Tensor, "hop"],
    paid_by_field: Bool[Tensor, "hop"] | None = None,
) -> tuple[State, Hops]:
    """Return the batch after the hops that can be paid, and the record of all attempts.

    Active state, momenta, force, heat and total energy change; the coefficients do not. Where direction or
    force is not finite, momenta and total energy are NaN, which ends the trajectory.

    Args:
        state: The batch.
        masses: [electron mass].
        rows: Rows of the batch that attempt a hop.
        target: Where to.
        direction: Direction of the change of momentum; its length does not matter.
        target_force: Force on the target state [hartree/bohr].
        frustrated: What a hop does that cannot be paid, see `momentum.after_frustrated_hop`.
        zeta: Random number of each hop.
        probability: Its probability.
        paid_by_field: Hops that leave the momenta as they are; what they cost is booked in `heat`.
    """
    momenta, active, energies = state.momenta[rows], state.active_state[rows], state.energies[rows]
    energy_from, energy_to = potential_energy(energies, active), potential_energy(energies, target)
    if paid_by_field is None:
        paid_by_field = torch.zeros_like(rows, dtype=torch.bool)
    work = torch.where(paid_by_field, energy_to - energy_from, 0.0)
    kicked = kick(momenta, masses, direction=direction, energy_change=(energy_to - energy_from) - work)
    kicked = Kick(_choose(paid_by_field, momenta, kicked.momenta), kicked.accepted | paid_by_field)
    refused = after_frustrated_hop(
        momenta, masses, direction=direction, target_force=target_force, treatment=frustrated
    )
    new_momenta = _choose(kicked.accepted, kicked.momenta, refused)
    # A hop along no direction is none that the kinetic energy could not pay: by momenta of NaN it is known.
    known = _all_finite(target_force) & (_all_finite(direction) | paid_by_field)
    new_momenta = _choose(known, new_momenta, torch.full_like(new_momenta, torch.nan))
    kinetic_after, heat = kinetic_energy(new_momenta, masses), state.heat[rows] + work
    total = kinetic_after + torch.where(kicked.accepted, energy_to, energy_from) - heat
    new_state = replace(
        state,
        momenta=state.momenta.index_copy(0, rows, new_momenta),
        active_state=state.active_state.index_copy(0, rows, torch.where(kicked.accepted, target, active)),
        force=state.force.index_copy(0, rows, _choose(kicked.accepted, target_force, state.force[rows])),
        heat=state.heat.index_copy(0, rows, heat),
        total_energy=state.total_energy.index_copy(0, rows, total),
    )
    hops = Hops(
        row=rows,
        from_state=active,
        to_state=target,
        accepted=kicked.accepted,
        energy_from=energy_from,
        energy_to=energy_to,
        kinetic_before=kinetic_energy(momenta, masses),
        kinetic_after=kinetic_after,
        zeta=zeta,
        probability=probability,
    )
    return new_state, hops


def _all_finite(vectors: Float[Tensor, "hop atom x"]) -> Bool[Tensor, "hop"]:
    return torch.isfinite(vectors).all(2).all(1)


def _choose(rows: Bool[Tensor, "hop"], yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(rows[:, None, None], yes, no)
