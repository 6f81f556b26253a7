"""The nearest minimum of one adiabatic energy."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nadyn.checks.counts import counted
from nadyn.checks.errors import InputError
from nadyn.dynamics.initial.descent import descend
from nadyn.dynamics.initial.hessian import hessian
from nadyn.electronic.direct.model import DirectModel
from nadyn.electronic.surfaces import active_surface
from nadyn.models.model import Model

# Curvatures below this [hartree/bohr²] are taken as this, so that soft modes give no endless steps.
_SMALLEST_CURVATURE = 1e-3
_LARGEST_STEP_BOHR = 0.3
_SMALLEST_STEP_BOHR = 1e-7


@dataclass(frozen=True, eq=False)
class Minimum:
    """A minimum: positions [bohr] and energy [hartree]."""

    positions: Float[np.ndarray, "atom x"]
    energy: float


def minimise(
    model: Model,
    positions: Float[np.ndarray, "atom x"],
    *,
    state: int,
    force_tolerance: float = 1e-6,
    max_steps: int = 100,
) -> Minimum:
    """Return the minimum of E_k that is reached downhill from a geometry.

    Newton steps -Σ v (v·g)/|λ| over the eigenpairs (λ, v) of the Hessian; |λ| sends the step downhill
    where the curvature is negative. A step is at most 0.3 bohr for any atom, and one that would raise the
    energy is halved. A label source is asked for forces only, see `descend`.

    Args:
        model: Any model; a learned one in float64, see `in_double_precision`.
        positions: Starting geometry [bohr].
        state: Adiabatic state, 0 is the lowest.
        force_tolerance: Largest force component at the end [hartree/bohr].
        max_steps: Steps after which the search is given up.

    Raises:
        InputError: No minimum was reached.
    """
    if isinstance(model, DirectModel):
        return Minimum(*descend(model, positions, state=state)[:2])
    energy, force = _energy_and_force(model, positions, state)
    limit = _LARGEST_STEP_BOHR
    for _ in range(max_steps + 1):
        largest = float(np.abs(force).max())
        if largest <= force_tolerance:
            return Minimum(positions, energy)
        step = _newton_step(hessian(model, positions, state=state), force)
        step *= min(1.0, limit / np.linalg.norm(step, axis=-1).max())
        while True:
            new_energy, new_force = _energy_and_force(model, positions + step, state)
            # Close to the minimum the energy cannot resolve the step any more, but the force can.
            if new_energy < energy or np.abs(new_force).max() < 0.5 * largest:
                break
            step = 0.5 * step
            if np.linalg.norm(step, axis=-1).max() < _SMALLEST_STEP_BOHR:
                raise InputError(_failure(model, positions, state, largest, "no step lowers the energy"))
        limit = min(_LARGEST_STEP_BOHR, 2.0 * np.linalg.norm(step, axis=-1).max())
        positions, energy, force = positions + step, new_energy, new_force
    raise InputError(
        _failure(model, positions, state, largest, f"it is not reached in {counted(max_steps, 'step')}")
    )


def _newton_step(curvature: np.ndarray, force: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(curvature)
    components = vectors.T @ force.reshape(-1)
    step = vectors @ (components / np.maximum(np.abs(values), _SMALLEST_CURVATURE))
    return step.reshape(force.shape)


def _energy_and_force(model: Model, positions: np.ndarray, state: int) -> tuple[float, np.ndarray]:
    surface = active_surface(model, torch.from_numpy(positions)[None], torch.tensor([state]))
    return float(surface.energies[0, state]), surface.force[0].numpy()


def _failure(model: Model, positions: np.ndarray, state: int, largest: float, why: str) -> str:
    energies = active_surface(model, torch.from_numpy(positions)[None], torch.tensor([0])).energies[0]
    others = [abs(float(energies[state] - e)) for k, e in enumerate(energies) if k != state]
    # At a crossing the force jumps, and a state has no stationary point there.
    crossing = (
        f" The next state is {min(others):.4f} hartree away: this may be a crossing."
        if others and min(others) < 2e-3
        else ""
    )
    return (
        f"state {state} must have a minimum near the starting geometry, but {why} "
        f"(largest force {largest:.1e} hartree/bohr).{crossing} Try another `geometry` or another state."
    )
