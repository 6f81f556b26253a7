"""Motion of the nuclei: the pieces of velocity Verlet, and the kinetic energy.

Source: W. C. Swope, H. C. Andersen, P. H. Berens and K. R. Wilson, J. Chem. Phys. 76, 637 (1982).
"""

from jaxtyping import Float
from torch import Tensor


def kick_by_force(
    momenta: Float[Tensor, "traj atom x"], force: Float[Tensor, "traj atom x"], *, dt: float
) -> Float[Tensor, "traj atom x"]:
    """Return p + F dt [au]; half a time step of it opens and closes a step of velocity Verlet."""
    return momenta + force * dt


def drift(
    positions: Float[Tensor, "traj atom x"],
    momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    dt: float,
) -> Float[Tensor, "traj atom x"]:
    """Return R + P/M dt [bohr]."""
    return positions + momenta * (dt / masses)[:, None]


def midpoint(
    positions: Float[Tensor, "traj atom x"],
    new_positions: Float[Tensor, "traj atom x"],
    momenta: Float[Tensor, "traj atom x"],
    new_momenta: Float[Tensor, "traj atom x"],
    masses: Float[Tensor, "atom"],
    *,
    dt: float,
) -> Float[Tensor, "traj atom x"]:
    """Return the positions in the middle of a step, on the cubic through both ends and their velocities."""
    bow = (momenta - new_momenta) * (dt / (8.0 * masses))[:, None]
    return (positions + new_positions) * 0.5 + bow
