"""Weights and tags of frames: in files, through joins and selections."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from nadyn.checks.errors import InputError
from nadyn.cli.info import info
from nadyn.data import Dataset, join, load_dataset, write_dataset
from nadyn.data.readers.extxyz import read_extxyz
from nadyn.data.writers.extxyz import write_extxyz

WEIGHT = np.array([1.0, 0.5, 2.0, 1.0, 1.0, 3.0, 0.25])
TAG = ("start", "start", "", "stop", "gap π", "stop", "random")


@pytest.fixture
def noted(dataset) -> Dataset:
    return Dataset((replace(dataset.groups[0], weight=WEIGHT, tag=TAG),))


def test_a_file_gives_weights_and_tags_back(tmp_path, noted):
    write_dataset(tmp_path / "data.h5", noted)
    group = load_dataset(tmp_path / "data.h5").groups[0]
    assert np.array_equal(group.weight, WEIGHT) and group.tag == TAG


def test_extended_xyz_gives_weights_and_tags_back(tmp_path, noted):
    group = noted.groups[0]
    bare = replace(group, dipoles=None, spin_orbit=None, stress=None)
    write_extxyz(tmp_path / "data.xyz", Dataset((bare,)))
    found = read_extxyz(tmp_path / "data.xyz").groups[0]
    assert np.array_equal(found.weight, WEIGHT) and found.tag == TAG


def test_frames_take_their_weights_and_tags_along(noted):
    some = noted.groups[0].select([5, 1])
    assert some.weight.tolist() == [3.0, 0.5] and some.tag == ("stop", "start")


def test_a_part_without_weights_and_tags_has_ones_and_empty_words_in_a_join(dataset, noted):
    joined = join([dataset, noted]).groups[0]
    assert joined.weight.tolist() == [*[1.0] * 7, *WEIGHT] and joined.tag == ("",) * 7 + TAG
    plain = join([dataset, dataset]).groups[0]
    assert plain.weight is None and plain.tag is None


def test_what_is_no_weight_or_tag_is_refused(tmp_path, noted):
    path = tmp_path / "data.h5"
    write_dataset(path, noted)
    with h5py.File(path, "a") as file:
        file["made up/weight"][2] = -1.0
    with pytest.raises(InputError, match=r"`weight` must be above 0, but frame 2 has -1"):
        load_dataset(path)
    with h5py.File(path, "a") as file:
        file["made up/weight"][2] = 1.0
        del file["made up/tag"]
        file["made up/tag"] = np.arange(7)
    with pytest.raises(InputError, match="`tag` must be a list of words, one a frame"):
        load_dataset(path)


def test_info_tells_tags_and_weights(tmp_path, noted, capsys):
    write_dataset(tmp_path / "data.h5", noted)
    info(tmp_path / "data.h5")
    printed = capsys.readouterr().out
    assert "tags: start (2), no tag (1), stop (2), gap π (1), random (1)" in printed
    assert "weights: 0.25 to 3" in printed
