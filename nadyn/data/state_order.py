"""States in the order of their energies: all labels of a frame change places together."""

import numpy as np
from jaxtyping import Bool, Float, Int

from nadyn.checks.errors import InputError
from nadyn.data.dataset import state_pairs
from nadyn.units import HARTREE_PER_EV

# Rounding of single precision may turn the order of two states over; more is a wrong order.
ORDER_TOLERANCE_HARTREE = 0.01 * HARTREE_PER_EV
# Parts of the frames in which a step down, and one up, are what the file means.
_DOWN, _UP = 0.5, 0.9


def out_of_order(
    energies: Float[np.ndarray, "frame state"], multiplicities: tuple[int, ...]
) -> Bool[np.ndarray, "frame"]:
    """Tell in which frames a state lies more than 0.01 eV below the one before it of its multiplicity."""
    return (_steps(energies, multiplicities) < -ORDER_TOLERANCE_HARTREE).any(axis=1)


def check_for_other_spins(energies: Float[np.ndarray, "frame state"]) -> None:
    """Refuse energies that begin again from below in most frames: there another multiplicity begins.

    Raises:
        InputError: A state lies below the one before it in most frames, while others ascend in them.
    """
    steps = _steps(energies, (1,) * energies.shape[1])
    down = (steps < -ORDER_TOLERANCE_HARTREE).mean(axis=0) > _DOWN
    up = (steps > 0).mean(axis=0) > _UP
    if down.any() and up.any():
        state = int(np.argmax(down)) + 1
        raise InputError(
            f"states must ascend in energy, but state {state} lies below state {state - 1} in most "
            f"frames while others ascend. If another multiplicity begins there, give `multiplicities`, such "
            f"as {' '.join(['1'] * state + ['3'] * (energies.shape[1] - state))}; `nadyn convert` has "
            "`--multiplicities`."
        )


def ordered(
    arrays: dict[str, np.ndarray], multiplicities: tuple[int, ...], frames: Bool[np.ndarray, "frame"]
) -> dict[str, np.ndarray]:
    """Return the arrays with the states of some frames sorted by energy within each multiplicity.

    Couplings between two states are those of the same two states afterwards; they are symmetric, so that
    their sign does not change.

    Args:
        arrays: Arrays of a group by name, as in `nadyn.data.arrays.ARRAYS`.
        multiplicities: 2S + 1 of each state.
        frames: Which frames to sort.
    """
    spins, energies = np.array(multiplicities), arrays["energies"]
    order = np.tile(np.arange(len(spins)), (len(energies), 1))
    for spin in np.unique(spins):
        own = np.flatnonzero(spins == spin)
        order[np.ix_(frames, own)] = own[np.argsort(energies[np.ix_(frames, own)], axis=1, kind="stable")]
    result, row = dict(arrays), np.arange(len(energies))[:, None]
    for name in ("energies", "forces", "stress", "polarisabilities"):
        if name in arrays:
            result[name] = arrays[name][row, order]
    for name in ("dipoles", "spin_orbit_norms"):
        if name in arrays:
            result[name] = _both_sides(arrays[name], order)
    if "eigenvectors" in arrays:
        result["eigenvectors"] = np.take_along_axis(arrays["eigenvectors"], order[:, None, :], axis=2)
    if "interstate_couplings" in arrays:
        result["interstate_couplings"] = arrays["interstate_couplings"][row, _pairs(order)]
    if "spin_orbit" in arrays:
        result["spin_orbit"] = _both_sides(arrays["spin_orbit"], _components(order, spins))
    return result


def _steps(
    energies: Float[np.ndarray, "frame state"], multiplicities: tuple[int, ...]
) -> Float[np.ndarray, "frame step"]:
    spins = np.array(multiplicities)
    return np.where(spins[1:] == spins[:-1], np.diff(energies, axis=1), np.inf)


def _both_sides(matrix: np.ndarray, order: Int[np.ndarray, "frame state"]) -> np.ndarray:
    return matrix[np.arange(len(matrix))[:, None, None], order[:, :, None], order[:, None, :]]


def _pairs(order: Int[np.ndarray, "frame state"]) -> Int[np.ndarray, "frame pair"]:
    """Return which pair of the old states each pair of the new ones is."""
    n = order.shape[1]
    number = np.zeros((n, n), dtype=np.int64)
    first, second = np.array(state_pairs(n)).T
    number[first, second] = number[second, first] = np.arange(len(first))
    return number[order[:, first], order[:, second]]


def _components(
    order: Int[np.ndarray, "frame state"], spins: Int[np.ndarray, "state"]
) -> Int[np.ndarray, "frame spin_state"]:
    """Return the order of the spin components, which stand by multiplicity, then M_S, then state."""
    columns, start = [], 0
    for spin in np.unique(spins):
        own = np.flatnonzero(spins == spin)
        for _ in range(spin):
            columns.append(order[:, own] - own[0] + start)
            start += len(own)
    return np.concatenate(columns, axis=1)
