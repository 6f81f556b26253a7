"""A small run of a molecule that moves, hops and comes apart, for what a page shows of it."""

from pathlib import Path

import numpy as np
from synthetic_run import decaying_states, hop_table, write_run

N_TRAJ, N_FRAMES, WRITE_EVERY = 7, 41, 2
# Methylamine without its hydrogens on carbon, about: C, N, H, H, H.
ATOMS = np.array([6, 7, 1, 1, 1])
_START = np.array([[0, 0, 0], [2.8, 0, 0], [-1.2, 1.8, 0], [3.6, 1.7, 0.4], [3.4, -1.0, 1.6]])


def write_looked_at(path: Path, **options: object) -> Path:
    """Write it: trajectory 0 loses its last atom, trajectory 3 is stopped after half of the time."""
    rng = np.random.default_rng(5)
    time = np.arange(N_FRAMES) * 0.5
    state = decaying_states(rng, n_traj=N_TRAJ, time=time, lifetimes=[7.0])
    shape = (N_FRAMES, N_TRAJ, len(ATOMS), 3)
    positions = _START + 0.2 * np.sin(time[:, None, None, None] + rng.uniform(0, 6, shape[1:]))
    positions[:, 0, 4] += 0.6 * time[:, None]
    stopped = np.arange(N_TRAJ) == 3
    end = WRITE_EVERY * (N_FRAMES - 1)
    hops = hop_table(state, write_every=WRITE_EVERY)
    return write_run(
        path,
        state,
        n_states=2,
        dt_fs=0.25,
        write_every=WRITE_EVERY,
        positions=positions,
        masses=np.array([12.0, 14.0, 1.0, 1.0, 1.0]) * 1822.888,
        atomic_numbers=ATOMS,
        status=np.where(stopped, 2, 0),
        last_step=np.where(stopped, end // 2, end),
        hops={name: column[hops["traj"] != 3] for name, column in hops.items()},
        **options,
    )
