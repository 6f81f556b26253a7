"""The state of a model that light would excite, as a first run file names it."""

import numpy as np
import torch

from nadyn.dynamics.spectra.excitation import excitations
from nadyn.electronic.properties import knows
from nadyn.electronic.state_spins import has_several_spins, known_multiplicities
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.analytic import VibronicCoupling
from nadyn.models.model import Model


def first_state(model: Model) -> tuple[dict[str, int], str]:
    """Return keys of `initial` for the state to start on, and how it is called, with the reason.

    Of the multiplicity of the lowest state the one with the largest oscillator strength at the model's own
    geometry, where the model knows dipoles, else the highest. A diabatic state where the model has a geometry
    at which its diabatic states are the adiabatic ones: light excites what it couples to, however states are
    ordered in energy where a trajectory begins.

    Args:
        model: A model of several states.
    """
    spins = known_multiplicities(model) or (1,) * model.n_states
    positions = _own_geometry(model)
    state, why = min(spins.count(spins[0]), model.n_states) - 1, "the highest of its multiplicity"
    if len(set(spins)) == 1:
        why = "the highest"
    knows_light = positions is not None and state > 0 and knows(model, "dipole")
    if knows_light:
        found = excitations(model, positions)
        state = found.to_states[int(found.strengths[0].argmax())]
        why = f"with an oscillator strength of {found.strengths[0].max():.2g} the one that absorbs most there"
    if knows_light and isinstance(model, VibronicCoupling):
        rows = [row for row, spin in enumerate(spins) if spin == spins[0]]
        vectors = energies_and_eigenvectors(model, torch.from_numpy(positions))[1][0, rows].numpy()
        own = [column for column in range(vectors.shape[1]) if np.abs(vectors[:, column]).max() > 0.9]
        if state < len(own):
            row = rows[int(np.abs(vectors[:, own[state]]).argmax())]
            return {"diabatic_state": row}, f"diabatic state {row} ({model.state_names[row]}), {why}"
    if has_several_spins(model):
        return {"state": state, "multiplicity": spins[0]}, f"state {state} of multiplicity {spins[0]}, {why}"
    return {"state": state}, f"state {state}, {why}"


def _own_geometry(model: Model) -> np.ndarray | None:
    """Return the reference of a vibronic model, or the geometry that a learned one stores [bohr]."""
    if isinstance(model, VibronicCoupling):
        return np.zeros((1, len(model.masses), 1))
    geometry = getattr(model, "starting_geometry", None)
    return None if geometry is None else geometry.double().numpy()[None]
