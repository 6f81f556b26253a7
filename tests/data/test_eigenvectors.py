"""Eigenvectors of a diabatic matrix in a dataset: checked, kept, sorted with their states."""

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, load_dataset
from nadyn.data.dataset_file import write_dataset
from nadyn.data.joining import join
from nadyn.data.one_spin import with_one_multiplicity
from nadyn.training.configuration import ModelSection
from nadyn.training.learned_labels import also_learned, with_labels_that_are_learned
from nadyn.training.samples import knows_eigenvectors, labelled_matrices, samples_from_group

GENERATOR = np.random.default_rng(4)
POSITIONS = np.array([[0.0, 0, 0], [2.0, 0, 0]]) + 0.1 * GENERATOR.standard_normal((5, 2, 3))
VECTORS = np.linalg.qr(GENERATOR.standard_normal((5, 2, 2)))[0]
ENERGIES = np.sort(-70.0 + GENERATOR.standard_normal((5, 2)), axis=1)


def group(**changes):
    arrays = {"positions": POSITIONS, "energies": ENERGIES, "eigenvectors": VECTORS} | changes
    return group_from_arrays("CO", atomic_numbers=[6, 8], **arrays)


def matrices(one):
    return (one.eigenvectors * one.energies[:, None, :]) @ one.eigenvectors.swapaxes(1, 2)


def test_they_are_written_and_read_bit_for_bit(tmp_path):
    some = VECTORS.copy()
    some[3] = np.nan
    write_dataset(tmp_path / "data.h5", Dataset((group(eigenvectors=some),)))
    (back,) = load_dataset(tmp_path / "data.h5").groups
    assert np.array_equal(back.eigenvectors, some, equal_nan=True)


def test_matrices_that_are_not_orthonormal_are_refused():
    wrong = VECTORS.copy()
    wrong[2] *= 1.0001
    with pytest.raises(InputError, match=r"`eigenvectors` must be orthonormal, but in frame 2 UᵀU differs"):
        group(eigenvectors=wrong)


def test_a_frame_that_is_half_known_is_refused():
    half = VECTORS.copy()
    half[1, 0, 0] = np.nan
    with pytest.raises(InputError, match="frame 1 is NaN in part"):
        group(eigenvectors=half)


def test_states_out_of_order_take_their_columns_with_them():
    ordered = matrices(group())
    with pytest.warns(UserWarning, match="sorted"):
        swapped = group(energies=ENERGIES[:, ::-1], eigenvectors=VECTORS[:, :, ::-1])
    assert np.allclose(matrices(swapped), ordered, atol=1e-12)


def test_joined_with_frames_that_have_none_these_are_nan():
    whole = join([Dataset((group(),)), Dataset((group(eigenvectors=None),))]).groups[0]
    assert np.isfinite(whole.eigenvectors[:5]).all()
    assert np.isnan(whole.eigenvectors[5:]).all()


def test_one_multiplicity_of_several_has_none():
    mixed = group(multiplicities=(1, 3), energies=ENERGIES)
    assert with_one_multiplicity(Dataset((mixed,)), 1).groups[0].eigenvectors is None


def test_labelled_matrices_are_not_moved_by_a_little_too_long_vectors():
    samples = samples_from_group(group(eigenvectors=VECTORS * (1 + 4e-7)))
    assert np.abs(labelled_matrices(samples).numpy() - matrices(group())).max() < 5e-6
    # Energies of 70 hartree times what is too much would be ten times as far away.
    assert np.abs(matrices(group(eigenvectors=VECTORS * (1 + 4e-7))) - matrices(group())).max() > 5e-5


def test_they_are_learned_by_a_basis_of_as_many_rows_as_states_alone():
    data = Dataset((group(),))
    samples = (samples_from_group(data.groups[0]),)
    for basis, learns in (("2x0e", True), ("2x0e + 1x1o", False), ("auto", False), ("1x0e + 1x0o", True)):
        section = ModelSection(basis=basis)
        (own,) = with_labels_that_are_learned(samples, section)
        assert (own.eigenvectors is not None) == learns
        assert ("eigenvectors" in also_learned(section, data)) == learns
    assert knows_eigenvectors(samples[0]).all()
