"""Each limit of a committee has a say in whether a geometry is trusted."""

from dataclasses import replace

import pytest
import torch
from contracts.committees import committee

from nadyn.electronic.committee import calibrated_spread
from nadyn.learning.objections import Objections
from nadyn.learning.trusting import trusted_by
from nadyn.units import EV_PER_ANGSTROM_PER_AU, HARTREE_PER_EV

# Nitrogen, two hydrogens, fluorine [bohr].
POSITIONS = torch.tensor(
    [[[0.0, 0.0, 0.0], [1.9, 0.0, 0.1], [-0.5, 1.8, 0.0], [-0.9, -1.0, 2.3]]], dtype=torch.float64
)
WIDE = Objections(energy_ev=1e6, gap_ev=1e6, force_ev_per_angstrom=1e6, novelty=1.0)


@pytest.mark.parametrize("name", ["energy_ev", "gap_ev", "force_ev_per_angstrom"])
def test_a_spread_beyond_any_limit_is_not_trusted(name, unchecked_annotations):
    members, positions = committee(), POSITIONS
    found = calibrated_spread(members, positions)
    size = {
        "energy_ev": float(found.energies.max()) / HARTREE_PER_EV,
        "gap_ev": float(found.gaps.max()) / HARTREE_PER_EV,
        "force_ev_per_angstrom": float(found.worst_forces.max()) * EV_PER_ANGSTROM_PER_AU,
    }[name]
    assert size > 0.0
    for limit, expected in ((1.01 * size, True), (0.99 * size, False)):
        trusted = trusted_by(members, replace(WIDE, **{name: limit}))
        assert torch.equal(trusted(positions), torch.tensor([expected]))
