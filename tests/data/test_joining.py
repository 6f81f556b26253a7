"""Joining and splitting lose nothing and depend on the seed alone."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, folds, group_from_arrays, join, load_dataset, split, write_dataset


def test_groups_of_one_name_are_joined_and_missing_labels_are_nan(tmp_path, arrays, attributes):
    reduced = {key: array for key, array in arrays.items() if key not in ("forces", "dipoles")}
    first = Dataset((group_from_arrays("a", **reduced, **attributes),))
    second = Dataset(
        (group_from_arrays("a", **arrays, **attributes), group_from_arrays("b", **arrays, **attributes))
    )
    write_dataset(tmp_path / "1.h5", first)
    write_dataset(tmp_path / "2.h5", second)
    joined = load_dataset(tmp_path / "1.h5", tmp_path / "2.h5")
    assert joined.names == ("a", "b")
    group = joined.group("a")
    assert (group.n_frames, joined.n_frames) == (14, 21)
    np.testing.assert_array_equal(group.energies, np.concatenate([arrays["energies"]] * 2))
    assert np.isnan(group.forces[:7]).all() and np.isnan(group.dipoles[:7]).all()
    np.testing.assert_array_equal(group.forces[7:], arrays["forces"])
    assert group.theory == "guesswork"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"charge": 0}, "differ in `charge`"),
        ({"multiplicities": (1, 1, 5, 5)}, "differ in `multiplicities`"),
        ({"pbc": np.array([True, True, True])}, "differ in `pbc` or `cell`"),
        ({"atomic_numbers": np.array([6, 1, 8, 1, 1])}, "differ in the element of atom 4"),
    ],
)
def test_groups_that_do_not_fit_are_refused(dataset, change, sentence):
    other = Dataset((replace(dataset.groups[0], **change),))
    with pytest.raises(InputError, match=sentence):
        join([dataset, other])


def test_groups_of_different_size_are_refused(dataset, arrays):
    few = {
        "positions": arrays["positions"][:, :4],
        "energies": arrays["energies"],
        "atomic_numbers": [6, 1, 8, 1],
    }
    with pytest.raises(InputError, match="have 5 and 4 atoms"):
        join([dataset, Dataset((group_from_arrays("made up", multiplicities=(1, 1, 3, 3), **few),))])
    one = {**few, "positions": arrays["positions"], "energies": arrays["energies"][:, :1]}
    one["atomic_numbers"] = arrays["atomic_numbers"]
    with pytest.raises(InputError, match="have 4 and 1 states"):
        join([dataset, Dataset((group_from_arrays("made up", **one),))])


def test_nothing_and_groups_of_one_name_are_no_dataset(dataset):
    with pytest.raises(InputError, match="is empty"):
        join([])
    with pytest.raises(InputError, match="'made up' occurs twice"):
        Dataset(dataset.groups * 2)
    with pytest.raises(InputError, match="must be one of made up, but is 'other'"):
        dataset.group("other")


def energies_of(dataset):
    return set(dataset.groups[0].energies[:, 0].tolist())


def test_a_split_is_a_partition_that_the_seed_decides(fixtures):
    dataset = load_dataset(fixtures / "ethanol_60_frames.h5")
    training, validation = split(dataset, 0.2, seed=3)
    assert (training.n_frames, validation.n_frames) == (48, 12)
    assert energies_of(training) | energies_of(validation) == energies_of(dataset)
    assert not energies_of(training) & energies_of(validation)
    again = split(dataset, 0.2, seed=3)[1]
    np.testing.assert_array_equal(again.groups[0].positions, validation.groups[0].positions)
    assert energies_of(split(dataset, 0.2, seed=4)[1]) != energies_of(validation)


def test_all_arrays_of_a_frame_stay_together(dataset):
    training, validation = split(dataset, 0.4, seed=1)
    original = dataset.groups[0]
    for part in (training.groups[0], validation.groups[0]):
        for row, energy in enumerate(part.energies):
            frame = int(np.flatnonzero((original.energies == energy).all(axis=1))[0])
            for key, array in part.frame_arrays().items():
                np.testing.assert_array_equal(array[row], original.frame_arrays()[key][frame])


def test_each_part_has_a_frame_where_there_are_two(dataset):
    two = Dataset((dataset.groups[0].select([0, 1]),))
    for fraction in (0.01, 0.99):
        training, validation = split(two, fraction, seed=1)
        assert (training.n_frames, validation.n_frames) == (1, 1)
    one = Dataset((dataset.groups[0].select([4]),))
    assert split(one, 0.5, seed=1)[1] is None
    assert split(dataset, 0.0, seed=1)[1] is None


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_out_of_range_is_refused(dataset, fraction):
    with pytest.raises(InputError, match="`validation_fraction` must lie"):
        split(dataset, fraction, seed=1)


def test_every_frame_is_validated_once_in_folds(dataset):
    validated = []
    for training, validation in folds(dataset, 3, seed=2):
        assert not energies_of(training) & energies_of(validation)
        assert energies_of(training) | energies_of(validation) == energies_of(dataset)
        validated += validation.groups[0].energies[:, 0].tolist()
    assert sorted(validated) == sorted(energies_of(dataset))
    with pytest.raises(InputError, match="between 2 and 7"):
        folds(dataset, 8, seed=2)
