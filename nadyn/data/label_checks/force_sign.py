"""Are the forces those of the energies? A check of sign, unit and order that needs no model."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nadyn.checks.counts import counted
from nadyn.data.dataset import Group, state_pairs
from nadyn.data.frames_in_words import frames_in_words
from nadyn.data.label_checks.overlay import centred, overlay
from nadyn.data.similarity import fingerprints
from nadyn.units import ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM

# Enough pairs for a verdict, few enough for the time of a file to be opened.
MOST_QUERIES = 200
MOST_FRAMES = 3000
FEWEST_PAIRS = 8
_UPHILL = -0.7
_LEAST_CORRELATION = 0.9
_BETTER = 0.25
_MOSTLY = 0.9
# A bond that turns by θ is shorter half way along the straight line: 1 - cos θ, here 26 degrees.
_LARGEST_TURN = 0.1


@dataclass(frozen=True)
class Agreement:
    """How well energy differences follow from the forces, for one state.

    Attributes:
        n_pairs: Number of pairs of near frames.
        correlation: Σ xy / √(Σx² Σy²) of the true and the predicted difference; near 1 for right forces,
            near -1 for the opposite sign.
        slope: Σ xy / Σ y², the true difference over the predicted one; near 1 for the right unit.
    """

    n_pairs: int
    correlation: float
    slope: float


def contradiction(group: Group) -> str | None:
    """Return a sentence if the forces of a state contradict its energies, otherwise None.

    In this order: forces that are zero or those of another state in nearly all frames; the forces of another
    state explain the energies with less than a quarter of the squared error; a correlation below -0.7 (the
    sign); one that three standard errors above itself is still below 0.9; and a slope that is not within 1/3
    to 3 at a correlation above 0.9, or 2/3 to 3/2 above 0.95 (the unit). Measured for eleven sets of
    4 to 27 atoms: correlations 0.91 to 1.00, slopes 0.85 to 1.06; with frames shuffled, or atoms or states
    exchanged, correlations from -0.4 to 0.83.
    """
    if group.forces is None:
        return None
    repeated = _repeated(group)
    if repeated:
        return repeated
    near = _near_differences(group)
    if near is None:
        return None
    must = "`forces` must be minus the gradient of `energies`, but those of state"
    for state, agreement in enumerate(_agreements(near)):
        if agreement is None:
            continue
        r, n = agreement.correlation, agreement.n_pairs
        of_pairs = counted(n, "pair of near frames")
        other = _better_state(near, state)
        if other is not None:
            return (
                f"{must} {other} explain the energies of state {state} better than its own ({of_pairs}). "
                "Have states changed places in one of the two?"
            )
        if r < _UPHILL and other is None:
            return (
                f"{must} {state} point uphill (correlation {r:.2f} over {of_pairs}). Are they gradients? "
                "Then use -forces."
            )
        if np.tanh(np.arctanh(min(r, 0.999999)) + 3.0 / np.sqrt(n - 3)) < _LEAST_CORRELATION:
            return (
                f"{must} {state} do not explain them (correlation {r:.2f} over {of_pairs}). Do both have the "
                "same order of frames, atoms and states?"
            )
        largest = 1.5 if r > 0.95 else 3.0
        if r > 0.9 and not 1 / largest < agreement.slope < largest:
            bohr = min(abs(agreement.slope / factor - 1) for factor in (ANGSTROM_PER_BOHR, BOHR_PER_ANGSTROM))
            hint = "A bohr taken for an angstrom would do that, in the positions or in the forces. "
            return (
                f"{must} {state} explain them only when multiplied by {agreement.slope:.3g} ({of_pairs}). "
                f"{hint if bohr < 0.15 else ''}Check both units."
            )
    return None


def _repeated(group: Group) -> str | None:
    """Return a sentence if forces of a state are zero, or the same as those of another one."""
    known = np.isfinite(group.forces).all(axis=(2, 3))
    zero = known & (np.abs(group.forces).max(axis=(2, 3)) == 0.0)
    # Atoms of a perfect crystal feel none.
    if group.n_atoms > 1 and zero.any() and not group.pbc.any():
        frames = zero.any(axis=1)
        state = int(np.argmax(zero.any(axis=0)))
        return (
            f"`forces` must be NaN where they are not known, but those of state {state} are all zero in "
            f"{frames_in_words(frames)}."
        )
    for k, l in state_pairs(group.n_states):
        both = known[:, k] & known[:, l]
        same = both & (np.abs(group.forces[:, k] - group.forces[:, l]).max(axis=(1, 2)) == 0.0)
        if both.any() and same.sum() > _MOSTLY * both.sum():
            return (
                f"`forces` must be those of each state, but states {k} and {l} have the same ones in "
                f"{int(same.sum())} of {group.n_frames} frames. Set those of a state that has none to NaN."
            )
    return None


def force_agreement(group: Group) -> tuple[Agreement | None, ...]:
    """Return for each state how well the forces explain the energy differences of near frames.

    Each frame is paired with the nearest one by sorted distances; like atoms are matched and the geometries
    laid on each other (Kabsch, reflections allowed), and the trapezoidal rule
    E_j - E_i = -½ (F_i + F_j) · (R_j - R_i) predicts the difference. Pairs in which an atom and its nearest
    one have turned by more than 26 degrees, as molecules of a cluster do, are left out: the straight line
    from one to the other goes through squeezed bonds. None for a state with too few pairs and for a periodic
    group.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976), for the alignment.
    """
    near = _near_differences(group)
    return (None,) * group.n_states if near is None else _agreements(near)


@dataclass(frozen=True)
class _Near:
    """Energy differences of pairs of near frames, and those that the forces of each state predict."""

    true: Float[np.ndarray, "near state"]
    predicted: Float[np.ndarray, "near state"]


def _near_differences(group: Group) -> _Near | None:
    if group.forces is None or group.pbc.any() or group.n_atoms < 2 or group.n_frames < 2:
        return None
    step = max(1, group.n_frames // MOST_FRAMES)
    frames = np.arange(0, group.n_frames, step)[:MOST_FRAMES]
    pairs = _nearest(fingerprints(group.select(frames)))
    true = np.empty((len(pairs), group.n_states))
    predicted = np.empty_like(true)
    length = np.empty(len(pairs))
    turned = np.empty(len(pairs))
    for row, (i, j) in enumerate(frames[pairs]):
        order, rotation = overlay(group.atomic_numbers, group.positions[i], group.positions[j])
        moved = centred(group.positions[j])[order] @ rotation
        step_vector = moved - centred(group.positions[i])
        mean_force = 0.5 * (group.forces[i] + group.forces[j][:, order] @ rotation)
        true[row] = group.energies[j] - group.energies[i]
        predicted[row] = -np.einsum("knx,nx->k", mean_force, step_vector)
        length[row] = np.sqrt((step_vector**2).sum(axis=-1).mean())
        turned[row] = _largest_turn(centred(group.positions[i]), moved)
    # The same geometry twice says nothing; of the others the nearer half is nearly straight.
    useful = length > 1e-4
    if useful.any():
        useful &= length <= np.median(length[useful])
    useful &= turned <= _LARGEST_TURN
    return _Near(true[useful], predicted[useful])


def _largest_turn(first: Float[np.ndarray, "atom 3"], second: Float[np.ndarray, "atom 3"]) -> float:
    """Return the largest 1 - cos of the angles by which vectors from atoms to their nearest ones turn."""
    distances = np.linalg.norm(first[:, None] - first, axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    one, two = first[nearest] - first, second[nearest] - second
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    # Atoms in one place have no direction.
    return float((1.0 - (one * two).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)).max())


def _agreements(near: _Near) -> tuple[Agreement | None, ...]:
    return tuple(_agreement(*columns) for columns in zip(near.true.T, near.predicted.T, strict=True))


def _better_state(near: _Near, state: int) -> int | None:
    """Return the state whose forces explain the energies of this one by far better than its own, if any.

    Its own are taken with the sign that explains more.
    """
    true, own = near.true[:, state], near.predicted[:, state]
    error = ((true[:, None] - near.predicted) ** 2).mean(axis=0)
    least = min(error[state], ((true + own) ** 2).mean())
    others = np.where(np.isfinite(error), error, np.inf)
    best = int(np.argmin(others))
    agreement = _agreement(true, near.predicted[:, best])
    better = others[best] < _BETTER * least
    return best if better and agreement is not None and agreement.correlation > _LEAST_CORRELATION else None


def _agreement(true: Float[np.ndarray, "near"], predicted: Float[np.ndarray, "near"]) -> Agreement | None:
    known = np.isfinite(predicted)
    x, y = true[known], predicted[known]
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    if len(x) < FEWEST_PAIRS or scale == 0:
        return None
    return Agreement(len(x), float((x * y).sum() / scale), float((x * y).sum() / (y**2).sum()))


def _nearest(features: Float[np.ndarray, "frame pair"]) -> Int[np.ndarray, "query 2"]:
    """Return pairs of a frame and the one nearest to it, each pair once."""
    queries = np.unique(np.linspace(0, len(features) - 1, MOST_QUERIES).astype(np.int64))
    features = features - features.mean(axis=0)
    square = (features**2).sum(axis=1)
    distance = square[queries, None] + square - 2 * features[queries] @ features.T
    distance[np.arange(len(queries)), queries] = np.inf
    pairs = np.stack([queries, np.argmin(distance, axis=1)], axis=1)
    return np.unique(np.sort(pairs, axis=1), axis=0)
