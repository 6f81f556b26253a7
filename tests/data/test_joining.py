"""Joining loses nothing, and mixes nothing that a model cannot tell apart."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.data import Dataset, group_from_arrays, join, load_dataset, write_dataset


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
        (
            {"charge": 0},
            r"differ in `charge` \(.* and 0\). A model sees elements and positions only: train one",
        ),
        ({"multiplicities": (1, 1, 5, 5)}, r"differ in `multiplicities` .*: train one for each"),
        ({"theory": "other"}, r"differ in `theory` \('guesswork' and 'other'\).*`mix: \[theory\]`"),
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


@pytest.mark.parametrize("theory", ["", "guesswork", "other"])
def test_groups_are_joined_whose_theory_is_the_same_or_not_known_or_may_differ(dataset, theory):
    other = Dataset((replace(dataset.groups[0], theory=theory),))
    joined = join([dataset, other], mix=("theory",) if theory == "other" else ())
    assert joined.groups[0].theory == ("guesswork; other" if theory == "other" else "guesswork")


def test_a_joined_group_knows_how_many_frames_came_from_each_file(dataset):
    few = Dataset((dataset.groups[0].select([0, 1]),))
    joined = join([dataset, few, few]).groups[0]
    assert joined.parts == (7, 2, 2)
    assert join([Dataset((joined,)), few]).groups[0].parts == (7, 2, 2, 2)
    assert joined.select([0, 1, 9, 10]).parts == (2, 2)
    assert joined.select([8, 0]).parts == ()
    assert join([dataset]).groups[0].parts == ()
