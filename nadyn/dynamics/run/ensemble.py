"""All trajectories of a run: those that go on, as one batch, and those that have ended, kept as they were."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Int

from nadyn.dynamics.methods.method import Method
from nadyn.dynamics.nuclei.box import box_of
from nadyn.dynamics.run.stopping import RESULTS, Status
from nadyn.dynamics.run.stops import Stops, no_stops, stop_arrays, stops_from, with_stops
from nadyn.dynamics.state.batch import State, for_each_array, from_arrays, select, take_back, to_arrays
from nadyn.dynamics.state.energies import kinetic_energy
from nadyn.dynamics.state.memory import recall, remembers
from nadyn.dynamics.state.populations import FRACTION_OF_TRAJECTORIES
from nadyn.dynamics.state.step import Hops, Step, select_hops
from nadyn.electronic.committee import Judgement


@dataclass(frozen=True)
class Ensemble:
    """The trajectories of a run after some step.

    Attributes:
        running: The batch that goes on.
        everyone: All trajectories; rows of running ones are as old as the last `gathered`.
        status: `Status` of each trajectory.
        last_step: Last valid step of each trajectory that has ended.
        stops: What stopped trajectories; None in a run that an older version began.
    """

    running: State
    everyone: State
    status: np.ndarray
    last_step: np.ndarray
    stops: Stops | None

    @property
    def step(self) -> int:
        """Number of steps made."""
        return self.running.step


def start_ensemble(state: State, status: torch.Tensor | None = None) -> Ensemble:
    """Return an ensemble in which every trajectory runs, but for those that have a status of their own."""
    n = len(state.trajectory)
    codes = torch.full((n,), int(Status.RUNNING)) if status is None else status
    running = state if status is None else select(state, codes == int(Status.RUNNING))
    return Ensemble(running, state, codes.cpu().numpy().copy(), np.zeros(n, dtype=np.int64), no_stops(state))


def after_step(ensemble: Ensemble, step: Step, status: torch.Tensor) -> tuple[Ensemble, Hops]:
    """Return the ensemble after a step, and the hops that count.

    Trajectories with a reason to stop leave the batch; unless that is a result, such as to have left the
    region of interest, their step and its hops are taken back. The energy error of a step that was too large
    remains in
    `energy_error_max`: it is the worst one of its trajectory.
    """
    going = status == int(Status.RUNNING)
    if going.all():
        return replace(ensemble, running=step.state), step.hops
    failed = ~going & ~torch.isin(status, status.new_tensor([int(one) for one in RESULTS]))
    valid = take_back(step.state, ensemble.running, failed)
    too_large = status == int(Status.ENERGY_STEP)
    errors = torch.where(too_large, step.state.energy_error_max, valid.energy_error_max)
    valid = replace(valid, energy_error_max=errors)
    ended = select(valid, ~going)
    rows = rows_of(ended, ensemble.everyone).cpu().numpy()
    codes, last = ensemble.status.copy(), ensemble.last_step.copy()
    codes[rows] = status[~going].cpu().numpy()
    last[rows] = np.where(failed[~going].cpu().numpy(), step.state.step - 1, step.state.step)
    stops = ensemble.stops and with_stops(
        ensemble.stops, select(step.state, failed), rows[failed[~going].cpu().numpy()]
    )
    after = Ensemble(select(valid, going), _put(ensemble.everyone, ended), codes, last, stops)
    return after, select_hops(step.hops, ~failed[step.hops.row])


def gathered(ensemble: Ensemble) -> Ensemble:
    """Return the ensemble with `everyone` up to date."""
    last = ensemble.last_step.copy()
    last[rows_of(ensemble.running, ensemble.everyone).cpu().numpy()] = ensemble.step
    everyone = replace(_put(ensemble.everyone, ensemble.running), step=ensemble.step)
    return replace(ensemble, everyone=everyone, last_step=last)


def finished(ensemble: Ensemble, step: int) -> Ensemble:
    """Return the ensemble after the last step of the run: what still runs is finished."""
    ensemble = gathered(ensemble)
    status = np.where(ensemble.status == Status.RUNNING, int(Status.FINISHED), ensemble.status)
    everyone = replace(ensemble.everyone, step=step)
    return replace(ensemble, status=status, everyone=everyone)


def reopened(ensemble: Ensemble) -> Ensemble:
    """Return the ensemble of a finished run that is made longer: what came to its end runs again."""
    status = np.where(ensemble.status == Status.FINISHED, int(Status.RUNNING), ensemble.status)
    running = _running(ensemble.everyone, status)
    return replace(ensemble, running=running, status=status)


def frame_arrays(
    ensemble: Ensemble, masses: torch.Tensor, method: Method, *, diabatic: bool
) -> dict[str, np.ndarray]:
    """Return one frame of the trajectory file, from an ensemble just gathered."""
    state = ensemble.everyone
    frame = {
        "positions": state.positions,
        "momenta": state.momenta,
        "energies": state.energies,
        "kinetic_energy": kinetic_energy(state.momenta, masses),
        "total_energy_error": state.total_energy - state.reference_total_energy,
        "coefficients": state.coefficients,
        "active_state": state.active_state,
    }
    frame["novelty"] = state.novelty
    if remembers(state, Judgement):
        judgement = recall(state, Judgement)
        frame |= {f"{field.name}_spread": getattr(judgement, field.name) for field in fields(Judgement)}
    box = box_of(state)
    if box is not None:
        frame |= {"cell": box.cell, "stress": box.stress}
    if diabatic:
        frame["diabatic_populations"] = method.diabatic.values(state)
    if method.adiabatic is not FRACTION_OF_TRAJECTORIES:
        # What the active state says already is not written twice.
        frame["populations_adiabatic"] = method.adiabatic.values(state)
    return {name: tensor.cpu().numpy() for name, tensor in frame.items()}


def rows_of(some: State, everyone: State) -> Int[torch.Tensor, "traj"]:
    """Return which rows of a run some of its trajectories are; a part of a larger run begins at another
    number than 0."""
    return some.trajectory - everyone.trajectory[0]


def hop_columns(hops: Hops, state: State, everyone: State) -> dict[str, np.ndarray]:
    """Return hops as rows of the trajectory file; `state` is the batch whose rows they name."""
    columns = {
        name: getattr(hops, name).cpu().numpy()
        for name in (
            "from_state",
            "to_state",
            "accepted",
            "energy_from",
            "energy_to",
            "kinetic_before",
            "kinetic_after",
            "zeta",
            "probability",
        )
    }
    columns["traj"] = rows_of(state, everyone)[hops.row].cpu().numpy()
    columns["step"] = np.full(len(hops.row), state.step)
    columns["gap"] = np.abs(columns["energy_to"] - columns["energy_from"])
    return columns


def checkpoint_arrays(ensemble: Ensemble) -> dict[str, np.ndarray]:
    """Return everything that `from_checkpoint` needs, from an ensemble just gathered."""
    stops = {} if ensemble.stops is None else stop_arrays(ensemble.stops)
    return {
        **to_arrays(ensemble.everyone),
        **stops,
        "status": ensemble.status,
        "last_step": ensemble.last_step,
    }


def from_checkpoint(arrays: dict[str, np.ndarray], step: int) -> Ensemble:
    """Return the ensemble that `checkpoint_arrays` took apart."""
    everyone = from_arrays(arrays, step)
    status, last_step = np.array(arrays["status"]), np.array(arrays["last_step"])
    return Ensemble(_running(everyone, status), everyone, status, last_step, stops_from(arrays))


def _running(everyone: State, status: np.ndarray) -> State:
    going = torch.from_numpy(status == Status.RUNNING)
    return select(everyone, going.to(everyone.positions.device))


def _put(everyone: State, some: State) -> State:
    rows = rows_of(some, everyone)
    if len(rows) == len(everyone.trajectory):
        return some
    return for_each_array(lambda old, new: old.index_copy(0, rows, new), everyone, some)
