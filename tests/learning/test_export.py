"""Labels that become data for a training."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data.rigid_couplings import rigid_fraction, without_rigid_couplings
from nadyn.electronic.labels import Known, Label, Quality
from nadyn.interfaces.python_source import PythonSection
from nadyn.learning.export import group_of_labels

NUMBERS, N_ATOMS, N_STATES, N_PAIRS = (8, 1, 1, 6), 4, 3, 3
RANDOM = np.random.default_rng(9)

pytestmark = pytest.mark.filterwarnings("ignore:group")


def nothing(positions):
    raise RuntimeError


SOURCE = PythonSection(
    function=f"{__name__}:nothing", theory="random", multiplicities=(1, 1, 1), charge=1
).source(NUMBERS)


def _known(quality=Quality.TRUSTED, **changes):
    arrays = {
        "energies": np.sort(RANDOM.normal(size=N_STATES)),
        "forces": RANDOM.normal(size=(N_STATES, N_ATOMS, 3)),
        "interstate_couplings": RANDOM.normal(size=(N_PAIRS, N_ATOMS, 3)),
    } | changes
    return Known(RANDOM.normal(size=(N_ATOMS, 3)) * 4.0, Label(quality, "", **arrays))


def test_only_trusted_labels_are_data():
    known = [_known(), _known(Quality.DOUBTFUL), _known(Quality.FAILED), _known()]
    group = group_of_labels(SOURCE, known, "molecule", note="four")
    np.testing.assert_array_equal(group.positions, np.stack([known[0].positions, known[3].positions]))
    np.testing.assert_array_equal(group.forces[1], known[3].label.forces)
    assert (group.theory, group.charge, group.multiplicities, group.note) == ("random", 1, (1, 1, 1), "four")
    with pytest.raises(InputError, match="none of 2 of random is trusted"):
        group_of_labels(SOURCE, known[1:3], "molecule")


def test_couplings_of_data_are_free_of_rigid_motion_and_the_label_keeps_what_was_said():
    known = _known()
    said = known.label.interstate_couplings.copy()
    group = group_of_labels(SOURCE, [known], "molecule")
    h, positions = group.interstate_couplings[0], group.positions[0]
    assert np.abs(h.sum(axis=1)).max() < 1e-12
    assert np.abs(np.cross(positions, h).sum(axis=1)).max() < 1e-12
    # The plain scalar product, no masses: what was taken away is rigid motion, and nothing else.
    assert abs(np.sum((said - h) * h)) < 1e-12
    assert np.abs(said - h).max() > 0.01
    np.testing.assert_array_equal(known.label.interstate_couplings, said)


def test_labels_that_a_geometry_lacks_are_nan():
    known = [_known(), _known(forces=None), _known(interstate_couplings=None)]
    group = group_of_labels(SOURCE, known, "molecule")
    assert np.isnan(group.forces).all(axis=(1, 2, 3)).tolist() == [False, True, False]
    assert np.isnan(group.interstate_couplings).all(axis=(1, 2, 3)).tolist() == [False, False, True]


def test_the_rigid_part_of_couplings_is_measured():
    group = group_of_labels(SOURCE, [_known()], "molecule")
    assert rigid_fraction(group) < 1e-14
    moved = group.interstate_couplings + np.array([2.0, 0.0, 0.0])
    rigid = replace(group, interstate_couplings=moved)
    inner = np.linalg.norm(group.interstate_couplings)
    outer = np.sqrt(N_PAIRS * N_ATOMS * 4.0)
    assert rigid_fraction(rigid) == pytest.approx(outer / np.hypot(inner, outer))
    np.testing.assert_allclose(
        without_rigid_couplings(rigid).interstate_couplings, group.interstate_couplings, atol=1e-12
    )
    assert rigid_fraction(replace(group, interstate_couplings=None)) is None
