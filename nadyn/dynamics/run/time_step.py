"""Whether a time step is short enough for the fastest vibration."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.data.neighbors import LARGEST_DENSE_MOLECULE
from nadyn.dynamics.initial.hessian import hessian, in_double_precision
from nadyn.electronic.surfaces import active_surface
from nadyn.models.model import Model
from nadyn.units import AU_PER_FEMTOSECOND, INVERSE_CM_PER_HARTREE

# Of a displacement, and how many products with a vector find the highest frequency of many atoms.
_STEP_BOHR, _PRODUCTS = 0.01, 12

# Steps a period; velocity Verlet becomes unstable at pi of them.
STEPS_PER_PERIOD = 10


def highest_frequency(
    model: Model, positions: Float[Tensor, "atom x"], masses: Float[Tensor, "atom"]
) -> float:
    """Return the highest harmonic frequency of the lowest state [hartree]; 0 where all curvatures are
    negative.

    The square root of the largest eigenvalue of M^-1/2 H M^-1/2 at a geometry that need not be a minimum. The
    lowest state, because a conical intersection nearby only bends it downward. Of many atoms, and in a cell,
    it is found by repeated products with a vector, which come near it from below: within a tenth.
    """
    if len(positions) > LARGEST_DENSE_MOLECULE or getattr(model, "cell", None) is not None:
        return _by_products(in_double_precision(model), positions, masses)
    matrix = hessian(in_double_precision(model), positions.numpy(), state=0)
    root = np.sqrt(np.repeat(masses.numpy(), positions.shape[1]))
    weighted = matrix / root[:, None] / root
    if not np.isfinite(weighted).all():
        return 0.0
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(weighted)[-1])))


def _by_products(model: Model, positions: Float[Tensor, "atom x"], masses: Float[Tensor, "atom"]) -> float:
    root = torch.sqrt(masses)[:, None]
    vector = torch.randn(positions.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    largest = 0.0
    for _ in range(_PRODUCTS):
        vector = vector / vector.norm()
        step = vector / root
        step = step * (_STEP_BOHR / float(step.norm(dim=1).max()))
        forces = [
            active_surface(model, (positions + sign * step)[None], torch.zeros(1, dtype=torch.int64)).force[0]
            for sign in (1.0, -1.0)
        ]
        length = float((step * root).norm())
        product = (forces[1] - forces[0]) / root / (2.0 * length)
        if not torch.isfinite(product).all():
            return 0.0
        # Negative curvatures, which may be large too, are not what is looked for.
        largest, vector = float((vector * product).sum()), product + max(largest, 0.0) * vector
    return math.sqrt(max(0.0, largest))


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
