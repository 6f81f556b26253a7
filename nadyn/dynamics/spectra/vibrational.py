"""Infrared and Raman intensities of harmonic vibrations."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nadyn.dynamics.initial.normal_modes import NormalModes
from nadyn.electronic.properties import check_operator, dipoles, knows, polarisabilities
from nadyn.models.model import Model
from nadyn.units import (
    ANGSTROM_PER_BOHR,
    AVOGADRO,
    ELECTRON_MASS_PER_DALTON,
    FINE_STRUCTURE,
)

_STEP_BOHR = 0.01
# As for the Hessian: the error is of fourth order in the step.
_FIVE_POINTS = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}
# N_A π α² a0 / 3, of (dμ/dq)² in atomic units.
KM_PER_MOL_PER_AU = AVOGADRO * np.pi * FINE_STRUCTURE**2 / 3.0 * (1e-13 * ANGSTROM_PER_BOHR)
ANGSTROM4_PER_DALTON_PER_AU = ANGSTROM_PER_BOHR**4 * ELECTRON_MASS_PER_DALTON


@dataclass(frozen=True, eq=False)
class VibrationalSpectrum:
    """Harmonic vibrations and how strongly light sees them.

    Attributes:
        frequencies: [hartree], ascending.
        infrared: Integrated molar absorption [km/mol]; None where the model knows no dipoles.
        raman: Raman activity 45 a'² + 7 γ'² [Å⁴/dalton]; None where the model knows no polarisabilities.
        depolarisation: 3 γ'² / (45 a'² + 4 γ'²) for linearly polarised light; None with `raman`.
    """

    frequencies: Float[np.ndarray, "mode"]
    infrared: Float[np.ndarray, "mode"] | None
    raman: Float[np.ndarray, "mode"] | None
    depolarisation: Float[np.ndarray, "mode"] | None


def vibrational_spectrum(model: Model, modes: NormalModes, *, state: int = 0) -> VibrationalSpectrum:
    """Return intensities from derivatives of the dipole and the polarisability of one state.

    A_m = N_A π α² a0 / 3 |dμ/dq_m|² and S_m = 45 a'² + 7 γ'², with the mass-weighted normal coordinates q_m
    of `modes`. Derivatives are central differences, a coordinate of an atom at a time.

    Source: E. B. Wilson, J. C. Decius and P. C. Cross, Molecular Vibrations (1955), chapters 3 and 7.

    Args:
        model: A model that knows dipoles or polarisabilities; a learned one in float64.
        modes: Vibrations about a minimum, from `nadyn.dynamics.initial.oscillators`.
        state: Adiabatic state.

    Raises:
        InputError: The model knows neither.
    """
    if not knows(model, "polarisability"):
        check_operator(model, "dipole")
    displaced = _displaced(modes.centre)
    infrared = raman = depolarisation = None
    if knows(model, "dipole"):
        moments = dipoles(model, displaced, origin="coordinates")[:, state, state].numpy()
        infrared = infrared_intensities(_along_modes(moments, modes))
    if knows(model, "polarisability"):
        tensors = polarisabilities(model, displaced)[:, state].numpy()
        raman, depolarisation = raman_activities(_along_modes(tensors, modes))
    return VibrationalSpectrum(modes.frequencies, infrared, raman, depolarisation)


def infrared_intensities(slopes: Float[np.ndarray, "mode 3"]) -> Float[np.ndarray, "mode"]:
    """Return the integrated molar absorption [km/mol] from dμ/dq [au]."""
    return KM_PER_MOL_PER_AU * (slopes**2).sum(axis=1)


def raman_activities(
    slopes: Float[np.ndarray, "mode 3 3"],
) -> tuple[Float[np.ndarray, "mode"], Float[np.ndarray, "mode"]]:
    """Return the Raman activity [Å⁴/dalton] and the depolarisation ratio from dα/dq [au].

    a' is a third of the trace, γ'² = (3 Σ_xy α'_xy² - (tr α')²) / 2.
    """
    trace = np.trace(slopes, axis1=1, axis2=2)
    mean, anisotropy = (trace / 3.0) ** 2, 0.5 * (3.0 * (slopes**2).sum(axis=(1, 2)) - trace**2)
    below = 45.0 * mean + 4.0 * anisotropy
    # A mode that no light sees has no ratio.
    ratio = np.divide(3.0 * anisotropy, below, out=np.full_like(below, np.nan), where=below > 0)
    return ANGSTROM4_PER_DALTON_PER_AU * (45.0 * mean + 7.0 * anisotropy), ratio


def _displaced(centre: Float[np.ndarray, "atom x"]) -> torch.Tensor:
    size = centre.size
    steps = [centre.reshape(-1) + offset * _STEP_BOHR * np.eye(size) for offset in _FIVE_POINTS]
    return torch.from_numpy(np.concatenate(steps).reshape(-1, *centre.shape))


def _along_modes(values: Float[np.ndarray, "..."], modes: NormalModes) -> Float[np.ndarray, "..."]:
    """Return derivatives along the normal coordinates from values at the displaced geometries."""
    size = modes.centre.size
    at = values.reshape(len(_FIVE_POINTS), size, *values.shape[1:])
    slopes = sum(factor * own for factor, own in zip(_FIVE_POINTS.values(), at, strict=True)) / _STEP_BOHR
    directions = modes.vectors / np.sqrt(modes.masses)[:, None]
    return np.tensordot(directions.reshape(len(modes.vectors), size), slopes, axes=1)
