"""Whether a time step is short enough for the fastest vibration."""

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.initial.hessian import hessian, in_double_precision
from nadyn.models.model import Model
from nadyn.units import AU_PER_FEMTOSECOND, INVERSE_CM_PER_HARTREE

# Steps a period; velocity Verlet becomes unstable at pi of them.
STEPS_PER_PERIOD = 10


def highest_frequency(
    model: Model, positions: Float[Tensor, "atom x"], masses: Float[Tensor, "atom"]
) -> float:
    """Return the highest harmonic frequency of the lowest state [hartree]; 0 where all curvatures are
    negative.

    The square root of the largest eigenvalue of M^-1/2 H M^-1/2 at a geometry that need not be a minimum. The
    lowest state, because a conical intersection nearby only bends it downward.
    """
    matrix = hessian(in_double_precision(model), positions.numpy(), state=0)
    root = np.sqrt(np.repeat(masses.numpy(), positions.shape[1]))
    weighted = matrix / root[:, None] / root
    if not np.isfinite(weighted).all():
        return 0.0
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(weighted)[-1])))


def warnings_about(
    model: Model, positions: Float[Tensor, "geometry atom x"], masses: Float[Tensor, "atom"], *, dt: float
) -> list[str]:
    """Return a sentence where `dt` [au] is over a tenth of the fastest period, else nothing.

    The median over the geometries counts: at a single one a bond may be compressed, and far too stiff.
    """
    frequency = float(np.median([highest_frequency(model, geometry, masses) for geometry in positions]))
    if frequency * dt <= 2.0 * math.pi / STEPS_PER_PERIOD:
        return []
    period_fs = 2.0 * math.pi / frequency / AU_PER_FEMTOSECOND
    wavenumber = frequency * INVERSE_CM_PER_HARTREE
    return [
        f"`dt_fs` should be at most {period_fs / STEPS_PER_PERIOD:.2g}, a tenth of the period of the fastest "
        f"mode, {period_fs:.3g} fs ({wavenumber:.0f} cm-1) of the starting geometries, but is "
        f"{dt / AU_PER_FEMTOSECOND:g}: total energies will drift. Try a smaller one."
    ]
