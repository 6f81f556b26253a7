"""Starts on the states that light of a window of photon energies excites."""

from dataclasses import replace

import numpy as np
import torch

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.dynamics.spectra.excitation import Excitations
from nadyn.dynamics.state.random_numbers import Stream, uniform
from nadyn.trajectory.initial_conditions import InitialConditions
from nadyn.units import ELECTRONVOLT_PER_HARTREE


def excited_in_window(
    initial: InitialConditions, found: Excitations, *, window_ev: tuple[float, float], seed: int
) -> InitialConditions:
    """Return the starts that light of a window excites, each on the state that it is excited to.

    Every pair of a geometry and a state whose vertical excitation energy lies in the window is taken with the
    probability f / f_max, its oscillator strength beside the largest one in the window. A geometry may be
    taken for two states. Whether a pair is taken depends on the seed and its place alone.

    Source: M. Barbatti, G. Granucci, M. Persico, M. Ruckenbauer, M. Vazdar, M. Eckert-Maksić and H. Lischka,
    J. Photochem. Photobiol. A 190, 228 (2007).

    Args:
        initial: Positions and momenta of the ensemble.
        found: Vertical excitations of the same geometries in the same order.
        window_ev: Lowest and highest excitation energy [eV].
        seed: Seed of the random numbers.

    Raises:
        InputError: No excitation with a strength above 0 lies in the window.
    """
    low, high = window_ev
    gaps = found.energies * ELECTRONVOLT_PER_HARTREE
    strengths = np.where((gaps >= low) & (gaps <= high), found.strengths, 0.0)
    largest = strengths.max()
    if largest <= 0.0:
        raise InputError(
            f"the window of {low:g} to {high:g} eV must hold an excitation, but those of "
            f"{counted(len(gaps), 'geometry')} lie from {gaps.min():.2f} to {gaps.max():.2f} eV, none with a "
            "strength above 0 in it. Choose another window, or more geometries."
        )
    numbers = torch.arange(len(gaps))
    drawn = uniform(seed, numbers, 0, Stream.EXCITATION, (gaps.shape[1],)).numpy()
    geometry, transition = np.nonzero(drawn < strengths / largest)
    return replace(
        initial,
        positions=initial.positions[geometry],
        momenta=initial.momenta[geometry],
        weight=initial.weight[geometry],
        state=None,
        diabatic_state=None,
        states=found.by_energy[geometry, transition],
        origin=f"{initial.origin}, excited from state {found.from_state} by {low:g} to {high:g} eV",
    )
