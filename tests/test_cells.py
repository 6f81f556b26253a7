"""Cells that are too thin for images of atoms, whatever their vectors look like."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import group_from_arrays
from nadyn.structures.cells import check_images, thickness

SKEWED = np.array([[6.0, 0.0, 0.0], [17.0, 5.0, 0.0], [-13.0, 11.0, 6.5]])


def test_the_thickness_is_the_height_over_the_other_periodic_vectors():
    volume = abs(np.linalg.det(SKEWED))
    faces = np.linalg.norm(np.cross(SKEWED[[1, 2, 0]], SKEWED[[2, 0, 1]]), axis=1)
    assert thickness(SKEWED, (True, True, True)) == pytest.approx((volume / faces).min(), rel=1e-12)
    # Heights of the parallelogram of the first and the last vector; the second has no images.
    area = np.linalg.norm(np.cross(SKEWED[0], SKEWED[2]))
    longest = max(np.linalg.norm(SKEWED[0]), np.linalg.norm(SKEWED[2]))
    assert thickness(SKEWED, (True, False, True)) == pytest.approx(area / longest, rel=1e-12)
    assert thickness(SKEWED, (False, True, False)) == pytest.approx(np.hypot(17.0, 5.0), rel=1e-12)
    scaled = np.array([0.5, 1.0, 2.0, 4.0])[:, None, None] * SKEWED
    expected = thickness(SKEWED, (True, True, True)) * np.array([0.5, 1.0, 2.0, 4.0])
    np.testing.assert_allclose(thickness(scaled, (True, True, True)), expected, rtol=1e-12)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, True, True)])
def test_vectors_that_lean_far_span_no_thinner_a_lattice(pbc):
    leaning = np.array([[6.0, 0.0, 0.0], [600.0, 5.0, 0.0], [-700.0, 500.0, 6.5]])
    check_images(leaning, pbc)
    if all(pbc):
        assert thickness(leaning, pbc) < 0.1
        with pytest.raises(InputError, match="in frame 1"):
            check_images(np.stack([leaning, 0.1 * leaning]), pbc)


def test_a_lattice_that_is_thin_is_so_however_it_leans_and_wherever_it_points():
    turned = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    thin = np.array([[6.0, 0.0, 0.0], [0.0, 7.0, 0.0], [0.3, 0.2, 0.5]])
    leaning = np.array([[1.0, 0, 0], [9.0, 1, 0], [-4.0, 12, 1]]) @ thin @ turned
    reduced = thin @ turned
    for vectors in (leaning, np.stack([8.0 * leaning, leaning])):
        with pytest.raises(InputError, match=r"thick for images .* angstrom thin"):
            check_images(vectors, (True, True, True))
    check_images(leaning, (True, True, False))
    assert thickness(reduced, (True, True, True)) == pytest.approx(thickness(thin, (True, True, True)))


@pytest.mark.parametrize(
    "vectors", [np.zeros((3, 3)), np.diag([8.0, 8.0, 0.0]), np.array([[1.0, 2, 3], [2, 4, 6], [0, 0, 5]])]
)
def test_vectors_that_span_nothing_are_no_cell(vectors):
    assert thickness(vectors, (True, True, True)) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match="spans a volume, but its vectors are missing"):
        check_images(vectors, (True, True, True))
    check_images(vectors, (False, False, False))


def test_a_direction_without_images_may_be_thin():
    thin = np.diag([0.02, 15.0, 15.0])
    sentence = r"at least 0\.50 angstrom thick for images .* but is 0\.011 angstrom thin\. Look at the cell"
    with pytest.raises(InputError, match=sentence):
        check_images(thin, (True, True, False))
    check_images(thin, (False, True, True))


def test_a_dataset_whose_cell_is_too_thin_is_refused_with_its_frame():
    cell = np.tile(np.diag([9.0, 9.0, 9.0]), (4, 1, 1))
    cell[2, 1, 1] = 0.6
    label = {"atomic_numbers": [2, 10], "positions": np.tile([[0.0] * 3, [3.0, 0.2, 4.0]], (4, 1, 1))}
    label |= {"energies": np.zeros((4, 1)), "cell": cell}
    with pytest.raises(InputError, match=r"thick .* but is 0\.32 angstrom thin in frame 2"):
        group_from_arrays("helium", **label, pbc=(True, True, True))
    group_from_arrays("helium", **label, pbc=(True, False, True))


def test_a_stress_that_is_not_symmetric_is_refused_and_rounding_is_not():
    stress = np.tile(1e-3 * np.eye(3), (4, 1, 1, 1))
    stress[3, 0, 0, 1] = 2e-4
    label = {"atomic_numbers": [2, 10], "positions": np.tile([[0.0] * 3, [3.0, 0.2, 4.0]], (4, 1, 1))}
    label |= {"energies": np.zeros((4, 1)), "cell": np.tile(9.0 * np.eye(3), (4, 1, 1)), "pbc": (True,) * 3}
    with pytest.raises(
        InputError, match=r"`stress` must be symmetric .* frame 3 .* differ by 0\.0002 hartree"
    ):
        group_from_arrays("helium", **label, stress=stress)
    # A hundredth of a gigapascal is the last digit of a program, where the stress itself is nearly none.
    near = 1e-4 * stress
    kept = group_from_arrays("helium", **label, stress=near).stress
    np.testing.assert_array_equal(kept, kept.swapaxes(2, 3))
    assert kept[3, 0, 0, 1] == pytest.approx(1e-8)
