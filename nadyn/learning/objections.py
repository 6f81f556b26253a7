"""What a committee objects to, and from when on: limits of `stop`, and where a swarm went beyond them.

Trajectories of a round go on beyond the limits of the last models, by the `lenience` of the round: members
that differ by 0.25 eV in a gap know little, but what comes after is still near to what comes there, and a
swarm that ends where it begins to be in doubt moves the edge of the data by a few femtoseconds a round.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from nadyn.analysis.fates import ended_as_asked
from nadyn.dynamics.run.endings import ENERGY_SPREAD_EV, GAP_SPREAD_EV
from nadyn.models.atomic_network import MOST_NOVELTY
from nadyn.trajectory import Run
from nadyn.trajectory.judged import DoubtLimits, doubted
from nadyn.units import EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV

# Of a component of the force on the worst atom, calibrated [eV/angstrom]. Forces are known worst, and a force
# that is off for a femtosecond moves nobody far: measured on ethylene after 540 labels, a bound of 1 eV/Å
# ended every trajectory within 77 fs, half of them in 11 fs, where energies were off by 0.1 eV. So energies
# and gaps decide, and forces where they are beyond all reason.
FORCE_SPREAD = 2.5


@dataclass(frozen=True)
class Objections:
    """From where on a committee objects.

    Attributes:
        energy_ev: Largest calibrated spread of the energies of states in use.
        gap_ev: The same of distances to the active state.
        force_ev_per_angstrom: The same of a force on the worst atom.
        novelty: Largest novelty of the worst atom.
    """

    energy_ev: float = ENERGY_SPREAD_EV
    gap_ev: float = GAP_SPREAD_EV
    force_ev_per_angstrom: float = FORCE_SPREAD
    novelty: float = MOST_NOVELTY

    @classmethod
    def of(cls, dynamics: Mapping[str, object]) -> "Objections":
        """Return the limits of a learn file: those of its section `stop`, and defaults.

        With `committee: false` nothing is objected to but novelty.
        """
        given = dict(dynamics.get("stop") or {})
        default = cls()
        if given.get("committee") is False:
            return cls(math.inf, math.inf, math.inf, float(given.get("novelty") or default.novelty))
        return cls(
            float(given.get("energy_spread_ev") or default.energy_ev),
            float(given.get("gap_spread_ev") or default.gap_ev),
            float(given.get("force_spread_ev_per_angstrom") or default.force_ev_per_angstrom),
            float(given.get("novelty") or default.novelty),
        )

    def section(self, dynamics: Mapping[str, object], *, lenience: float = 1.0) -> dict[str, object]:
        """Return the section `stop` of a swarm that goes on to `lenience` times these limits."""
        limits = {
            "energy_spread_ev": self.energy_ev,
            "gap_spread_ev": self.gap_ev,
            "force_spread_ev_per_angstrom": self.force_ev_per_angstrom,
        }
        return {
            **dict(dynamics.get("stop") or {}),
            **{key: limit for key, limit in limits.items() if math.isfinite(limit)},
            "novelty": self.novelty,
            **({"lenience": lenience} if lenience > 1.0 else {}),
        }

    def unquestioned(self, run: Run) -> Bool[np.ndarray, "frame traj"]:
        """Return the frames of a run up to which the committee has not objected to its trajectory."""
        limits = DoubtLimits(
            energy_spread=self.energy_ev * HARTREE_PER_EV,
            gap_spread=self.gap_ev * HARTREE_PER_EV,
            force_spread=self.force_ev_per_angstrom / EV_PER_ANGSTROM_PER_AU,
            novelty=self.novelty,
            lenience=1.0,
        )
        fine = run.alive() & ~doubted(run, limits, believe=1.0)
        return np.logical_and.accumulate(fine, axis=0)

    def results(self, run: Run) -> Bool[np.ndarray, "traj"]:
        """Return which trajectories ended as results and were never objected to."""
        return ended_as_asked(run) & (self.unquestioned(run) == run.alive()).all(axis=0)

    def first(self, run: Run) -> Int[np.ndarray, "traj"]:
        """Return the frame of the first objection to each trajectory, -1 where none is in the file."""
        fine = self.unquestioned(run)
        objected = run.alive() & ~fine
        return np.where(objected.any(axis=0), objected.argmax(axis=0), -1)
