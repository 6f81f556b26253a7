"""Whether a committee is to be trusted at a geometry, as its trajectories ask."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.electronic.committee import calibrated_spread, spread
from nadyn.learning.objections import Objections
from nadyn.models.committee import Committee
from nadyn.units import EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV


def trusted_by(
    committee: Committee, objections: Objections
) -> Callable[[Float[Tensor, "traj atom 3"]], Bool[Tensor, "traj"]]:
    """Return a function that tells of geometries [bohr] whether the committee knows all states there.

    The limits are those that stop a trajectory, of every state and not of the active one alone.

    Args:
        committee: Its members.
        objections: What it objects to.
    """
    measure = spread if committee.calibration is None else calibrated_spread
    energy = objections.energy_ev * HARTREE_PER_EV
    gap = objections.gap_ev * HARTREE_PER_EV
    force = objections.force_ev_per_angstrom / EV_PER_ANGSTROM_PER_AU

    def trusted(positions: Float[Tensor, "traj atom 3"]) -> Bool[Tensor, "traj"]:
        found = measure(committee, positions)
        novelty = committee.evaluate(positions).novelty
        return (
            (found.energies.amax(dim=1) < energy)
            & (found.gaps < gap).all(dim=1)
            & (found.worst_forces.amax(dim=1) < force)
            & (novelty <= objections.novelty)
        )

    return trusted
