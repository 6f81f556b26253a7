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
# # From an absorption band to a transient signal
#
# SO2 on a vibronic model with spin-orbit coupling: its absorption, starts that a pulse of some colours
# excites, a run from them, and what a second pulse finds later.

# %%
import matplotlib.pyplot as plt
import numpy as np

import nadyn
from nadyn.analysis.light import Light, chosen, transient_absorption
from nadyn.analysis.plots_light import transient_figure
from nadyn.dynamics.initial import InitialSection, sample
from nadyn.dynamics.spectra.excitation import absorption, excitations
from nadyn.dynamics.spectra.levels import levels_and_dipoles
from nadyn.dynamics.spectra.window import excited_in_window
from nadyn.models.analytic import sulfur_dioxide
from nadyn.trajectory import open_run
from nadyn.trajectory.initial_conditions import write_initial_conditions
from nadyn.units import HARTREE_PER_EV

# %% [markdown]
# ## Absorption
#
# Every geometry of a Wigner sample adds its vertical excitations; `nadyn spectrum --kind uv` does the
# same.

# %%
model = sulfur_dioxide("triplets")
ensemble = sample(model, InitialSection(sample="wigner", n=200, diabatic_state=0), seed=1)
found = excitations(model, ensemble.positions, weight=ensemble.weight)
energies = np.linspace(3.5, 6.0, 300)
curve = absorption(found, energies * HARTREE_PER_EV, fwhm=0.1 * HARTREE_PER_EV)

# %% [markdown]
# ## A window
#
# Pairs of a geometry and a state are taken by their oscillator strength, and start on that state.

# %%
window = (4.2, 4.6)
starts = excited_in_window(ensemble, found, window_ev=window, seed=1)
write_initial_conditions("starts.h5", starts)
print(f"{len(starts.weight)} starts of {len(ensemble.weight)} geometries")

# %%
figure, axes = plt.subplots(layout="constrained")
axes.axvspan(*window, alpha=0.15)
axes.plot(energies, curve.cross_section)
axes.fill_between(energies, curve.cross_section - curve.error, curve.cross_section + curve.error, alpha=0.3)
axes.set(xlabel="photon energy (eV)", ylabel="cross section (Å²)")
figure.savefig("absorption.png")

# %% [markdown]
# ## A run, and what a pulse finds
#
# `nadyn spectrum --kind transient --run so2.h5` and `nadyn report so2.h5` do the same.

# %%
result = nadyn.run(
    {
        "model": {"name": "sulfur_dioxide", "variant": "triplets"},
        "initial": {"file": "starts.h5", "n": min(20, len(starts.weight))},
        "method": "fssh",
        "dt_fs": 0.5,
        "time_fs": 20,
        "seed": 1,
        "output": "so2.h5",
    }
)
run = open_run(result.path)
frames, trajectories = chosen(run)
positions = run.positions[frames][:, trajectories]
seen = levels_and_dipoles(model, positions.reshape(-1, *positions.shape[2:]), n_states=run.n_states)
arrays = (
    part.reshape(*positions.shape[:2], *part.shape[1:])
    for part in (seen.energies, seen.dipoles, seen.squares)
)
signal = transient_absorption(run, Light(frames, trajectories, *arrays))
transient_figure(signal).savefig("transient.png")
at = signal.energies_ev[signal.parts["stimulated emission"].min(axis=0).argmin()]
print(f"stimulated emission is strongest at {at:.2f} eV")
