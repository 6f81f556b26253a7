"""Pre-flight: a patchwork is refused, a level that holds is not, and bonds that it cannot break are named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nadyn.electronic.labels import Known, Label, Quality
from nadyn.learning.preflight import _NEAR_BOHR, _towards, preflight
from nadyn.learning.stretching import bond_types, stretched_geometry
from nadyn.structures.alignment import aligned_distances

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

# H2O [bohr].
WATER = np.array([[0.0, 0.0, 0.0], [0.0, 1.43, 1.11], [0.0, -1.43, 1.11]])
NUMBERS = (8, 1, 1)


class Store:
    def __init__(self):
        self.records = []


class SmoothDesk:
    """A desk that labels by springs; what it is asked for it counts."""

    def __init__(self):
        self.source, self.store, self.n = self, Store(), 0
        self.theory, self.atomic_numbers = "springs", NUMBERS

    def label(self, geometries, *, tag):
        self.n += len(geometries)
        return [self.one(positions) for positions in geometries]

    def one(self, positions):
        energy, force = 0.0, np.zeros((3, 3))
        for i, j in ((0, 1), (0, 2), (1, 2)):
            way = positions[j] - positions[i]
            stretch = np.linalg.norm(way) - np.linalg.norm(WATER[j] - WATER[i])
            energy += 0.02 * stretch**2
            pull = 0.04 * stretch * way / np.linalg.norm(way)
            force[i] += pull
            force[j] -= pull
        return Label(Quality.TRUSTED, "", energy + np.array([0.0, 0.3]), np.stack([force] * 2))


class WithOrbitals(SmoothDesk):
    """Its active space turns as a hydrogen atom leaves its place by this much [bohr]."""

    leaves = 100.0

    def active_overlap(self, first, second):
        sides = [np.abs(known.positions - WATER).max() > self.leaves for known in (first, second)]
        return 0.2 if sides[0] != sides[1] else 1.0


class Jumping(SmoothDesk):
    """Its energies jump wherever a digit of a coordinate becomes odd."""

    def one(self, positions):
        label = super().one(positions)
        jump = 0.02 * (np.round(positions[1, 1] * 1e6) % 2)
        return Label(label.quality, "", label.energies + jump, label.forces)


class Failing(SmoothDesk):
    def one(self, positions):
        if np.abs(positions - WATER).max() > 0.5:
            return Label(Quality.FAILED, "no convergence.", np.full(2, np.nan))
        return super().one(positions)


def geometries(n=20, spread=0.1):
    return WATER + np.random.default_rng(1).normal(0.0, spread, (n, 3, 3))


def test_a_level_that_holds_is_not_refused_and_its_numbers_can_be_written():
    found = preflight(WithOrbitals(), WATER, geometries())
    assert found.refused == ""
    assert found.record["sample"]["n_other_active_space"] == 0
    assert found.record["smoothness"]["n"] == 6 and found.record["smoothness"]["n_jumps"] == 0
    (bond,) = found.record["bonds"]
    assert bond["bond"] == "O-H" and bond["broken_at"] is None and bond["factors"][-1] == 2.5
    assert json.loads(json.dumps(found.record)) == found.record


def test_a_patchwork_is_refused_with_what_to_try_unless_forced():
    desk = WithOrbitals()
    desk.leaves = 0.2
    found = preflight(desk, WATER, geometries())
    n = found.record["sample"]["n_other_active_space"]
    assert n == int((np.abs(geometries() - WATER).max(axis=(1, 2)) > 0.2).sum()) and 2 < n < 20
    assert f"another one at {n} of 20" in found.refused and "more states" in found.refused
    forced = preflight(desk, WATER, geometries(), forced=True)
    assert forced.refused == "" and forced.record["refused"]
    assert any("used all the same" in sentence for sentence in forced.sentences)


def test_a_source_without_orbitals_is_judged_by_its_energies():
    smooth = preflight(SmoothDesk(), WATER, geometries())
    assert smooth.refused == "" and smooth.record["sample"]["n_other_active_space"] is None
    jumping = preflight(Jumping(), WATER, geometries(), n_near=20)
    assert "smooth energies" in jumping.refused
    assert "Try another method" in jumping.refused and "active" not in jumping.refused


class Doubting(SmoothDesk):
    share = 1.0

    def one(self, positions):
        label = super().one(positions)
        bad = (np.abs(positions - WATER).max() * 1e6) % 1.0 < self.share
        return replace(label, quality=Quality.DOUBTFUL, reason="it is unstable.") if bad else label


def test_a_source_that_doubts_most_of_its_labels_is_refused():
    desk = Doubting()
    assert "but doubts 20 of 20" in preflight(desk, WATER, geometries()).refused
    desk.share = 0.2
    found = preflight(desk, WATER, geometries())
    n = found.record["sample"]["n_doubtful"]
    assert 0 < n < 10 and found.refused == ""
    assert any("may not be trusted, the first because it is unstable." in one for one in found.sentences)


def test_a_bond_that_the_level_cannot_break_is_named_with_its_length():
    desk = WithOrbitals()
    desk.leaves = 1.0
    found = preflight(desk, WATER, geometries())
    assert found.refused == ""
    (sentence,) = [s for s in found.sentences if s.startswith("This level cannot break O-H")]
    assert "the active space becomes another one" in sentence
    (bond,) = found.record["bonds"]
    # 1.0 bohr along the largest component of the bond, a step of 0.095 angstrom apart at most.
    assert 1.0 + 1.0 / 1.43 < bond["broken_at"] < 1.0 + 1.0 / 1.43 + 0.13
    assert all(factor < bond["broken_at"] for factor in bond["factors"])


def test_labels_that_fail_are_counted_and_bonds_end_there():
    found = preflight(Failing(), WATER, geometries(spread=0.3))
    assert found.record["sample"]["n_failed"] > 2 and "of 20 failed" in found.refused
    assert any("cannot break O-H" in s and "no convergence." in s for s in found.sentences)


def test_without_a_label_at_the_minimum_nothing_else_is_asked():
    desk = Failing()
    found = preflight(desk, WATER + np.diag([0.0, 0.0, 2.0]), geometries())
    assert "no convergence" in found.refused and desk.n == 1


@pytest.mark.parametrize("factor", [1.0, 2.5])
def test_a_stretched_bond_takes_the_smaller_molecule_along(factor):
    # Hydrogen peroxide: the second oxygen atom takes its hydrogen atom with it.
    numbers = (8, 8, 1, 1)
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.75], [1.8, 0.0, -0.4], [0.0, 1.8, 3.15]])
    assert bond_types(numbers, points) == {"O-O": (0, 1), "O-H": (0, 2)}
    far = stretched_geometry(numbers, points, (0, 1), factor)
    assert np.linalg.norm(far[1] - far[0]) == pytest.approx(2.75 * factor)
    np.testing.assert_allclose(far[3] - far[1], points[3] - points[1])
    np.testing.assert_allclose(far[[0, 2]], points[[0, 2]])


def test_in_a_ring_one_atom_moves():
    numbers = (8, 8, 8)
    ring = np.array([[0.0, 0.0, 0.0], [2.6, 0.0, 0.0], [1.3, 2.2, 0.0]])
    far = stretched_geometry(numbers, ring, (0, 1), 2.0)
    np.testing.assert_allclose(far[[0, 2]], ring[[0, 2]])
    assert far[1, 0] == pytest.approx(5.2)


def test_the_active_space_of_casscf_is_the_same_in_any_orientation_and_another_when_orbitals_change():
    from dataclasses import replace

    from scipy.spatial.transform import Rotation

    from nadyn.interfaces.sources import source_from

    source = source_from({"pyscf": {"method": "sa2-casscf(2,2)/sto-3g"}}, (3, 1))
    here = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    first = Known(here, source.label(here))
    there = here @ Rotation.from_rotvec([0.3, 1.0, -0.4]).as_matrix() + 1.0
    second = Known(there, source.label(there))
    assert source.active_overlap(first, second) == pytest.approx(1.0, abs=1e-5)
    orbitals = first.label.memory["orbitals"].copy()
    orbitals[:, -1] = np.eye(len(orbitals))[2]
    other = Known(here, replace(first.label, memory={**first.label.memory, "orbitals": orbitals}))
    assert source.active_overlap(first, other) < 0.1


def test_a_near_geometry_lies_on_the_way_to_the_minimum():
    rng = np.random.default_rng(4)
    away = (WATER + 0.2 * rng.standard_normal(WATER.shape)) @ rotation().T + [3.0, 0.0, 1.0]
    near = _towards(away, WATER)
    before, after = (aligned_distances(WATER, one[None])[0] for one in (away, near))
    assert 0.0 < after < before
    assert np.linalg.norm(near - away, axis=1).max() == pytest.approx(_NEAR_BOHR)


def rotation():
    return np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0] * [1.0, 1.0, 1.0]
