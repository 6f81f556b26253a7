"""Forces and couplings in H5MD, under the names of its specification, of MLatom and of Newton-X NS.

| label | place | axes |
|---|---|---|
| forces | `particles/GROUP/force` | frame, atom, 3 |
| minus the forces | `observables/state_gradients` (MLatom) | frame, state, atom, 3 |
| | `particles/GROUP/gradients` | frame, atom, 3, and state (Newton-X NS) |
| couplings | `observables/nacv` (MLatom) | frame, state, state, atom, 3 |
| | `particles/GROUP/nad` (Newton-X NS) | frame, atom, 3, pair |

What was not computed is zero or NaN in these files, and NaN here.
"""

import warnings

import h5py
import numpy as np
from jaxtyping import Float

from nadyn.checks.errors import InputError, InputWarning
from nadyn.data.dataset import state_pairs
from nadyn.data.readers.h5md_elements import Units, at_steps, element

# Up to as many states pairs stand in one order, whether they are counted by the lower or the upper one.
_ONE_ORDER = 3


def forces_at(
    file: h5py.File, particles: h5py.Group, n_states: int, steps: np.ndarray, units: Units
) -> Float[np.ndarray, "frame state atom 3"] | None:
    """Return the forces at some steps; None where there are none.

    Warns (`InputWarning`) of forces of which nobody says to which of several states they belong.

    Raises:
        InputError: An array has another shape, or a unit is not known.
    """
    n_atoms = particles["position"]["value"].shape[1]
    places = ((particles, "force", 1.0), (file, "observables/state_gradients", -1.0))
    for parent, place, sign in (*places, (particles, "gradients", -1.0)):
        if place not in parent:
            continue
        value, own_steps = element(parent, place)
        array = np.asarray(value[...], dtype=np.float64)
        if array.ndim == 3 and n_states > 1:
            warnings.warn(
                f"`{place}` is of one of {n_states} states, and nobody says of which; it was not read.",
                InputWarning,
                stacklevel=2,
            )
            continue
        if array.ndim == 3:
            array = array[:, None]
        elif place == "gradients" and array.ndim == 4:
            array = np.moveaxis(array, 3, 1)
        if array.shape[1:] != (n_states, n_atoms, 3):
            raise InputError(
                f"`{place}` must be of {n_states} states and {n_atoms} atoms, but has shape {value.shape}."
            )
        return sign * units.factor(value, "forces") * _computed(at_steps(array, own_steps, steps), n_states)
    return None


def couplings_at(
    file: h5py.File,
    particles: h5py.Group,
    energies: Float[np.ndarray, "frame state"],
    steps: np.ndarray,
    units: Units,
) -> Float[np.ndarray, "frame pair atom 3"] | None:
    """Return h of each pair of states at some steps; None where there is none.

    Warns (`InputWarning`) of couplings without a unit, or whose pairs stand in an unknown order.

    Raises:
        InputError: An array has another shape.
    """
    n_states, n_atoms = energies.shape[1], particles["position"]["value"].shape[1]
    pairs = state_pairs(n_states)
    place = next((one for one in ("observables/nacv", f"{particles.name}/nad") if one in file), None)
    if place is None or not pairs:
        return None
    value, own_steps = element(file, place)
    factor = units.coupling_factor(value)
    array = np.asarray(value[...], dtype=np.float64)
    wanted = (n_states, n_states, n_atoms, 3) if "nacv" in place else (n_atoms, 3, len(pairs))
    if array.shape[1:] != wanted:
        raise InputError(
            f"`{place}` must have shape {wanted} in each frame, but has {array.shape[1:]}: "
            f"{n_atoms} atoms and {n_states} states."
        )
    doubt = None
    if "nacv" not in place and n_states > _ONE_ORDER:
        doubt = "nobody says in which order the pairs of more than three states stand"
    elif factor is None:
        doubt = "nobody says its unit. `--unit interstate_couplings=1/bohr` reads d, hartree/bohr reads h"
    if doubt is not None:
        warnings.warn(f"`{place}` was not read: {doubt}.", InputWarning, stacklevel=2)
        return None
    if "nacv" in place:
        array = np.stack([array[:, k, l] for k, l in pairs], axis=1)
    else:
        array = np.moveaxis(array, 3, 1)
    couplings = factor[0] * _computed(at_steps(array, own_steps, steps), 2)
    if factor[1]:
        gaps = np.stack([energies[:, l] - energies[:, k] for k, l in pairs], axis=1)
        couplings = couplings * gaps[:, :, None, None]
    return couplings


def _computed(array: np.ndarray, n_states: int) -> np.ndarray:
    """Return vectors of which those that are NaN in part, or zero among those of several states, are NaN."""
    missing = np.isnan(array).any(axis=(2, 3))
    if n_states > 1:
        missing |= ~array.any(axis=(2, 3))
    return np.where(missing[:, :, None, None], np.nan, array)
