"""A CASSCF label with some of its forces and couplings holds the numbers of the whole one."""

import numpy as np
import pytest

from nadyn.electronic.labels import HasOverlaps, Known, LabelsInParts
from nadyn.interfaces.sources import source_from

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

GEOMETRY = np.array([[0.0, 0.0, 0.1], [0.2, 0.0, 3.2]])


@pytest.fixture(scope="module")
def source():
    return source_from({"pyscf": {"method": "sa3-casscf(2,3)/sto-3g"}}, (3, 1))


@pytest.fixture(scope="module")
def whole(source):
    return source.label(GEOMETRY)


def test_it_can_leave_parts_out(source):
    assert isinstance(source, LabelsInParts) and isinstance(source, HasOverlaps)


def test_parts_are_those_of_the_whole_label(source, whole):
    part = source.label_parts(GEOMETRY, forces=(1,), pairs=((0, 2),))
    assert np.allclose(part.energies, whole.energies, rtol=0, atol=1e-9)
    assert np.abs(part.forces[1] - whole.forces[1]).max() < 1e-6
    assert np.isnan(part.forces[[0, 2]]).all() and np.isnan(part.interstate_couplings[[0, 2]]).all()
    either = [np.abs(part.interstate_couplings[1] - s * whole.interstate_couplings[1]).max() for s in (1, -1)]
    assert min(either) < 1e-6


def test_the_rest_begins_with_the_same_states(source, whole):
    part = source.label_parts(GEOMETRY, forces=(), pairs=())
    assert np.isnan(part.forces).all() and not part.reason
    rest = source.label_parts(GEOMETRY, [Known(GEOMETRY, part)], forces=(2,), pairs=())
    assert "average_energy_from_hartree_fock" not in rest.checks
    assert np.abs(rest.forces[2] - whole.forces[2]).max() < 1e-6
    overlap = source.overlaps(Known(GEOMETRY, part), Known(GEOMETRY, rest))
    assert np.allclose(np.abs(overlap), np.eye(3), atol=1e-6)
