"""A deterministic little run through TrajectoryWriter, to be killed and resumed; also a program."""

import os
import sys
from pathlib import Path

import numpy as np

from nadyn.trajectory import RunHeader, TrajectoryWriter

N_TRAJ, N_ATOM, N_STATE, N_BASIS = 5, 4, 2, 6
WRITE_EVERY, CHECKPOINT_EVERY = 2, 7


def header(n_steps: int) -> RunHeader:
    return RunHeader(
        config={"method": "toy", "dt_fs": 0.5},
        method="toy",
        population_estimator="fraction of trajectories",
        seed=7,
        n_steps=n_steps,
        dt_au=20.0,
        write_every=WRITE_EVERY,
        n_states=N_STATE,
        n_axes=3,
        masses=np.linspace(1000.0, 4000.0, N_ATOM),
        weight=np.ones(N_TRAJ),
        model_name="toy",
        model_digest="0" * 64,
        status_names={0: "finished", 1: "running", 2: "broken"},
        atomic_numbers=np.array([6, 1, 1, 8]),
        n_basis=N_BASIS,
        diabatic_population_estimator="|amplitude|^2",
    )


def start() -> dict[str, np.ndarray]:
    positions = np.linspace(-1.0, 1.0, N_TRAJ * N_ATOM * 3).reshape(N_TRAJ, N_ATOM, 3)
    return {
        "positions": positions,
        "coefficients": np.full((N_TRAJ, N_STATE), 0.6 + 0.1j),
        "hopped": np.zeros(N_TRAJ, dtype=bool),
        "empty": np.zeros((0, 3)),
        "status": np.ones(N_TRAJ, dtype=np.int64),
        "last_step": np.zeros(N_TRAJ, dtype=np.int64),
        "energy_error_max": np.zeros(N_TRAJ),
    }


def step(state: dict[str, np.ndarray], number: int, n_steps: int) -> dict[str, np.ndarray]:
    positions = np.sin(1.1 * state["positions"] + 0.01 * number)
    running = np.arange(N_TRAJ) != (1 if number > 9 else -1)
    status = np.where(running, 0 if number == n_steps else 1, 2)
    return {
        "positions": positions,
        "coefficients": state["coefficients"] * np.exp(0.01j * number),
        "hopped": positions[:, 0, 0] > 0,
        "empty": state["empty"],
        "status": status,
        "last_step": np.where(running, number, state["last_step"]),
        "energy_error_max": np.maximum(state["energy_error_max"], np.abs(positions[:, 0, 1])),
    }


def frame(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    first = state["positions"][:, 0, 0]
    return {
        "positions": state["positions"],
        "momenta": 2 * state["positions"],
        "energies": np.stack([first, first + 1], axis=-1),
        "kinetic_energy": first**2,
        "total_energy_error": first**3,
        "coefficients": state["coefficients"],
        "active_state": state["hopped"].astype(int),
        "diabatic_populations": np.abs(np.outer(first, np.arange(N_BASIS))),
    }


def hops(state: dict[str, np.ndarray], number: int, copies: int) -> dict[str, np.ndarray]:
    traj = np.repeat(np.nonzero(state["hopped"])[0], copies)
    value = state["positions"][traj, 1, 1]
    columns = {name: value for name in ("energy_from", "energy_to", "kinetic_before", "kinetic_after", "gap")}
    codes = {
        "step": np.full(len(traj), number),
        "traj": traj,
        "from_state": traj * 0,
        "to_state": traj * 0 + 1,
    }
    return {**columns, **codes, "accepted": traj % 2, "zeta": value, "probability": value}


def run(path: Path, *, n_steps: int, resume: bool, hop_copies: int = 1) -> list[str]:
    """Run to the end, from the last checkpoint where there is one; return what resuming said."""
    if resume:
        writer, state, notices = TrajectoryWriter.resume(path)
    else:
        state, notices = start(), []
        writer = TrajectoryWriter.create(path, header(n_steps), state)
    finish(writer, state, n_steps=n_steps, hop_copies=hop_copies)
    return notices


def finish(
    writer: TrajectoryWriter, state: dict[str, np.ndarray], *, n_steps: int, hop_copies: int = 1
) -> None:
    if writer.next_frame == 0:
        writer.write_frame(0, frame(state))
    for number in range(writer.step + 1, n_steps + 1):
        state = step(state, number, n_steps)
        writer.add_hops(hops(state, number, hop_copies))
        if number % WRITE_EVERY == 0:
            writer.write_frame(number // WRITE_EVERY, frame(state))
        if number % CHECKPOINT_EVERY == 0 or number == n_steps:
            writer.checkpoint(number, state)
    writer.close({"wall_s": 1.0})


if __name__ == "__main__":
    # A killed process loses nothing that it has written, and nothing waits for the disk.
    os.fsync = os.fdatasync = lambda descriptor: None
    print("ready", flush=True)
    run(Path(sys.argv[1]), n_steps=int(sys.argv[2]), resume=False)
    print("done", flush=True)
