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
# # A model and its surfaces
#
# Train a model for some seconds, put it beside labels that it has not seen, and cut through its surfaces.
# A real training is longer: this one shows the steps, not what can be reached.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import nadyn
from nadyn.training.configuration import TrainingConfiguration
from nadyn.training.evaluation import metrics
from nadyn.training.train import train
from nadyn.units import BOHR_PER_ANGSTROM, ELECTRONVOLT_PER_HARTREE

# %%
dataset = nadyn.load_dataset(nadyn.shipped.path("ammonia/ammonia.h5"))
settings = TrainingConfiguration(steps=20, batch_size=16, model={"basis": "2x0e + 1x1o"})
trained = train(dataset, "ammonia.safetensors", settings, overwrite=True)

# %% [markdown]
# ## Beside labels
#
# The same frames that `nadyn train` prints errors of; `ammonia.history.json` keeps the learning curve.

# %%
for comparison in trained.comparisons:
    errors = metrics(comparison)
    print(comparison.name, "energies off by", [f"{value:.3f} eV" for value in errors["energy_mae_ev"]])

# %%
figure, axes = plt.subplots(figsize=(4, 4), layout="constrained")
for state in range(2):
    axes.plot(comparison.reference_energies[:, state], comparison.energies[:, state], ".", label=f"S{state}")
axes.set(xlabel="label (eV)", ylabel="model (eV)")
axes.legend(frameon=False)
figure.savefig("parity.png")

# %% [markdown]
# ## A cut
#
# One N-H bond is stretched. `nadyn.surfaces` gives energies, forces and couplings at any geometries.

# %%
model = nadyn.load_model("ammonia.safetensors").double()
start = model.starting_geometry.double()
direction = (start[1] - start[0]) / torch.linalg.vector_norm(start[1] - start[0])
stretch = torch.linspace(-0.2, 1.0, 61, dtype=torch.float64)
positions = start.repeat(61, 1, 1)
positions[:, 1] += (stretch * BOHR_PER_ANGSTROM)[:, None] * direction
found = nadyn.surfaces(model, positions)
energies = (found.energies - found.energies.min()).numpy() * ELECTRONVOLT_PER_HARTREE
smallest = int(np.argmin(energies[:, 1] - energies[:, 0]))
print(f"smallest gap on the way {np.diff(energies[smallest])[0]:.2f} eV at {stretch[smallest]:.2f} Å")

# %%
figure, axes = plt.subplots(layout="constrained")
axes.plot(stretch, energies)
known = found.novelty.numpy() == 0
axes.plot(stretch[known], energies[known, 0], "k.", markersize=3, label="inside of the training data")
axes.set(xlabel="stretch of one N-H bond (Å)", ylabel="energy (eV)")
axes.legend(frameon=False)
figure.savefig("cut.png")
