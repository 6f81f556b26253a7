"""Decoherence at once: all population on the active state at a hop."""

from dataclasses import replace
from typing import Literal

from nadyn.checks.configuration import Configuration
from nadyn.dynamics.decoherence.correction import Decoherence, Moment, collapse
from nadyn.dynamics.state.batch import State

CollapseAfter = Literal["hop", "attempt"]


class InstantaneousSection(Configuration):
    """All population on the active state at a hop: {name: instantaneous, after: hop}."""

    name: Literal["instantaneous"]
    after: CollapseAfter = "hop"

    def correction(self) -> Decoherence:
        """Return the correction of this section."""
        return instantaneous(after=self.after)


def instantaneous(*, after: CollapseAfter) -> Decoherence:
    """Return the correction that puts all population on the active state at a hop.

    after = "hop": at each accepted hop; "attempt": at each frustrated one too.

    Source: T. Nelson, S. Fernandez-Alberti, A. E. Roitberg and S. Tretiak, J. Chem. Phys. 138, 224111 (2013),
    there named ID-S and ID-A.
    """

    def act(moment: Moment) -> State:
        hops = moment.hops
        rows = hops.row if after == "attempt" else hops.row[hops.accepted]
        collapsed = collapse(moment.new.coefficients[rows], moment.new.active_state[rows])
        return replace(moment.new, coefficients=moment.new.coefficients.index_copy(0, rows, collapsed))

    return Decoherence(act)
