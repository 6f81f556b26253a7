# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A run in a notebook
#
# Excited ammonia on the shipped model: run it, ask for numbers, and look at trajectories.
#
# Jupyter with jupytext opens this script as a notebook, `jupytext --to notebook` makes an `.ipynb` of it, and
# `python examples/11_notebook_of_a_run.py` runs it as it is.

# %%
import matplotlib.pyplot as plt
import numpy as np

import nadyn
from nadyn.units import ANGSTROM_PER_BOHR

# %% [markdown]
# ## Run
#
# The mapping is a run file; `nadyn run` takes the same keys.

# %%
result = nadyn.run(
    {
        "model": str(nadyn.shipped.path("ammonia/ammonia_trajectories.safetensors")),
        "initial": {"sample": "wigner", "n": 20, "state": 1},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 20,
        "seed": 1,
        "output": "ammonia.h5",
    }
)

# %% [markdown]
# ## Numbers
#
# Everything that `nadyn analyse ammonia.h5` prints, each with its 95 % interval.

# %%
numbers = nadyn.analysis.analyse(result.path)
low, high = numbers["populations_low"][-1][1], numbers["populations_high"][-1][1]
print(f"on the excited state after 20 fs: {low:.2f} to {high:.2f}")

# %% [markdown]
# ## Trajectories
#
# Arrays with names, in atomic units; what a trajectory does not have any more is NaN.

# %%
run = nadyn.load_trajectories(result.path)
lengths = np.linalg.norm(run.positions[:, :, 1:] - run.positions[:, :, :1], axis=-1) * ANGSTROM_PER_BOHR
longest = lengths.max(axis=2)
print(f"{len(run.hops['traj'])} hops and refused ones; longest N-H bond {np.nanmax(longest):.1f} Å")

# %%
figure, axes = plt.subplots(layout="constrained")
for traj in range(longest.shape[1]):
    axes.plot(run.time_fs, longest[:, traj], color="tab:blue", alpha=0.4)
    lowest = run.active_state[:, traj] == 0
    axes.plot(run.time_fs[lowest], longest[lowest, traj], ".", color="tab:orange", markersize=3)
axes.set(xlabel="time (fs)", ylabel="longest N-H bond (Å); dots: on the ground state")
figure.savefig("bonds.png")
