"""What an exact propagation gives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from nadyn.units import FEMTOSECOND_PER_AU


@dataclass(frozen=True, eq=False)
class QuantumRun:
    """A propagated wave packet; every array along `time` is at the written times.

    Attributes:
        times: [au].
        diabatic_populations: Density of each row of the Hamiltonian, still on the grid.
        adiabatic_populations: Density of each adiabatic state; None for a propagation in a basis.
        absorbed: Density taken up so far at the lower and at the upper end of the absorbing coordinate,
            by adiabatic state; zero without an absorber.
        norm: What is left on the grid: 1 without an absorber, but for rounding.
        energy: Expectation value of the Hamiltonian, divided by the norm [hartree].
        positions: Mean coordinates of what is left.
        edge_density: Largest share of the density that was ever found at an edge, of the grid in positions
            or momenta, or of the basis. Above about 1e-4 the answer depends on the edge.
        wave: The wave function at the end: states first, then the grid or the basis.
    """

    times: Float[np.ndarray, "time"]
    diabatic_populations: Float[np.ndarray, "time basis"]
    adiabatic_populations: Float[np.ndarray, "time basis"] | None
    absorbed: Float[np.ndarray, "time two basis"]
    norm: Float[np.ndarray, "time"]
    energy: Float[np.ndarray, "time"]
    positions: Float[np.ndarray, "time coordinate"]
    edge_density: float
    wave: Complex[np.ndarray, "basis ..."]

    @property
    def times_fs(self) -> Float[np.ndarray, "time"]:
        """Written times [fs]."""
        return self.times * FEMTOSECOND_PER_AU
