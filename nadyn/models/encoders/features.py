"""What an encoder says of each atom's surroundings."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Features:
    """Descriptors of each atom, in the atom-first layout of `Surroundings`.

    Attributes:
        invariants: Unchanged by rotation and reflection; what the networks read.
        vectors: Sums Σ_j g_c(r_ij) r̂_ij, which turn with the molecule and change sign under inversion.
        tensors: Sums Σ_j g_c(r_ij) (r̂r̂ - 1/3), as the five components of `angular.unit_harmonics`.
    """

    invariants: Float[Tensor, "atom traj feature"]
    vectors: Float[Tensor, "atom traj channel 3"]
    tensors: Float[Tensor, "atom traj channel 5"]
