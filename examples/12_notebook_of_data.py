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
# # Data before a training
#
# What is in a dataset, what looks wrong in it, how near it comes to a crossing, and how it is thinned and
# divided. The file here is the one that comes with nadyn; `nadyn convert` makes one of what other
# programs write.

# %%
import matplotlib.pyplot as plt
import numpy as np

import nadyn
from nadyn.data.label_checks.table import doubts
from nadyn.data.thinning import thin
from nadyn.units import ELECTRONVOLT_PER_HARTREE, EV_PER_ANGSTROM_PER_AU

# %%
dataset = nadyn.load_dataset(nadyn.shipped.path("hexafluorobutene/hexafluorobutene.h5"))
group = dataset.groups[0]
print(f"{group.name}: {group.n_frames} frames of {group.n_atoms} atoms, {group.n_states} states")
for doubt in doubts(group):
    print(doubt.sentence)

# %% [markdown]
# ## How near to a crossing
#
# A model knows a seam only where the data come near it. Couplings grow where the gap closes if they are
# $d$, and stay finite if they are $h$, as they must be here.

# %%
gap = np.diff(group.energies, axis=1)[:, 0] * ELECTRONVOLT_PER_HARTREE
h = np.linalg.norm(group.interstate_couplings[:, 0], axis=(1, 2)) * EV_PER_ANGSTROM_PER_AU
print(f"smallest gap {gap.min():.3f} eV; {np.sum(gap < 0.3)} frames below 0.3 eV")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
left.hist(gap, bins=40)
left.set(xlabel="gap (eV)", ylabel="frames")
right.loglog(gap, h, ".", markersize=3, alpha=0.5)
right.set(xlabel="gap (eV)", ylabel="|h| (eV/Å)")
figure.savefig("data.png")

# %% [markdown]
# ## Fewer frames, and two parts
#
# Thinning keeps those that are farthest from each other (`nadyn data thin`). The parts of `nadyn data
# split` depend on the frames and the seed alone.

# %%
few = thin(dataset, n=200).dataset
training, unseen = nadyn.data.split(few, 0.1, seed=1)
print(f"{training.n_frames} frames to learn from, {unseen.n_frames} to judge by")
nadyn.data.write_dataset("training.h5", training)
nadyn.data.write_dataset("unseen.h5", unseen)
