"""Frames and couplings that are broken are found, those that are in order are not."""

from dataclasses import replace

import numpy as np
import pytest

from nadyn import shipped
from nadyn.checks.errors import InputError
from nadyn.data import Dataset, load_dataset
from nadyn.data.cleaning import couplings_from_d, without_doubtful
from nadyn.data.label_checks.coupling_kind import couplings_like_d
from nadyn.data.label_checks.energy_outliers import energy_outliers
from nadyn.data.label_checks.frame_geometry import shrunken_frames, wrapped_frames
from nadyn.data.label_checks.table import doubts
from nadyn.data.readers.reader import ReadOptions
from nadyn.data.readers.table import read_file
from nadyn.units import HARTREE_PER_EV

IN_ORDER = [
    "butene_60_frames.h5",
    "ethanol_60_frames.h5",
    "3bpa_5_frames.xyz",
    "carbon_periodic_6_frames.xyz",
]


@pytest.fixture(scope="module")
def ammonia():
    return load_dataset(shipped.path("ammonia/ammonia.h5")).groups[0]


@pytest.fixture(scope="module")
def near():
    return load_dataset(shipped.path("ammonia/ammonia_near_intersection.h5")).groups[0]


@pytest.mark.parametrize("name", IN_ORDER)
def test_real_molecules_pass_without_a_word(fixtures, name):
    for group in read_file(fixtures / name).groups:
        assert doubts(group) == ()


def test_the_shipped_data_pass_without_a_word(ammonia, near):
    assert doubts(ammonia) == doubts(near) == ()


def test_frames_that_were_published_shrunken_are_named(fixtures):
    (group,) = read_file(fixtures / "ch2nh2_12_frames.db").groups
    doubt = shrunken_frames(group)
    assert np.flatnonzero(doubt.frames).tolist() == [0, 1, 2]
    assert "in 3 of 12 frames (0, 1, 2)" in doubt.sentence and "angstrom" in doubt.sentence


@pytest.mark.parametrize("error_ev", [8.0, -30.0, 1e5])
@pytest.mark.parametrize("state", [0, 1])
def test_an_energy_that_fits_to_no_neighbour_is_named(ammonia, state, error_ev):
    group = ammonia.select(range(0, 3000, 3))
    energies = group.energies.copy()
    energies[[40, 700], state] += error_ev * HARTREE_PER_EV
    doubt = energy_outliers(replace(group, energies=energies))
    assert np.flatnonzero(doubt.frames).tolist() == [40, 700]
    assert f"that of state {state} in frame" in doubt.sentence


def test_frames_that_all_have_a_copy_are_no_outliers(ammonia):
    (group,) = ammonia.groups if isinstance(ammonia, Dataset) else (ammonia,)
    assert energy_outliers(group.select([*range(60), *range(60)])) is None


def test_d_grows_as_one_over_the_gap_and_h_does_not(near):
    gap = np.diff(near.energies, axis=1)[:, 0]
    wrong = replace(near, interstate_couplings=near.interstate_couplings / gap[:, None, None, None])
    assert couplings_like_d(near) is None
    sentence = couplings_like_d(wrong).sentence
    assert "grow as the gap to the power -0.9" in sentence and "`nadyn convert --couplings d`" in sentence
    (back,) = couplings_from_d(Dataset((wrong,))).groups
    np.testing.assert_allclose(back.interstate_couplings, near.interstate_couplings, rtol=1e-12)
    assert couplings_like_d(back) is None


def test_gaps_that_hardly_vary_tell_nothing_of_the_couplings(near):
    gap = np.diff(near.energies, axis=1)[:, 0]
    similar = np.flatnonzero((gap > np.quantile(gap, 0.5)) & (gap < 1.5 * np.quantile(gap, 0.5)))
    group = near.select(similar)
    wrong = group.interstate_couplings / gap[similar, None, None, None]
    assert couplings_like_d(replace(group, interstate_couplings=wrong)) is None


@pytest.mark.parametrize("shear", [0.0, 0.7])
def test_a_molecule_is_cut_where_its_bonds_go_through_the_wall(ammonia, shear):
    positions = ammonia.positions[:5] - ammonia.positions[:5].mean(axis=1, keepdims=True)
    cell = np.tile(np.array([[20.0, 0, 0], [shear * 20, 20, 0], [0, shear * 20, 20]]), (5, 1, 1))
    fractional = positions @ np.linalg.inv(cell)
    wrapped = (fractional % 1.0) @ cell
    assert wrapped_frames(ammonia.atomic_numbers, wrapped, cell).all()
    inside = positions + 0.5 * cell.sum(axis=1, keepdims=True)
    assert not wrapped_frames(ammonia.atomic_numbers, inside, cell).any()


def test_doubtful_frames_are_left_out_until_nothing_is_found(fixtures, ammonia):
    (group,) = read_file(fixtures / "ch2nh2_12_frames.db", ReadOptions(charge=1)).groups
    kept, sentences = without_doubtful(Dataset((group,)))
    assert kept.n_frames == 9 and doubts(kept.groups[0]) == ()
    assert sentences == ("CH4N: left out 3 of 12 frames (0, 1, 2).",)
    np.testing.assert_array_equal(kept.groups[0].forces, group.forces[3:])
    assert without_doubtful(Dataset((ammonia,))) == (Dataset((ammonia,)), ())


def test_a_group_of_which_nothing_would_be_left_is_refused(ammonia):
    cell = np.tile(20.0 * np.eye(3), (3, 1, 1))
    positions = (ammonia.positions[:3] - ammonia.positions[:3, :1]) % 20.0
    group = replace(ammonia.select([0, 1, 2]), positions=positions, cell=cell)
    with pytest.raises(InputError, match="must keep a frame, but all of them are doubtful"):
        without_doubtful(Dataset((group,)))
