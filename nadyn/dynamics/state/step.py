"""What every method gives back after a time step, and how a step ends."""

from dataclasses import dataclass, fields, replace
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nadyn.dynamics.state.batch import State


@dataclass(frozen=True)
class Hops:
    """Attempted hops of one step, accepted or not; energies in hartree.

    Attributes:
        row: Row of the batch.
        from_state: Active state before.
        to_state: State chosen by the random number.
        accepted: Whether the kinetic energy could pay.
        energy_from: Potential energy of `from_state`.
        energy_to: Potential energy of `to_state`.
        kinetic_before: Kinetic energy before the kick.
        kinetic_after: Kinetic energy after it.
        zeta: The random number.
        probability: Hopping probability to `to_state`.
    """

    row: Int[Tensor, "hop"]
    from_state: Int[Tensor, "hop"]
    to_state: Int[Tensor, "hop"]
    accepted: Bool[Tensor, "hop"]
    energy_from: Float[Tensor, "hop"]
    energy_to: Float[Tensor, "hop"]
    kinetic_before: Float[Tensor, "hop"]
    kinetic_after: Float[Tensor, "hop"]
    zeta: Float[Tensor, "hop"]
    probability: Float[Tensor, "hop"]


@dataclass(frozen=True)
class Step:
    """The state after a time step, the hops on the way, and whose states were lost to surplus ones."""

    state: State
    hops: Hops
    intruder: Bool[Tensor, "traj"]


def finish_step(
    before: State, after: State, hops: Hops, *, intruder: Bool[Tensor, "traj"] | None = None
) -> Step:
    """Return a step whose `total_energy` is known, its largest error brought up to date.

    Args:
        before: The batch before the step.
        after: The batch after it.
        hops: The hops on the way.
        intruder: Whose states were lost to surplus ones; nobody's if not given.
    """
    error = (after.total_energy - before.reference_total_energy).abs()
    after = replace(after, energy_error_max=torch.maximum(before.energy_error_max, error))
    return Step(after, hops, torch.zeros_like(error, dtype=torch.bool) if intruder is None else intruder)


@cache
def no_hops(device: torch.device) -> Hops:
    """Return an empty table of hops, on the device of its batch."""
    kinds = {"row": torch.int64, "from_state": torch.int64, "to_state": torch.int64, "accepted": torch.bool}
    return Hops(
        **{
            f.name: torch.zeros(0, dtype=kinds.get(f.name, torch.float64), device=device)
            for f in fields(Hops)
        }
    )


def select_hops(hops: Hops, chosen: Bool[Tensor, "hop"]) -> Hops:
    """Return the chosen rows of a table of hops."""
    return Hops(**{field.name: getattr(hops, field.name)[chosen] for field in fields(Hops)})


def join_hops(tables: list[Hops]) -> Hops:
    """Return the rows of several tables of hops, one after the other."""
    return Hops(**{f.name: torch.cat([getattr(hops, f.name) for hops in tables]) for f in fields(Hops)})
