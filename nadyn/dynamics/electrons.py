"""Coefficients over one step of the nuclei, in two halves where the states turn too far for one."""

import torch
from jaxtyping import Float
from torch import Tensor

from nadyn.dynamics.nuclei import midpoint
from nadyn.dynamics.propagate import Propagation, in_sequence, local_diabatisation
from nadyn.dynamics.state import State
from nadyn.electronic.surfaces import energies_and_eigenvectors
from nadyn.models.model import Model

# Under this overlap a step is made in two halves; if that does not help, a state has been lost.
SMALLEST_OVERLAP = 0.7


def propagate(
    old: State, new: State, model: Model, masses: Float[Tensor, "atom"], *, dt: float
) -> Propagation:
    """Return the coefficients after a step by local diabatisation, halved where states turned too far.

    Args:
        old: The batch before the step.
        new: The batch after it, with the new surfaces and the old coefficients.
        model: Its model.
        masses: [electron mass].
        dt: Time step [au].
    """
    whole = local_diabatisation(
        old.coefficients, old.energies, old.eigenvectors, new.energies, new.eigenvectors, dt=dt
    )
    rows = torch.nonzero(whole.smallest_overlap < SMALLEST_OVERLAP)[:, 0]
    if not len(rows):
        return whole
    middle = midpoint(
        old.positions[rows], new.positions[rows], old.momenta[rows], new.momenta[rows], masses, dt=dt
    )
    energies, eigenvectors = energies_and_eigenvectors(model, middle)
    half = 0.5 * dt
    first = local_diabatisation(
        old.coefficients[rows], old.energies[rows], old.eigenvectors[rows], energies, eigenvectors, dt=half
    )
    second = local_diabatisation(
        first.coefficients, energies, eigenvectors, new.energies[rows], new.eigenvectors[rows], dt=half
    )
    both = in_sequence(first, second)
    return Propagation(
        whole.coefficients.index_copy(0, rows, both.coefficients),
        whole.propagator.index_copy(0, rows, both.propagator),
        whole.smallest_overlap.index_copy(0, rows, both.smallest_overlap),
    )
