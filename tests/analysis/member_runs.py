"""Runs of members of one committee whose true populations are known."""

from pathlib import Path

import numpy as np
from synthetic_run import write_run

TIME = np.arange(0.0, 41.0, 2.0)
CONFIG = {
    "model": "m.safetensors",
    "initial": {"sample": "wigner", "n": 60, "state": 1},
    "method": "fssh",
    "dt_fs": 2.0,
    "time_fs": 40.0,
    "decoherence": {"name": "edc"},
    "seed": 3,
}


def write_member(path: Path, member: int, state: np.ndarray, **options) -> Path:
    """Write a run of a member; starts are the same on all, energies are its own."""
    path.unlink(missing_ok=True)
    changes = options.pop("config", {})
    given = {
        "n_states": 2,
        "committee": True,
        "dt_fs": 2.0,
        "energies": np.array([0.0, 0.1, 0.2][: options.get("n_states", 2)]) + 0.001 * member,
        "config": {**CONFIG, "member": member, **changes},
        **options,
    }
    return write_run(path, state, **given)


def decay(
    rng: np.random.Generator, lifetime: float, n: int, *, common: np.ndarray | None = None
) -> np.ndarray:
    """States of trajectories that leave state 1; those with one `common`, in (0, 1), leave in one order."""
    uniform = rng.uniform(size=n) if common is None else common
    return (TIME[:, None] < -lifetime * np.log(uniform)[None, :]).astype(int)


def write_members(
    folder: Path, lifetimes: list[float], *, n: int = 60, paired: bool = True, **options
) -> list[Path]:
    """Write a run for each lifetime; of pairs the trajectories decay in the same order."""
    rng = np.random.default_rng(7)
    common = rng.uniform(size=n) if paired else None
    return [
        write_member(
            folder / f"run_{k}.h5",
            k,
            decay(rng, lifetime, n, common=common),
            **({} if paired else {"seed": 3 + k, "momenta": np.full((len(TIME), n, 5, 1), 0.1 * k)}),
            **options,
        )
        for k, lifetime in enumerate(lifetimes)
    ]
