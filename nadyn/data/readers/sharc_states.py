"""What SHARC's files have in common: spin components of states, and what was not computed.

Spin components stand by multiplicity, M_S and state; gradients and couplings of one M_S are those of all.
Gradients and couplings that were not computed are zero in the files, and NaN here. Couplings are
d_kl = ⟨k|∇l⟩ in the files, and h_kl = (E_l - E_k) d_kl here.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from nadyn.data.dataset import state_pairs


def multiplicities_of(counts: list[int] | tuple[int, ...]) -> tuple[int, ...]:
    """Return 2S + 1 of each state from the numbers of singlets, doublets, triplets, …."""
    return tuple(spin for spin, count in enumerate(counts, start=1) for _ in range(count))


def counts_of(multiplicities: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of singlets, doublets, triplets, … as SHARC's `states` has them."""
    return tuple(multiplicities.count(spin) for spin in range(1, max(multiplicities) + 1))


def first_components(spins: tuple[int, ...]) -> list[int]:
    """Return the component with the lowest M_S of each state."""
    places, start = [], 0
    for spin in dict.fromkeys(spins):
        count = spins.count(spin)
        places += range(start, start + count)
        start += spin * count
    return places


def state_arrays(
    spins: tuple[int, ...],
    n_atoms: int,
    *,
    energies: Float[np.ndarray, "state"],
    gradient: Callable[[int], np.ndarray | None],
    derivative: Callable[[int, int], np.ndarray | None],
    dipole: Callable[[int], Float[np.ndarray, "spin_state spin_state"]],
) -> dict[str, np.ndarray]:
    """Return forces, couplings h and dipoles of the states from what the files have of components.

    Args:
        spins: 2S + 1 of each state.
        n_atoms: Number of atoms.
        energies: Of each state [hartree].
        gradient: Returns the gradient of a component, None where there is none.
        derivative: Returns d of two components, None where there is none.
        dipole: Returns the dipole matrix of the components for x, y or z.
    """
    component = first_components(spins)
    forces = np.stack([-_vectors(gradient(c), n_atoms) for c in component])
    couplings = []
    for k, l in state_pairs(len(spins)):
        known = derivative(component[k], component[l]) if spins[k] == spins[l] else None
        couplings.append(_vectors(known, n_atoms) * (energies[l] - energies[k]))
    dipoles = np.stack([dipole(axis)[np.ix_(component, component)] for axis in range(3)], axis=-1)
    spin = np.array(spins)
    # Between multiplicities there is none, and what stands for it is the element of one M_S.
    dipoles[spin[:, None] != spin] = np.nan
    return {
        "forces": forces,
        "interstate_couplings": np.array(couplings).reshape(-1, n_atoms, 3),
        "dipoles": dipoles,
    }


def real_matrix(block: np.ndarray | None, size: int) -> Float[np.ndarray, "spin_state spin_state"]:
    """Return the real part of a complex matrix; NaN where there is none."""
    if block is None or block.size != 2 * size * size:
        return np.full((size, size), np.nan)
    return block.reshape(size, size, 2)[..., 0]


def _vectors(block: np.ndarray | None, n_atoms: int) -> Float[np.ndarray, "atom 3"]:
    if block is None or block.size != 3 * n_atoms or not block.any():
        return np.full((n_atoms, 3), np.nan)
    return block.reshape(n_atoms, 3)
