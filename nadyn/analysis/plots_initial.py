"""A picture of starts: distances of bonds, kinetic energies, or points in phase space."""

import numpy as np
from matplotlib.figure import Figure

from nadyn.analysis.bonds import bonds
from nadyn.analysis.plots_style import COLOURS, legend_above, new_figure
from nadyn.structures import symbol
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ANGSTROM_PER_BOHR, ELECTRONVOLT_PER_HARTREE

_BINS = 40


def initial_figure(initial: InitialConditions) -> Figure:
    """Return a figure of starts, each counted with its weight.

    Of a molecule: lengths of its bonds by the two elements, and kinetic energies. Of generalised coordinates:
    each coordinate against its momentum.
    """
    figure, (left, right) = new_figure(3.2, columns=2, widths=(1.0, 1.0))
    weight = initial.weight
    if initial.atomic_numbers is None:
        for number in range(min(initial.positions.shape[1], len(COLOURS))):
            label = f"coordinate {number}" if initial.positions.shape[1] > 1 else None
            points = initial.positions[:, number, 0], initial.momenta[:, number, 0]
            left.plot(*points, ".", color=COLOURS[number], markersize=3, alpha=0.6, label=label)
        left.set_xlabel("position (a.u.)")
        left.set_ylabel("momentum (a.u.)")
    else:
        for number, (name, lengths) in enumerate(bond_lengths(initial).items()):
            several = np.repeat(weight[:, None], lengths.shape[1], axis=1)
            left.hist(
                lengths.ravel(),
                bins=_BINS,
                weights=several.ravel(),
                histtype="stepfilled",
                alpha=0.55,
                color=COLOURS[number % len(COLOURS)],
                label=name,
            )
        left.set_xlabel("bond length (Å)")
        left.set_ylabel("weight")
    legend_above(left)
    right.hist(kinetic_energies_ev(initial), bins=_BINS, weights=weight, color=COLOURS[0], alpha=0.55)
    right.set_xlabel("kinetic energy (eV)")
    right.set_ylabel("weight")
    return figure


def bond_lengths(initial: InitialConditions) -> dict[str, np.ndarray]:
    """Return the lengths [Å] of bonds, (trajectory, bond) by the names of their elements.

    Bonded is what is so in the mean geometry, which is nearly the minimum that was sampled about.
    """
    numbers = initial.atomic_numbers
    linked = np.argwhere(np.triu(bonds(numbers, initial.positions.mean(axis=0))))
    found: dict[str, list[np.ndarray]] = {}
    for i, j in linked:
        name = "–".join(symbol(int(number)) for number in sorted((numbers[i], numbers[j]), reverse=True))
        length = np.linalg.norm(initial.positions[:, i] - initial.positions[:, j], axis=1)
        found.setdefault(name, []).append(length * ANGSTROM_PER_BOHR)
    return {name: np.stack(lengths, axis=1) for name, lengths in found.items()}


def kinetic_energies_ev(initial: InitialConditions) -> np.ndarray:
    """Return the kinetic energy of each start [eV]."""
    energies = (initial.momenta**2 / initial.masses[:, None]).sum(axis=(1, 2)) / 2.0
    return energies * ELECTRONVOLT_PER_HARTREE
