"""The multiplicity of each adiabatic state: W couples equal spins only, so a state has one."""

import numpy as np
import torch
from jaxtyping import Float, Int

from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model
from nadyn.models.spin_states import HasSpinOrbitVectors, HasSpinStates

_CHUNK = 4096


def known_multiplicities(model: Model) -> tuple[int, ...]:
    """Return 2S + 1 of the states of a model, equal ones together; nothing where it does not say them."""
    if not isinstance(model, HasSpinStates | HasSpinOrbitVectors):
        return ()
    return tuple(model.multiplicities)


def has_several_spins(model: Model) -> bool:
    """Tell whether the states of a model have different multiplicities."""
    return len(set(known_multiplicities(model))) > 1


def state_multiplicities(
    model: Model, positions: Float[np.ndarray, "traj atom x"]
) -> Int[np.ndarray, "traj state"]:
    """Return 2S + 1 of each adiabatic state, which ascend in energy over all multiplicities.

    Args:
        model: One for which `has_several_spins` is true.
        positions: [bohr].
    """
    rows = np.array(
        model.row_multiplicities if isinstance(model, HasSpinOrbitVectors) else model.multiplicities
    )
    spins = np.unique(rows)
    found = []
    for start in range(0, len(positions), _CHUNK):
        part = torch.from_numpy(np.array(positions[start : start + _CHUNK], dtype=np.float64))
        vectors = energies_and_eigenvectors(model, part)[1].numpy()
        shares = np.stack([(vectors[:, rows == spin] ** 2).sum(axis=1) for spin in spins])
        found.append(spins[shares.argmax(axis=0)])
    return np.concatenate(found)
