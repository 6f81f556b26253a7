"""Eight trajectories of ammonia on the shipped model, 16 fs: what candidates are drawn from."""

import nadyn
from nadyn.shipped import path
from nadyn.trajectory import Run, open_run

MODEL = path("ammonia/ammonia_trajectories.safetensors")


def small_swarm(folder, **keys) -> Run:
    """Run it into a folder; keys of a run file change it."""
    config = {
        "model": str(MODEL),
        "initial": {"sample": "wigner", "n": 8, "state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 16,
        "seed": 4,
        "output": str(folder / "swarm.h5"),
    }
    nadyn.run(config | keys, progress=False)
    return open_run(folder / "swarm.h5")
