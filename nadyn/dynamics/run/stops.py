"""What stopped trajectories: the geometry that does not count, which is the one to be labelled."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int

from nadyn.dynamics.state.batch import State
from nadyn.dynamics.state.memory import recall, remembers
from nadyn.electronic.committee import Judgement
from nadyn.trajectory.layout import STOPS


@dataclass(frozen=True)
class Stops:
    """The step that was taken back of each trajectory that was stopped; NaN, and state -1, for the others.

    Attributes:
        positions: [bohr].
        momenta: [au].
        energies: Adiabatic energies [hartree].
        active_state: State that it was on.
        novelty: See `Evaluation`.
        energy_spread, gap_spread, force_spread: See `Judgement`; NaN without a committee.
    """

    positions: Float[np.ndarray, "traj atom x"]
    momenta: Float[np.ndarray, "traj atom x"]
    energies: Float[np.ndarray, "traj state"]
    active_state: Int[np.ndarray, "traj"]
    novelty: Float[np.ndarray, "traj"]
    energy_spread: Float[np.ndarray, "traj"]
    gap_spread: Float[np.ndarray, "traj"]
    force_spread: Float[np.ndarray, "traj"]


def no_stops(state: State) -> Stops:
    """Return those of a run in which nothing was stopped yet."""
    values = _of(state)
    return Stops(
        **{
            name: np.full_like(array, np.nan if array.dtype.kind == "f" else -1)
            for name, array in values.items()
        }
    )


def with_stops(stops: Stops, stopped: State, rows: Int[np.ndarray, "stopped"]) -> Stops:
    """Return the stops of a run with those of one step more.

    Args:
        stops: Of all trajectories.
        stopped: The batch of those that are stopped, as the step left it that is taken back.
        rows: Which rows of `stops` they are.
    """
    changed = {}
    for name, array in _of(stopped).items():
        changed[name] = getattr(stops, name).copy()
        changed[name][rows] = array
    return Stops(**changed)


def stop_arrays(stops: Stops) -> dict[str, np.ndarray]:
    """Return the arrays of a checkpoint."""
    return {STOPS + field.name: getattr(stops, field.name) for field in fields(Stops)}


def stops_from(arrays: Mapping[str, np.ndarray]) -> Stops | None:
    """Return what `stop_arrays` took apart; None for a checkpoint of an older version."""
    if STOPS + "positions" not in arrays:
        return None
    return Stops(**{field.name: np.array(arrays[STOPS + field.name]) for field in fields(Stops)})


def _of(state: State) -> dict[str, np.ndarray]:
    unknown = torch.full_like(state.novelty, torch.nan)
    judgement = recall(state, Judgement) if remembers(state, Judgement) else Judgement(*[unknown] * 3)
    tensors = {
        "positions": state.positions,
        "momenta": state.momenta,
        "energies": state.energies,
        "active_state": state.active_state,
        "novelty": state.novelty,
        "energy_spread": judgement.energy,
        "gap_spread": judgement.gap,
        "force_spread": judgement.force,
    }
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
