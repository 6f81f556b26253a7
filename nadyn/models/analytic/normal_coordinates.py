"""From Cartesian geometries to dimensionless normal coordinates and back."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class NormalCoordinates:
    """The dimensionless normal coordinates of a molecule about a reference geometry.

    Q_m = √ω_m Σ_i e_mi √M_i (R_i - R⁰_i) and P_m = Σ_i e_mi p_i / √(M_i ω_m), so that the kinetic energy of
    the vibrations is Σ_m ω_m P_m²/2. Geometries must be oriented like the reference: rotations and
    translations are no normal coordinates.

    Attributes:
        atomic_numbers: One number an atom.
        masses: Mass of each atom [electron mass].
        reference: Reference geometry R⁰ [bohr].
        frequencies: ω_m [hartree].
        vectors: Mass-weighted modes e_m, orthonormal.
    """

    atomic_numbers: tuple[int, ...]
    masses: Float[Tensor, "atom"]
    reference: Float[Tensor, "atom 3"]
    frequencies: Float[Tensor, "mode"]
    vectors: Float[Tensor, "mode atom 3"]

    def coordinates(self, positions: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj mode 1"]:
        """Return Q at Cartesian positions [bohr], as positions of a vibronic coupling model."""
        weighted = (positions - self.reference) * self.masses.sqrt()[:, None]
        return torch.einsum("mnx,tnx,m->tm", self.vectors, weighted, self.frequencies.sqrt())[..., None]

    def momenta(self, momenta: Float[Tensor, "traj atom 3"]) -> Float[Tensor, "traj mode 1"]:
        """Return P at Cartesian momenta [au], as momenta of a vibronic coupling model."""
        weighted = momenta / self.masses.sqrt()[:, None]
        return torch.einsum("mnx,tnx,m->tm", self.vectors, weighted, self.frequencies.rsqrt())[..., None]

    def positions(self, coordinates: Float[Tensor, "traj mode 1"]) -> Float[Tensor, "traj atom 3"]:
        """Return the Cartesian positions [bohr] at Q."""
        scaled = coordinates[..., 0] * self.frequencies.rsqrt()
        displacement = torch.einsum("mnx,tm->tnx", self.vectors, scaled)
        return self.reference + displacement / self.masses.sqrt()[:, None]
