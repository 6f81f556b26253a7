"""How atoms wander: mean square displacement, velocity autocorrelation, a diffusion constant of each."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Stretches of a run that count as independent, and the frames that one must have.
_STRETCHES = 8
_FEWEST_FRAMES = 20
# The part of a stretch in which displacement grows with time, and no longer with its square.
_FROM, _TO = 0.2, 0.5


@dataclass(frozen=True)
class Diffusion:
    """The motion of some atoms about the centre of mass of all.

    Attributes:
        lag: Times [au].
        displacement: Mean square displacement [bohr²].
        autocorrelation: Mean of v(0)·v(t) [bohr²/au²].
        by_displacement: Diffusion constant from the slope of the displacement [bohr²/au].
        by_displacement_error: Its standard error.
        by_velocity: The same from the integral of the autocorrelation.
        by_velocity_error: Its standard error.
    """

    lag: Float[np.ndarray, "lag"]
    displacement: Float[np.ndarray, "lag"]
    autocorrelation: Float[np.ndarray, "lag"]
    by_displacement: float
    by_displacement_error: float
    by_velocity: float
    by_velocity_error: float


def diffusion(
    positions: Float[np.ndarray, "frame traj atom 3"],
    velocities: Float[np.ndarray, "frame traj atom 3"],
    interval: float,
) -> Diffusion | None:
    """Return how atoms wander; None for a run that is too short.

    All trajectories are cut into stretches, eight at least together. In each, means are taken over atoms and
    over all times to begin at. Between 0.2 and 0.5 of a stretch the slope of the mean square displacement,
    over 6, is one diffusion constant, the mean of ∫₀ᵗ v(0)·v(t') dt'/3 the other: two ways to the same number
    where the frames are dense enough to follow the velocities. Errors are from the spread of the stretches.

    Args:
        positions: Not folded into the cell, relative to the centre of mass [bohr].
        velocities: Relative to that of the centre of mass [bohr/au].
        interval: From frame to frame [au].
    """
    n_frames, n_traj = positions.shape[:2]
    n_stretches = -(-_STRETCHES // n_traj)
    length = n_frames // n_stretches
    if length < _FEWEST_FRAMES:
        return None
    n_lags = length // 2 + 1
    found = []
    for traj in range(n_traj):
        for number in range(n_stretches):
            part = slice(number * length, (number + 1) * length)
            r, v = positions[part, traj], velocities[part, traj]
            found.append((_displacement(r, n_lags), _correlation(v, n_lags)))
    displacement, autocorrelation = (np.stack(one) for one in zip(*found, strict=True))
    lag = interval * np.arange(n_lags)
    chosen = slice(int(_FROM * length), int(_TO * length) + 1)
    slopes = np.polyfit(lag[chosen], displacement[:, chosen].T, 1)[0] / 6.0
    steps = 0.5 * interval * (autocorrelation[:, 1:] + autocorrelation[:, :-1])
    integral = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1) / 3.0
    integrals = integral[:, chosen].mean(axis=1)
    error = 1.0 / len(found) ** 0.5
    return Diffusion(
        lag,
        displacement.mean(axis=0),
        autocorrelation.mean(axis=0),
        float(slopes.mean()),
        float(slopes.std(ddof=1) * error),
        float(integrals.mean()),
        float(integrals.std(ddof=1) * error),
    )


def _correlation(vectors: Float[np.ndarray, "frame atom 3"], n_lags: int) -> Float[np.ndarray, "lag"]:
    """Return the mean over atoms and beginnings of a(0)·a(t), by Fourier transforms."""
    n = len(vectors)
    flat = vectors.reshape(n, -1)
    total = np.zeros(n_lags)
    for columns in np.array_split(flat, max(1, flat.shape[1] // 300), axis=1):
        transformed = np.fft.rfft(columns, n=2 * n, axis=0)
        power = (np.abs(transformed) ** 2).sum(axis=1)
        total += np.fft.irfft(power, n=2 * n)[:n_lags]
    return total / (n - np.arange(n_lags)) / vectors.shape[1]


def _displacement(positions: Float[np.ndarray, "frame atom 3"], n_lags: int) -> Float[np.ndarray, "lag"]:
    """Return the mean over atoms and beginnings of |r(t) - r(0)|²."""
    n = len(positions)
    # Far from the origin squares would lose their digits.
    positions = positions - positions.mean(axis=0)
    squares = (positions**2).sum(axis=2).mean(axis=1)
    below = np.concatenate([[0.0], np.cumsum(squares)])
    lags = np.arange(n_lags)
    # Of the beginnings and of the ends of all stretches of each length.
    sums = below[n - lags] + below[n] - below[lags]
    return sums / (n - lags) - 2.0 * _correlation(positions, n_lags)
