"""Whether a committee is to be trusted at a geometry, as its trajectories ask."""

from collections.abc import Callable, Mapping

from jaxtyping import Bool, Float
from torch import Tensor

from nadyn.dynamics.run.endings import ENERGY_SPREAD_EV, FORCE_SPREAD_EV_PER_ANGSTROM
from nadyn.electronic.committee import calibrated_spread, spread
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.models.committee import Committee
from nadyn.units import EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV


def trusted_by(
    committee: Committee, stop: Mapping[str, object]
) -> Callable[[Float[Tensor, "traj atom 3"]], Bool[Tensor, "traj"]]:
    """Return a function that tells of geometries [bohr] whether the committee knows all states there.

    The limits are those that stop a trajectory, of every state and not of the active one alone.

    Args:
        committee: Its members.
        stop: Section `stop` of the run file of a swarm.
    """
    measure = spread if committee.calibration is None else calibrated_spread
    energy = float(stop.get("energy_spread_ev") or ENERGY_SPREAD_EV) * HARTREE_PER_EV
    most = float(stop.get("force_spread_ev_per_angstrom") or FORCE_SPREAD_EV_PER_ANGSTROM)
    force = most / EV_PER_ANGSTROM_PER_AU

    def trusted(positions: Float[Tensor, "traj atom 3"]) -> Bool[Tensor, "traj"]:
        found = measure(committee, positions)
        novelty = committee.evaluate(positions).novelty
        return (
            (found.energies.amax(dim=1) < energy)
            & (found.worst_forces.amax(dim=1) < force)
            & (novelty <= MOST_NOVELTY)
        )

    return trusted
