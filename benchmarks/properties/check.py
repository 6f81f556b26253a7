"""A model of water or methanol beside Hartree-Fock: unseen frames, frequencies, intensities.

python check.py water.safetensors water_harmonic.npz water_test.h5

Needs no PySCF: the references are central differences that `labels.py harmonic` has written.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

import nadyn
from nadyn.dynamics.initial import InitialSection
from nadyn.dynamics.initial.hessian import in_double_precision
from nadyn.dynamics.initial.normal_modes import normal_modes
from nadyn.dynamics.initial.oscillators import oscillators
from nadyn.dynamics.spectra.vibrational import infrared_intensities, raman_activities, vibrational_spectrum
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.training.evaluation import compare
from nadyn.units import INVERSE_CM_PER_HARTREE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("model", "harmonic", "test"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    model = nadyn.load_model(arguments.model)
    (group,) = nadyn.load_dataset(arguments.test).groups
    found = compare(model, group)
    novelty = nadyn.surfaces(model, torch.from_numpy(group.positions)).novelty.numpy()
    inside = novelty <= MOST_NOVELTY
    for title, frames in (("all", np.ones_like(inside)), ("inside of the training range", inside)):
        print(f"{title}: {frames.sum()} unseen frames")
        for name, (predicted, label) in found.properties.items():
            error = np.sqrt(np.mean((predicted - label)[frames] ** 2))
            spread = np.sqrt(np.mean((label - label.mean(axis=0)) ** 2))
            print(f"  {name}: RMSE {error:.5f}, spread {spread:.4f}: {100 * error / spread:.2f} %")
        mean = np.abs(found.energies - found.reference_energies)[frames].mean()
        print(f"  energies wrong by {1e3 * mean:.2f} meV in the mean")
    reference = _reference(np.load(arguments.harmonic), model)
    modes = oscillators(model, InitialSection(sample="wigner", n=1)).modes
    own = vibrational_spectrum(in_double_precision(model), modes)
    columns = (
        (own.frequencies * INVERSE_CM_PER_HARTREE, own.infrared, own.raman, own.depolarisation),
        reference,
    )
    print(f"{'cm-1':>8} {'HF':>8} {'km/mol':>9} {'HF':>9} {'A^4/u':>9} {'HF':>9} {'ratio':>7} {'HF':>7}")
    for mode in range(len(own.frequencies)):
        pairs = [(one[mode], other[mode]) for one, other in zip(*columns, strict=True)]
        widths = ("8.1f", "9.3f", "9.3f", "7.3f")
        print(" ".join(f"{a:{w}} {b:{w}}" for (a, b), w in zip(pairs, widths, strict=True)))
    print(f"frequencies within {np.abs(columns[0][0] - reference[0]).max():.2f} cm-1")
    for number, name in ((1, "infrared"), (2, "Raman")):
        strong = reference[number] > 0.05 * reference[number].max()
        off = np.abs(columns[0][number] / reference[number] - 1)[strong].max()
        print(f"{name} bands above 5 % of the strongest ({strong.sum()}): within {100 * off:.2f} %")


def _reference(known, model) -> tuple[np.ndarray, ...]:
    masses = model.masses.numpy()
    at, size = known["positions"], known["positions"].size
    slopes = known["force_slopes"].reshape(size, size)
    centre = at - (masses[:, None] * at).sum(0) / masses.sum()
    modes = normal_modes(-0.5 * (slopes + slopes.T), centre, masses, laws={"translation", "rotation"})
    along = (modes.vectors / np.sqrt(masses)[:, None]).reshape(-1, size)
    infrared = infrared_intensities(along @ known["dipole_slopes"])
    raman, ratio = raman_activities(np.tensordot(along, known["polarisability_slopes"], axes=1))
    return modes.frequencies * INVERSE_CM_PER_HARTREE, infrared, raman, ratio


if __name__ == "__main__":
    main()
