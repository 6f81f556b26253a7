"""A run in normal coordinates as one of atoms: a reference geometry, displaced."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from nadyn.trajectory.reader import Run
from nadyn.trajectory.trajectories import Trajectories

# Both have these arrays.
Described = TypeVar("Described", Run, Trajectories)


@dataclass(frozen=True, eq=False)
class Displaced:
    """What generalised coordinates Q and momenta P of a run mean in a molecule.

    R = R⁰ + Σ_m Q_m ∂R/∂Q_m and p = Σ_m P_m ∂p/∂P_m: translation and rotation are those of the reference.

    Attributes:
        atomic_numbers: One number an atom.
        masses: [electron mass].
        reference: R⁰ [bohr].
        by_coordinate: ∂R/∂Q_m [bohr].
        by_momentum: ∂p/∂P_m [electron_mass*bohr/au_time].
    """

    atomic_numbers: Int[np.ndarray, "atom"]
    masses: Float[np.ndarray, "atom"]
    reference: Float[np.ndarray, "atom 3"]
    by_coordinate: Float[np.ndarray, "mode atom 3"]
    by_momentum: Float[np.ndarray, "mode atom 3"]

    def positions(self, coordinates: Float[np.ndarray, "... mode 1"]) -> Float[np.ndarray, "... atom 3"]:
        """Return the geometries [bohr] at coordinates."""
        return self.reference + np.einsum("...m,mnx->...nx", coordinates[..., 0], self.by_coordinate)

    def momenta(self, momenta: Float[np.ndarray, "... mode 1"]) -> Float[np.ndarray, "... atom 3"]:
        """Return the momenta of the atoms."""
        return np.einsum("...m,mnx->...nx", momenta[..., 0], self.by_momentum)

    def of_atoms(self, run: Described) -> Described:
        """Return the run with the positions, momenta, masses and numbers of the atoms, all in memory."""
        return replace(
            run,
            positions=self.positions(np.asarray(run.positions)),
            momenta=self.momenta(np.asarray(run.momenta)),
            masses=self.masses,
            atomic_numbers=self.atomic_numbers,
        )
