"""Trajectory files whose exact results are known, written through TrajectoryWriter."""

from pathlib import Path

import numpy as np

from nadyn.trajectory import RunHeader, TrajectoryWriter
from nadyn.units import AU_PER_FEMTOSECOND

STATUS_NAMES = {
    0: "finished",
    1: "running",
    2: "not_finite",
    4: "close_atoms",
    7: "left_region",
    5: "outside_training",
    8: "dissociated",
    9: "committee",
    10: "source_failed",
    11: "outside_method",
    12: "settled",
}
HOP_NAMES = "step traj from_state to_state accepted energy_from energy_to kinetic_before kinetic_after zeta"


def carbon_chain(turn: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Geometries of a chain C-C=C-C [bohr], (frame traj atom 3), turned about the middle by `turn`, one end
    moved `away`, each (frame traj)."""
    positions = np.zeros((*turn.shape, 4, 3))
    positions[:, :, 1, 0], positions[:, :, 2, 0] = -1.26, 1.26
    positions[:, :, 0] = [-2.7, 2.4, 0.0]
    positions[:, :, 3, 0] = 2.7
    positions[:, :, 3, 1], positions[:, :, 3, 2] = 2.4 * np.cos(turn), 2.4 * np.sin(turn)
    positions[:, :, 0, 1] += away
    return positions


def hop_table(state: np.ndarray, *, write_every: int = 1) -> dict[str, np.ndarray]:
    """Accepted hops that follow from the states at the frames, each paid for by the kinetic energy."""
    frame, traj = np.nonzero(np.diff(state, axis=0))
    before, after = state[frame, traj], state[frame + 1, traj]
    columns = {name: np.zeros(len(frame)) for name in [*HOP_NAMES.split(), "probability", "gap"]}
    return columns | {
        "step": (frame + 1) * write_every,
        "traj": traj,
        "from_state": before,
        "to_state": after,
        "accepted": np.ones(len(frame), int),
        "energy_from": 0.1 * before,
        "energy_to": 0.1 * after,
        "kinetic_before": np.full(len(frame), 0.5),
        "kinetic_after": 0.5 + 0.1 * (before - after),
        "gap": np.abs(0.1 * (before - after)),
    }


def write_run(
    path: Path,
    state: np.ndarray,
    *,
    n_states: int,
    dt_fs: float = 1.0,
    write_every: int = 1,
    positions: np.ndarray | None = None,
    momenta: np.ndarray | None = None,
    masses: np.ndarray | None = None,
    atomic_numbers: np.ndarray | None = None,
    coefficients: np.ndarray | None = None,
    diabatic: np.ndarray | None = None,
    multiplicities: tuple[int, ...] = (),
    populations: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    status: np.ndarray | None = None,
    last_step: np.ndarray | None = None,
    energy_error: np.ndarray | None = None,
    hops: dict[str, np.ndarray] | None = None,
    estimator: str = "fraction of trajectories on each state",
    config: dict | None = None,
    method: str = "fssh",
    moves_on: str = "active state",
    amplitudes_are_populations: bool = True,
    n_frames_written: int | None = None,
    seed: int = 3,
    committee: bool = False,
    model_digest: str = "0" * 64,
    energies: np.ndarray | None = None,
    spread: np.ndarray | None = None,
    doubt_limits: dict[str, float] | None = None,
) -> Path:
    """Write a run of which only `state` (frame traj) must be given; the rest is filled in plainly."""
    n_frames, n_traj = state.shape
    positions = np.zeros((n_frames, n_traj, 5, 1)) if positions is None else positions
    n_atoms, n_axes = positions.shape[2:]
    masses = np.full(n_atoms, 1837.0) if masses is None else masses
    momenta = np.zeros_like(positions) if momenta is None else momenta
    energy_error = np.zeros((n_frames, n_traj)) if energy_error is None else energy_error
    one_hot = (state[..., None] == np.arange(n_states)).astype(complex)
    coefficients = one_hot if coefficients is None else coefficients
    status = np.zeros(n_traj, int) if status is None else status
    last_step = np.full(n_traj, (n_frames - 1) * write_every) if last_step is None else last_step
    header = RunHeader(
        config=config or {"method": method, "dt_fs": dt_fs, "time_fs": dt_fs * (n_frames - 1), "seed": 3},
        method=method,
        population_estimator=estimator,
        seed=seed,
        n_steps=(n_frames - 1) * write_every,
        dt_au=dt_fs * AU_PER_FEMTOSECOND,
        write_every=write_every,
        n_states=n_states,
        n_axes=n_axes,
        masses=masses,
        weight=np.ones(n_traj) if weight is None else weight,
        model_name="synthetic",
        model_digest=model_digest,
        has_committee=committee,
        status_names=STATUS_NAMES,
        status_advice={2: "Try a smaller time step.", 4: "Add such geometries to the data."},
        atomic_numbers=atomic_numbers,
        estimates_populations=populations is not None,
        n_basis=None if diabatic is None else diabatic.shape[2],
        diabatic_population_estimator="" if diabatic is None else "|amplitude|^2",
        multiplicities=multiplicities,
        moves_on=moves_on,
        on_one_state=method in ("nve", "nvt"),
        amplitudes_are_populations=amplitudes_are_populations,
        doubt_limits=doubt_limits,
    )
    summary = {"status": np.ones(n_traj, int), "last_step": np.zeros(n_traj, int)}
    writer = TrajectoryWriter.create(path, header, {**summary, "energy_error_max": np.zeros(n_traj)})
    for frame in range(n_frames if n_frames_written is None else n_frames_written):
        arrays = {
            "positions": positions[frame],
            "momenta": momenta[frame],
            "energies": np.broadcast_to(
                0.1 * np.arange(n_states) if energies is None else energies, (n_traj, n_states)
            ),
            "kinetic_energy": (momenta[frame] ** 2 / (2 * masses[:, None])).sum(axis=(1, 2)),
            "total_energy_error": energy_error[frame],
            "coefficients": coefficients[frame],
            "active_state": state[frame],
        }
        if committee:
            for name in ("energy_spread", "gap_spread", "force_spread"):
                arrays[name] = np.full(n_traj, 0.001) if spread is None else spread[frame]
        if diabatic is not None:
            arrays["diabatic_populations"] = diabatic[frame]
        if populations is not None:
            arrays["populations_adiabatic"] = populations[frame]
        writer.write_frame(frame, arrays)
    writer.add_hops(hop_table(state) if hops is None else hops)
    final = {"status": status, "last_step": last_step, "energy_error_max": np.abs(energy_error).max(axis=0)}
    writer.checkpoint(header.n_steps, final)
    writer.close()
    return path


def decaying_states(
    rng: np.random.Generator, *, n_traj: int, time: np.ndarray, lifetimes: list[float]
) -> np.ndarray:
    """States of trajectories that fall down a ladder, `lifetimes[0]` for the highest step."""
    state = np.full((len(time), n_traj), len(lifetimes))
    moment = np.zeros(n_traj)
    for lifetime in lifetimes:
        moment = moment + rng.exponential(lifetime, n_traj)
        state -= time[:, None] >= moment[None, :]
    return state
