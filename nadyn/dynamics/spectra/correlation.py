"""Infrared absorption from the dipoles along trajectories."""

import numpy as np
from jaxtyping import Float

from nadyn.dynamics.spectra.vibrational import KM_PER_MOL_PER_AU


def infrared_of_dipoles(
    dipoles: Float[np.ndarray, "time traj 3"], *, dt: float, temperature: float
) -> tuple[Float[np.ndarray, "frequency"], Float[np.ndarray, "frequency"]]:
    """Return angular frequencies [au] and the molar absorption density [km/mol per au] of trajectories.

    A(ω) = C/(π kT) ∫ dt e^{-iωt} ⟨μ'(0)·μ'(t)⟩ with the time derivative μ' and C as for harmonic vibrations:
    the classical correlation with the harmonic quantum correction. Integrated over a band of a harmonic
    molecule at temperature T it is that band's harmonic intensity. The series is seen through a Hann window,
    which makes lines 4π/duration wide.

    Source: R. Ramírez, T. López-Ciudad, P. Kumar P and D. Marx, J. Chem. Phys. 121, 3973 (2004).

    Args:
        dipoles: μ(t) [e bohr], equally spaced in time.
        dt: Time between two of them [au].
        temperature: kT [hartree].
    """
    velocity = (dipoles[2:] - dipoles[:-2]) / (2.0 * dt)
    n = len(velocity)
    window = np.hanning(n + 2)[1:-1, None, None]
    amplitude = np.fft.rfft(velocity * window, axis=0) * dt
    # |∫ v e^{-iωt}|² over the weight of the window is the transform of the correlation.
    power = (np.abs(amplitude) ** 2).sum(axis=2).mean(axis=1) / ((window**2).sum() * dt)
    frequencies = 2.0 * np.pi * np.fft.rfftfreq(n, dt)
    # What the central difference takes from fast vibrations is given back, up to half the highest frequency.
    phase = frequencies * dt
    kept = phase < 0.5 * np.pi
    attenuated = np.sinc(phase[kept] / np.pi) ** 2
    return frequencies[kept], KM_PER_MOL_PER_AU * power[kept] / (attenuated * np.pi * temperature)
